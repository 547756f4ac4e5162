/**
 * Works on items, `inFlightMax` of them at once. After a failure no further one is begun, and those under way are told to end.
 * @returns results in the order of the items. @throws the first failure, once nothing is under way.
 */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  inFlightMax: number,
  signal: AbortSignal,
  work: (item: Item, signal: AbortSignal) => Promise<Result> | Result,
): Promise<Result[]> {
  const results: Result[] = [];
  const failing = new AbortController();
  const either = AbortSignal.any([signal, failing.signal]);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length && !either.aborted) {
      const index = next++;
      try {
        results[index] = await work(items[index] as Item, either);
      } catch (error) {
        failing.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlightMax, items.length) }, lane));
  either.throwIfAborted();
  return results;
}
