import type { MemoryFields } from "../../domain/memory-input.ts";
import { addedCounts, errorOfRun } from "../run/run-record.ts";
import type { Source, SourceItem } from "../run/source.ts";
import type { ItemOutcome, Target } from "../run/target.ts";
import type { Checkpoint, DeadLetter, RunCounts, RunRecord } from "../state/state.ts";
import type { LedgerState } from "./ledger-state.ts";

export interface ReplayParts {
  readonly source: Source;
  readonly target: Target;
  readonly state: LedgerState;
  readonly onProgress: (counts: RunCounts) => void;
  readonly now: () => number;
}

/** Letters that are dealt with at a time. */
const PAGE_SIZE = 50;

/**
 * Tries items again that could not be stored: as the service has them now, or as they were kept where it has them no more.
 * @param itemIds null: all letters. @returns the run as the log keeps it.
 */
export async function replayLetters(
  parts: ReplayParts,
  begun: RunRecord,
  itemIds: readonly string[] | null,
  signal: AbortSignal,
): Promise<RunRecord> {
  const { state, onProgress, now } = parts;
  const refused = await state.begin(begun);
  if (refused !== null)
    return { ...begun, state: "failed", error: { code: "CONNECTOR_RUNNING", message: refused.running.id } };
  const cursor = await state.cursor();
  let run: RunRecord = { ...begun, cursorBefore: cursor, cursorAfter: cursor };
  try {
    const wanted = itemIds ?? (await state.deadLetters(Number.MAX_SAFE_INTEGER)).map(({ itemId }) => itemId);
    for (let at = 0; at < wanted.length; at += PAGE_SIZE) {
      signal.throwIfAborted();
      const letters = await state.lettersOf(wanted.slice(at, at + PAGE_SIZE));
      if (letters.length === 0) continue;
      const page = await replayPage(parts, letters, run.id, signal);
      run = { ...run, counts: addedCounts(run.counts, page.counts) };
      await state.checkpoint({ ...page.kept, run });
      onProgress(run.counts);
    }
    run = { ...run, state: run.counts.failed > 0 ? "partial" : "succeeded" };
  } catch (error) {
    run = signal.aborted ? { ...run, state: "cancelled" } : { ...run, state: "failed", error: errorOfRun(error) };
  }
  run = { ...run, endedAt: now() };
  await state.end(run, cursor);
  return run;
}

async function replayPage(
  { source, target, state, now }: ReplayParts,
  letters: readonly DeadLetter[],
  runId: string,
  signal: AbortSignal,
): Promise<{ readonly counts: Partial<RunCounts>; readonly kept: Omit<Checkpoint, "run"> }> {
  const known = await state.items(letters.map(({ itemId }) => itemId));
  const items: SourceItem[] = [];
  for (const letter of letters) {
    const now = await source.get(letter.itemId, signal);
    // Without a hash it only says that the item is there, and has no text any more.
    const item = now === null || now.hash === "" ? itemOf(letter) : now;
    items.push({ ...item, hash: item.hash === "" ? (known.get(letter.itemId)?.hash ?? "") : item.hash });
  }
  const outcomes = await target.write(items, signal);
  const counts = { read: items.length, created: 0, updated: 0, unchanged: 0, erased: 0, failed: 0 };
  const kept = {
    items: [] as Checkpoint["items"][number][],
    deadLetters: [] as Checkpoint["deadLetters"][number][],
    settled: [] as string[],
  };
  for (const [index, item] of items.entries()) {
    const outcome = outcomes[index] as ItemOutcome;
    counts[outcome.outcome === "refused" ? "failed" : outcome.outcome]++;
    const { id, memoryId, hash } = item;
    const isDone = outcome.outcome !== "refused";
    const state = isDone ? (outcome.outcome === "erased" ? "erased" : "imported") : "refused";
    kept.items.push({ id, memoryId, hash, seenIn: runId, state });
    if (isDone) kept.settled.push(id);
    else {
      const payload = JSON.stringify({ memoryId, ...item.fields });
      kept.deadLetters.push({ itemId: id, memoryId, code: outcome.code, reason: outcome.message, at: now(), payload });
    }
  }
  return { counts, kept };
}

/** The item as it was when it was refused. */
function itemOf({ itemId, memoryId, payload }: DeadLetter): SourceItem {
  const { memoryId: _, ...fields } = JSON.parse(payload) as MemoryFields & { memoryId: string };
  return { id: itemId, memoryId, fields, hash: "" };
}
