import { inParallel } from "./in-parallel.ts";
import type { CompletedItem, Source, SourceItem } from "./source.ts";

/**
 * Items with what belongs to them, e.g. their files, in order. What could not be had is told with the item.
 * @param inFlightMax items that are completed at once. @throws what `source.complete` throws.
 */
export async function completed(
  source: Source,
  items: readonly SourceItem[],
  inFlightMax: number,
  signal: AbortSignal,
): Promise<readonly CompletedItem[]> {
  if (source.complete === undefined) return items.map(asItIs);
  return await inParallel(items, inFlightMax, signal, (item, each) =>
    item.files === undefined ? asItIs(item) : (source.complete?.(item, each) ?? asItIs(item)),
  );
}

function asItIs(item: SourceItem): CompletedItem {
  return { item, lost: null };
}
