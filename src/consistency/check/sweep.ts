import { BUCKET_COUNT } from "../../domain/keys.ts";
import type { StoreId } from "../../domain/store-id.ts";
import type { Eviction, Projection } from "../../stores/projection.ts";
import type { CheckContext } from "./check-context.ts";
import { CheckRun } from "./check-run.ts";
import { Comparer } from "./comparer.ts";
import type { Finding } from "./report.ts";
import { WALK_START, Walk, type WalkPosition } from "./walk.ts";

export interface SweepOptions {
  readonly stores?: readonly StoreId[];
  /** How much of a round the slice should be, more than 0, at most 1: a page is not cut. */
  readonly share: number;
  readonly signal: AbortSignal;
}

/** What one slice of the rolling sweep came to. */
export interface SweepSlice {
  /** Memories of the ledger that were compared. */
  readonly checked: number;
  /** Those of this slice. */
  readonly findings: readonly Finding[];
  /** Whether the round ended here: everything has been looked at since it began. */
  readonly roundEnded: boolean;
}

const PAGE_SIZE = 500;

/** The ledger's memories are this part of a round; the entries of the projections, which are only listed, the rest. */
const LEDGER_PART = 0.8;

/**
 * Goes on with the round over everything, compared by version and checksum, and pauses it again. A round that ended is
 * followed by the next one. Entries of a projection are walked over within one slice, since its cursor need not outlast
 * a restart of the store.
 */
export async function runSweepSlice(
  context: CheckContext,
  projections: readonly Projection[],
  evictions: ReadonlyMap<Projection, Eviction>,
  options: SweepOptions,
): Promise<SweepSlice> {
  const { parts, name, pace, signal } = context;
  const last = await CheckRun.lastState(parts, name, signal);
  const start = (last?.position ?? null) as WalkPosition | null;
  const run = await CheckRun.continue(parts, name, start === null ? "nothing" : "all", signal);
  const before = run.log.findings.length;
  const comparer = new Comparer(parts, { deep: false, ledgerToo: false, projections, evictions }, run.log, signal);
  const pages = { pageSize: PAGE_SIZE, pageBytes: null };
  const walk = new Walk(parts, { projections, buckets: null, ...pages }, comparer, start ?? WALK_START, signal);
  const stores = projections.map(({ id: store }) => store);
  const goal = sweepCoverage(start ?? WALK_START, stores) + options.share;
  try {
    for (let seen = await walk.step(); seen !== null; seen = await walk.step()) {
      await run.checkpoint(walk.position, comparer.checked, signal);
      await pace.turn(seen, signal);
      signal.throwIfAborted();
      // Within a projection the coverage stands still, so that its walk is gone through with.
      if (walk.atStageStart || walk.position?.stage === "ledger") {
        if (sweepCoverage(walk.position, stores) >= goal) break;
      }
    }
  } finally {
    await walk.end();
  }
  const roundEnded = walk.position === null;
  if (roundEnded) await run.finish(null, comparer.checked, signal);
  else await run.pause(walk.position, comparer.checked, signal);
  return { checked: comparer.checked, findings: run.log.findings.slice(before), roundEnded };
}

/** The share of a round that is done, 0 to 1. Buckets are filled evenly, so the bucket says how far the ledger is. */
export function sweepCoverage(position: WalkPosition | null, projections: readonly StoreId[]): number {
  if (position === null) return 1;
  if (position.stage === "ledger") return LEDGER_PART * (((position.after?.bucket ?? -1) + 1) / BUCKET_COUNT);
  const done = Math.max(0, projections.indexOf(position.stage));
  return LEDGER_PART + ((1 - LEDGER_PART) * done) / Math.max(1, projections.length);
}
