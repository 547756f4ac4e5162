import { FEED_START } from "../../domain/change-source.ts";
import { keyText, type MemoryKey } from "../../domain/keys.ts";
import { buildReport } from "./build-report.ts";
import type { CheckContext } from "./check-context.ts";
import type { CheckOptions } from "./check-options.ts";
import { CheckRun } from "./check-run.ts";
import { Comparer } from "./comparer.ts";
import { parseQuickPosition, type QuickPosition, storedPosition } from "./position.ts";
import type { ConsistencyReport } from "./report.ts";

/** Memories per batch. */
const PAGE_SIZE = 500;
/** Maximum number of in-progress memories that the next pass compares again; the sweep covers the rest. */
const REVISITED_MAX = 5_000;

/**
 * Compares the memories that changed since the last pass, by the ledger's feed, and again those that were in progress or
 * differed then. The very first pass compares everything.
 */
export async function runQuick(context: CheckContext, options: CheckOptions): Promise<ConsistencyReport> {
  const { parts, name, pace, signal } = context;
  const { ledger, records, log } = parts;
  const epoch = await ledger.epoch(signal);
  const state = await CheckRun.lastState(parts, name, signal);
  const last = storedPosition(state?.position, parseQuickPosition, name, log);
  const known = last?.epoch === epoch ? last : null;
  const found = known === null ? [] : await records.checkFindings(name, REVISITED_MAX, signal);
  const run = await CheckRun.continue(parts, name, "position", signal);
  const comparer = new Comparer(context, run.log, false);
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
