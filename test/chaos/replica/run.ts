import type { Random } from "../../support/random.ts";
import type { Tally } from "../edge/faults.ts";
import type { Gate } from "./gate.ts";
import type { Lost } from "./lost.ts";
import type { Model } from "./model.ts";
import type { Passed } from "./passed.ts";
import type { Reader } from "./readers.ts";
import type { Twins } from "./twins.ts";
import type { Watch } from "./watch.ts";
import type { Writers } from "./writers.ts";

/** What took longest. */
export interface Measured {
  /** Milliseconds until nodes noticed that the primary was put back. */
  noticedMs: number;
}

/** What faults work on. */
export interface Run {
  readonly twins: Twins;
  readonly random: Random;
  readonly model: Model;
  readonly gate: Gate;
  readonly writers: Writers;
  readonly readers: readonly Reader[];
  readonly watch: Watch;
  readonly passed: Passed;
  readonly lost: Lost;
  /** What happened beside the faults. */
  readonly events: Tally;
  readonly measured: Measured;
  readonly complain: (text: string) => void;
  readonly log: (line: string) => void;
}

/** A fault: begins, lasts, and is over, whatever it was. */
export interface Fault {
  readonly name: string;
  run(run: Run): Promise<void>;
}
