import type { ReadSources } from "../index.ts";
import type { Invocation } from "./command.ts";

/** Lacking in an answer, in words. */
const LACKING: Readonly<Record<ReadSources["replica"], string | null>> = {
  ok: null,
  off: null,
  behind: "the replica may not know yet what the primary deleted: the answer is the primary's alone",
  unavailable: "the replica did not answer: the answer is the primary's alone",
};

/** Keeps the sides that an answer stands on, for its document, and notes for people what the answer may lack. */
export class ToldSources {
  /** Undefined without a replica. */
  sources: ReadSources | undefined;
  readonly #note: Invocation["note"];

  constructor({ note }: Pick<Invocation, "note">) {
    this.#note = note;
  }

  readonly tell = (sources: ReadSources): void => {
    this.sources = sources;
    if (sources.primary === "unavailable") {
      this.#note("the primary did not answer: the answer is the replica's alone, and may be behind");
      return;
    }
    const lacking = LACKING[sources.replica];
    if (lacking !== null) this.#note(lacking);
  };
}
