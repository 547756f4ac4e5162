import { setImmediate as nextTurn } from "node:timers/promises";

/** Milliseconds of work after which a turn of the event loop ends. */
const TURN_MS = 4;
/** Items between two looks at the clock. */
const ITEMS_PER_LOOK = 16;

/**
 * Divides long work of one call into turns of the event loop, so that other calls of the process go on meanwhile:
 *
 *     for (const item of items) {
 *       work(item);
 *       if (turns.isOver(1)) await turns.next();
 *     }
 *
 * Little work, or a turn that is not used up, costs no turn.
 */
export class Turns {
  readonly #now: () => number;
  #until: number;
  #items = 0;

  /** @param now milliseconds of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#until = now() + TURN_MS;
  }

  /**
   * Counts work that was done. The clock is looked at for each 16 items.
   * @param items how many: more for one whose work is as long as that of many.
   * @returns whether the turn is used up.
   */
  isOver(items: number): boolean {
    this.#items += items;
    if (this.#items < ITEMS_PER_LOOK) return false;
    this.#items = 0;
    return this.#now() >= this.#until;
  }

  async next(): Promise<void> {
    await nextTurn();
    this.#until = this.#now() + TURN_MS;
  }
}

/** Items whose work is as long as that of many others: the clock is looked at after each of them. */
export const LONG_ITEM = ITEMS_PER_LOOK;

/** As `items.map(work)`, over several turns of the event loop where that takes longer than some milliseconds. */
export async function mapInTurns<Item, Result>(
  items: readonly Item[],
  work: (item: Item, index: number) => Result,
  now?: () => number,
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  const turns = new Turns(now);
  for (let index = 0; index < items.length; index++) {
    if (index > 0 && turns.isOver(1)) await turns.next();
    results[index] = work(items[index] as Item, index);
  }
  return results;
}
