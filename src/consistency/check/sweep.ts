import { BUCKET_COUNT } from "../../domain/keys.ts";
import { LEDGER_ID, type StoreId } from "../../domain/store-id.ts";
import type { CheckContext } from "./check-context.ts";
import { CheckRun } from "./check-run.ts";
import { Comparer } from "./comparer.ts";
import { parseWalkPosition, storedPosition, WALK_START, type WalkPosition } from "./position.ts";
import type { Finding } from "./report.ts";
import { Walk } from "./walk.ts";

export interface SweepOptions {
  readonly stores?: readonly StoreId[];
  /** The share of a round that the slice should cover, more than 0, at most 1. A slice ends at a page boundary. */
  readonly share: number;
  readonly signal: AbortSignal;
}

/** The result of one slice of the rolling sweep. */
export interface SweepSlice {
  /** Memories of the ledger that were compared. */
  readonly checked: number;
  /** Findings of this slice. */
  readonly findings: readonly Finding[];
  /** Whether the round ended here: everything was compared since it began. */
  readonly roundEnded: boolean;
}

const PAGE_SIZE = 500;

/** The ledger's memories are this share of a round; the entries of the projections, which are only listed, the rest. */
const LEDGER_SHARE = 0.8;

/**
 * Resumes the rolling round over all memories, compares by version and checksum, and pauses again. After a round the next
 * one begins. One slice scans all entries of a projection, because the scan cursor need not survive a restart of the
 * store.
 */
export async function runSweepSlice(context: CheckContext, options: SweepOptions): Promise<SweepSlice> {
  const { parts, name, checked, pace, signal } = context;
  const stores = checked.map(({ projection }) => projection.id);
  const last = await CheckRun.lastState(parts, name, signal);
  const start = storedPosition(last?.position, (value) => parseWalkPosition(value, stores), name, parts.log);
  const run = await CheckRun.continue(parts, name, start === null ? "nothing" : "all", signal);
  const before = run.log.findings.length;
  const comparer = new Comparer(context, run.log, false);
  const walk = new Walk(context, comparer, { position: start, pageSize: PAGE_SIZE });
  const goal = sweepCoverage(start ?? WALK_START, stores) + options.share;
  try {
    for (let seen = await walk.step(); seen !== null; seen = await walk.step()) {
      await run.checkpoint(walk.position, comparer.checked, signal);
      await pace.turn(seen, signal);
      signal.throwIfAborted();
      // The coverage does not change within a projection: its scan runs to the end.
      if (walk.atStageStart || walk.position?.stage === LEDGER_ID) {
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
  if (position.stage === LEDGER_ID) return LEDGER_SHARE * ledgerCoverage(position);
  const done = Math.max(0, projections.indexOf(position.stage));
  return LEDGER_SHARE + ((1 - LEDGER_SHARE) * done) / Math.max(1, projections.length);
}

/** The share of the ledger's buckets that a walk has passed, 0 to 1. */
export function ledgerCoverage({ stage, after }: WalkPosition): number {
  return stage === LEDGER_ID ? ((after?.bucket ?? -1) + 1) / BUCKET_COUNT : 1;
}
