import { MediaKeeper } from "../connectors/hosted/media-keeper.ts";
import { Confirmer } from "../erase/confirmer.ts";
import { eraseKind } from "../erase/erase-kind.ts";
import type { OnEraseStep } from "../erase/erase-step.ts";
import { Eraser } from "../erase/eraser.ts";
import { ErasureRequests } from "../erase/erasures.ts";
import type { JobKinds } from "../jobs/job-kind.ts";
import type { Jobs } from "../jobs/jobs.ts";
import { ErasureLedger } from "../ledger/erasure-ledger.ts";
import { AFTER_START_MS, Loop } from "../runtime/loop.ts";
import type { WriteIntent } from "../write/plan.ts";
import type { ReadingParts } from "./assemble-reading.ts";
import type { WritingParts } from "./assemble-writing.ts";
import type { Foundation } from "./foundation.ts";

/** What erases. */
export interface ErasingParts {
  readonly requests: ErasureRequests;
  /** Makes this node's own stores known: no erasure is complete without them. */
  register(signal: AbortSignal): Promise<void>;
  /** Has this node's stores confirm, and takes up erasures whose node was lost. */
  readonly service: Loop;
}

/** Milliseconds between two looks for erasures that this node's stores have to confirm. */
const INTERVAL_MS = 10_000;

export function assembleErase(
  foundation: Foundation,
  { batcher }: Pick<WritingParts, "batcher">,
  { finder, reader }: Pick<ReadingParts, "finder" | "reader">,
  { jobs, kinds }: { readonly jobs: Jobs; readonly kinds: JobKinds },
  onStep: OnEraseStep | undefined,
): ErasingParts {
  const { options, postgres, ledger, gates, metrics, log } = foundation;
  const erasures = new ErasureLedger(postgres, options.callTimeoutMs);
  const write = (intent: WriteIntent, signal: AbortSignal) => batcher.write(intent, true, signal);
  const eraser = new Eraser({ ledger: erasures, finder, write, onStep });
  const { mediaDirectory } = options.connectors;
  const confirmer = new Confirmer({
    ...{ ledger, erasures, gates, log, onStep },
    keepers: mediaDirectory === undefined ? [] : [new MediaKeeper(mediaDirectory)],
    forget: (keys) => reader.forget(keys),
  });
  kinds.register(eraseKind(eraser, confirmer, (memories) => metrics.erase.erased(memories)));
  const requests = new ErasureRequests({ erasures, ledger, jobs, finder, write, onStep });
  const service = new Loop({
    name: "erase",
    intervalMs: INTERVAL_MS,
    firstAfterMs: AFTER_START_MS,
    log,
    pass: async (signal) => {
      await confirmer.register(signal);
      await requests.resume(signal);
      return await confirmer.runOnce(signal);
    },
  });
  return { requests, register: (signal) => confirmer.register(signal), service };
}
