import type { MemoryFields } from "../../domain/memory-input.ts";
import { completed } from "../run/completed.ts";
import {
  expectedOutcome,
  fetchedCounts,
  type ItemResult,
  isStoredInPart,
  knownAfter,
  lettersAndSettled,
} from "../run/item-result.ts";
import { addedCounts, errorOfRun } from "../run/run-record.ts";
import type { Source, SourceItem } from "../run/source.ts";
import type { ItemOutcome, Target } from "../run/target.ts";
import type { Checkpoint, DeadLetter, RunCounts, RunRecord } from "../state/state.ts";
import type { LedgerState } from "./ledger-state.ts";
import { ConnectorRunningError } from "./running-error.ts";
import type { RunOrder } from "./work.ts";

export interface ReplayParts {
  readonly connectorId: string;
  readonly source: Source;
  readonly target: Target;
  readonly state: LedgerState;
  readonly onProgress: (counts: RunCounts) => void;
  readonly now: () => number;
}

/** Letters that are dealt with at a time. */
const PAGE_SIZE = 50;

/** Items whose files are fetched at once. */
const IN_FLIGHT_MAX = 10;

/**
 * Tries items again that could not be stored: as the service has them now, or as they were kept where it has them no more. In a dry
 * run it counts what would be done, and changes nothing.
 * @returns the run as the log keeps it. @throws {ConnectorRunningError}
 */
export async function replayLetters(
  parts: ReplayParts,
  begun: RunRecord,
  { letters: itemIds, dryRun }: Pick<RunOrder, "letters" | "dryRun">,
  signal: AbortSignal,
): Promise<RunRecord> {
  const { state, onProgress, now } = parts;
  const refused = dryRun ? null : await state.begin(begun);
  if (refused !== null) throw new ConnectorRunningError(parts.connectorId, refused.running.id);
  const cursor = await state.cursor();
  let run: RunRecord = { ...begun, cursorBefore: cursor, cursorAfter: cursor };
  try {
    const wanted = itemIds ?? (await state.letterIds());
    for (let at = 0; at < wanted.length; at += PAGE_SIZE) {
      signal.throwIfAborted();
      const letters = await state.lettersOf(wanted.slice(at, at + PAGE_SIZE));
      if (letters.length === 0) continue;
      const page = await replayPage(parts, letters, { runId: run.id, dryRun }, signal);
      run = { ...run, counts: addedCounts(run.counts, page.counts) };
      if (!dryRun) await state.checkpoint({ ...page.kept, run });
      onProgress(run.counts);
    }
    run = { ...run, state: run.counts.failed > 0 ? "partial" : "succeeded" };
  } catch (error) {
    run = signal.aborted ? { ...run, state: "cancelled" } : { ...run, state: "failed", error: errorOfRun(error) };
  }
  run = { ...run, endedAt: now() };
  if (!dryRun) await state.end(run, cursor);
  return run;
}

async function replayPage(
  { source, target, state, now }: ReplayParts,
  letters: readonly DeadLetter[],
  { runId, dryRun }: { readonly runId: string; readonly dryRun: boolean },
  signal: AbortSignal,
): Promise<{ readonly counts: Partial<RunCounts>; readonly kept: Omit<Checkpoint, "run"> }> {
  const known = await state.items(letters.map(({ itemId }) => itemId));
  const items: SourceItem[] = [];
  for (const letter of letters) {
    const found = await source.get(letter.itemId, signal);
    // Without a hash it only says that the item is there, and has no text any more.
    const item = found === null || found.hash === "" ? itemOf(letter) : found;
    items.push({ ...item, hash: item.hash === "" ? (known.get(letter.itemId)?.hash ?? "") : item.hash });
  }
  // With their files: what was stored without them stands in the dead letters too.
  const whole = dryRun
    ? items.map((item) => ({ item, lost: null }))
    : await completed(source, items, IN_FLIGHT_MAX, signal);
  const outcomes = dryRun
    ? items.map(({ id }) => expectedOutcome(known.get(id)))
    : await target.write(
        whole.map(({ item }) => item),
        signal,
      );
  const results = whole.map((each, index): ItemResult => ({ ...each, outcome: outcomes[index] as ItemOutcome }));
  const nothing = { created: 0, updated: 0, unchanged: 0, erased: 0, failed: 0 };
  const counts = { read: items.length, ...nothing, ...fetchedCounts(whole) };
  for (const { outcome } of results) counts[outcome.outcome === "refused" ? "failed" : outcome.outcome]++;
  counts.failed += results.filter(isStoredInPart).length;
  return {
    counts,
    kept: {
      items: results.map((result, index) => knownAfter(result, items[index] as SourceItem, runId)),
      ...lettersAndSettled(results, now()),
    },
  };
}

/** The item as it was when it was refused. */
function itemOf({ itemId, memoryId, payload }: DeadLetter): SourceItem {
  const { memoryId: _, ...fields } = JSON.parse(payload) as MemoryFields & { memoryId: string };
  return { id: itemId, memoryId, fields, hash: "" };
}
