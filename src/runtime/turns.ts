import { setImmediate as nextTurn } from "node:timers/promises";

/** Milliseconds of work after which a turn of the event loop ends. */
const TURN_MS = 4;
/** Items between two looks at the clock. */
const ITEMS_PER_LOOK = 16;

/**
 * As `items.map(work)`, over several turns of the event loop where that takes longer than some milliseconds: other calls of
 * the process go on meanwhile. Few items, or a turn that is not used up, cost no turn.
 */
export async function mapInTurns<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Result,
  now: () => number = () => performance.now(),
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  let until = now() + TURN_MS;
  for (let index = 0; index < items.length; index++) {
    if (index > 0 && index % ITEMS_PER_LOOK === 0 && now() >= until) {
      await nextTurn();
      until = now() + TURN_MS;
    }
    results[index] = work(items[index] as Item);
  }
  return results;
}
