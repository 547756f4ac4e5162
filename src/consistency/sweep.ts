import type { StoreName } from "../errors.ts";
import { BUCKET_COUNT } from "../memory/keys.ts";
import type { Eviction, Projection } from "../projections/projection.ts";
import type { CheckContext } from "./check-context.ts";
import { CheckRun } from "./check-run.ts";
import { Comparer } from "./comparer.ts";
import type { Finding } from "./report.ts";
import { WALK_START, Walk, type WalkPosition } from "./walk.ts";

export interface SweepOptions {
  readonly stores?: readonly StoreName[];
  /** Memories and entries to look at, about: a page is not cut. */
  readonly budget: number;
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
  const position = (last?.position ?? null) as WalkPosition | null;
  const run = await CheckRun.continue(parts, name, position === null ? "nothing" : "all", signal);
  const before = run.log.findings.length;
  const comparer = new Comparer(parts, { deep: false, ledgerToo: false, projections, evictions }, run.log, signal);
  const pages = { pageSize: Math.min(PAGE_SIZE, Math.max(1, options.budget)), pageBytes: null };
  const walk = new Walk(parts, { projections, buckets: null, ...pages }, comparer, position ?? WALK_START, signal);
  try {
    for (let left = options.budget; ; ) {
      const stage = walk.position?.stage;
      if (stage === undefined) break;
      const seen = (await walk.step()) ?? 0;
      left -= seen;
      await run.checkpoint(walk.position, comparer.checked, signal);
      await pace.turn(seen, signal);
      signal.throwIfAborted();
      const isBetween = stage === "ledger" || walk.position?.stage !== stage;
      if (left <= 0 && isBetween) break;
    }
  } finally {
    await walk.end();
  }
  const roundEnded = walk.position === null;
  if (roundEnded) await run.finish(null, comparer.checked, signal);
  else await run.pause(walk.position, comparer.checked, signal);
  return { checked: comparer.checked, findings: run.log.findings.slice(before), roundEnded };
}

/**
 * The share of a round that is done, 0 to 1. Buckets are filled evenly, so the bucket says how far the ledger has been
 * walked over; the projections' own entries, which are only listed, count for a fifth in all.
 */
export function sweepCoverage(position: WalkPosition | null, projections: readonly StoreName[]): number {
  if (position === null) return 0;
  if (position.stage === "ledger") return 0.8 * (((position.after?.bucket ?? -1) + 1) / BUCKET_COUNT);
  const done = projections.indexOf(position.stage);
  return 0.8 + (0.2 * Math.max(0, done)) / Math.max(1, projections.length);
}
