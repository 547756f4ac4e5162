import { setImmediate } from "node:timers";

/** Milliseconds of work after which a turn of the event loop ends. */
const TURN_MS = 4;
/** Items between two looks at the clock. */
const ITEMS_PER_LOOK = 16;

/** Works that wait for a turn of the event loop of their own, the eldest first. */
const waiting: (() => void)[] = [];
/** Those that go before them. */
const urgent: (() => void)[] = [];

/**
 * Resolves in a later turn of the event loop, in which no other work goes on that has waited here. Calls that each wait for an immediate
 * of their own all go on in one turn, and together they hold the loop as long as one call without turns.
 */
export function ownTurn(): Promise<void> {
  return inLine(waiting);
}

/**
 * As `ownTurn`, before all that wait there: for the short rest of a work for which a server waits, or the next transaction. A work may
 * come here a few times in a row. Before it goes on it must wait for a server's answer or for an `ownTurn`, so that the others get theirs.
 */
export function urgentTurn(): Promise<void> {
  return inLine(urgent);
}

function inLine(line: (() => void)[]): Promise<void> {
  return new Promise((resolve) => {
    line.push(resolve);
    if (waiting.length + urgent.length === 1) setImmediate(release);
  });
}

function release(): void {
  (urgent.shift() ?? waiting.shift())?.();
  if (waiting.length + urgent.length > 0) setImmediate(release);
}

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
    await ownTurn();
    this.#until = this.#now() + TURN_MS;
  }
}

/** Items whose work is as long as that of many others: the clock is looked at after each of them. */
export const LONG_ITEM = ITEMS_PER_LOOK;

/**
 * As `items.map(work)`, over several turns of the event loop where that takes longer than some milliseconds.
 * @param turns of the call that this is a part of. @default those of a call that begins here
 */
export async function mapInTurns<Item, Result>(
  items: readonly Item[],
  work: (item: Item, index: number) => Result,
  turns = new Turns(),
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  for (let index = 0; index < items.length; index++) {
    if (index > 0 && turns.isOver(1)) await turns.next();
    results[index] = work(items[index] as Item, index);
  }
  return results;
}
