import { FEED_START, type FeedCursor } from "../../domain/change-source.ts";
import { keyText, type MemoryKey } from "../../domain/keys.ts";
import type { Eviction, Projection } from "../../stores/projection.ts";
import { buildReport, type CheckContext } from "./check-context.ts";
import type { CheckOptions } from "./check-options.ts";
import { CheckRun } from "./check-run.ts";
import { Comparer } from "./comparer.ts";
import type { ConsistencyReport } from "./report.ts";

/** Memories that are compared at a time. */
const PAGE_SIZE = 500;
/** Memories under way that the next pass looks at again, at most: those beyond it are the sweep's. */
const REVISITED_MAX = 5_000;

/** Where the next pass begins. */
interface QuickPosition {
  readonly epoch: string;
  readonly cursor: FeedCursor;
  /** Memories whose difference was on its way, as pairs of namespace and id. */
  readonly revisit: readonly (readonly [string, string])[];
}

/**
 * Looks at what changed since the last pass, by the ledger's feed, and again at what was under way or differed then. The
 * first pass of all looks at everything, since all of it is new to it.
 */
export async function runQuick(
  context: CheckContext,
  projections: readonly Projection[],
  evictions: ReadonlyMap<Projection, Eviction>,
  options: CheckOptions,
): Promise<ConsistencyReport> {
  const { parts, name, pace, signal } = context;
  const { ledger, records } = parts;
  const epoch = await ledger.epoch(signal);
  const last = (await CheckRun.lastState(parts, name, signal))?.position as QuickPosition | null | undefined;
  const known = last != null && last.epoch === epoch ? last : null;
  const found = known === null ? [] : await records.checkFindings(name, REVISITED_MAX, signal);
  const run = await CheckRun.continue(parts, name, "position", signal);
  const comparer = new Comparer(parts, { deep: false, ledgerToo: false, projections, evictions }, run.log, signal);
  const underway = new Map<string, MemoryKey>();
  const compare = async (keys: readonly MemoryKey[]): Promise<void> => {
    const rows = await ledger.readVersions(keys, signal);
    for (const key of await comparer.compareRows([...rows.values()])) {
      if (underway.size < REVISITED_MAX) underway.set(keyText(key), key);
    }
    options.onProgress?.({ checked: comparer.checked, findings: run.log.findings.length });
    await pace.turn(keys.length, signal);
    signal.throwIfAborted();
  };
  const again = [...(known?.revisit ?? []).map(([namespace, memoryId]) => ({ namespace, memoryId })), ...found];
  const unique = [...new Map(again.map((key) => [keyText(key), key])).values()];
  for (let start = 0; start < unique.length; start += PAGE_SIZE) await compare(unique.slice(start, start + PAGE_SIZE));
  let cursor = known?.cursor ?? FEED_START;
  const position = (): QuickPosition => ({
    epoch,
    cursor,
    revisit: [...underway.values()].map(({ namespace, memoryId }) => [namespace, memoryId] as const),
  });
  for (;;) {
    const page = await ledger.changesAfter(cursor, PAGE_SIZE, signal);
    if (page.headers.length === 0) break;
    await compare(page.headers);
    cursor = page.cursor;
    await run.checkpoint(position(), comparer.checked, signal);
  }
  await run.finish(position(), comparer.checked, signal);
  return buildReport("quick", context, run, comparer, comparer.checked);
}
