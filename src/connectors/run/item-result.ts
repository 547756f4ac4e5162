import { shortened } from "../../domain/errors.ts";
import type { Checkpoint, DeadLetter, KnownItem, RunCounts } from "../state/state.ts";
import { REASON_LENGTH_MAX } from "./run-record.ts";
import type { CompletedItem, SourceItem } from "./source.ts";
import type { ItemOutcome } from "./target.ts";

/** What became of an item and of what belongs to it. */
export interface ItemResult extends CompletedItem {
  readonly outcome: ItemOutcome;
}

/** What a run would do, as far as that can be told without the target. */
export function expectedOutcome(known: KnownItem | undefined): ItemOutcome {
  return { outcome: known === undefined || known.state === "deleted" ? "created" : "updated" };
}

/** Without a hash an item is looked at again by the next run that meets it. */
const HASH_OF_PART = "";

/** Whether an item was stored without what belongs to it. */
export function isStoredInPart({ lost, outcome: { outcome } }: ItemResult): boolean {
  return lost !== null && outcome !== "refused" && outcome !== "erased";
}

/** The number of files that were fetched with these items, and their bytes. */
export function fetchedCounts(items: readonly CompletedItem[]): Pick<RunCounts, "media" | "bytes"> {
  const sum = { media: 0, bytes: 0 };
  for (const { fetched } of items) {
    sum.media += fetched?.media ?? 0;
    sum.bytes += fetched?.bytes ?? 0;
  }
  return sum;
}

/** What is known of an item from here on. @param item as the service gave it. */
export function knownAfter(result: ItemResult, { id, memoryId, hash }: SourceItem, runId: string): KnownItem {
  const { outcome } = result.outcome;
  const state = outcome === "erased" || outcome === "refused" ? outcome : "imported";
  return { id, memoryId, hash: isStoredInPart(result) ? HASH_OF_PART : hash, seenIn: runId, state };
}

/** Dead letters of items that could not be stored, or not as a whole, and the ids of all others: their letters are settled. */
export function lettersAndSettled(
  results: readonly ItemResult[],
  at: number,
): Pick<Checkpoint, "deadLetters" | "settled"> {
  const deadLetters: Checkpoint["deadLetters"][number][] = [];
  const settled: string[] = [];
  for (const result of results) {
    const letter = letterOf(result, at);
    if (letter === null) settled.push(result.item.id);
    else deadLetters.push(letter);
  }
  return { deadLetters, settled };
}

/** Null: nothing was lost. */
function letterOf(result: ItemResult, at: number): Omit<DeadLetter, "attempts"> | null {
  const { item, lost, outcome } = result;
  const isRefused = outcome.outcome === "refused";
  if (!isRefused && !isStoredInPart(result)) return null;
  const { code, message } = isRefused ? outcome : { code: "MEDIA", message: lost ?? "" };
  const payload = JSON.stringify({ memoryId: item.memoryId, ...item.fields });
  return { itemId: item.id, memoryId: item.memoryId, code, reason: shortened(message, REASON_LENGTH_MAX), at, payload };
}
