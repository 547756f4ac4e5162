import { expect, test } from "vitest";
import { mapInTurns, ownTurn, Turns, urgentTurn } from "../../../src/runtime/turns.ts";

/** Counts the turns of the event loop until it is told to end. */
function countTurns() {
  let turns = 0;
  let immediate = setImmediate(function next() {
    turns++;
    immediate = setImmediate(next);
  });
  return () => {
    clearImmediate(immediate);
    return turns;
  };
}

const items = Array.from({ length: 1_000 }, (_, index) => index);

test("items whose work takes long are mapped in many turns, in order", async () => {
  let clock = 0;
  const end = countTurns();
  const doubled = await mapInTurns(
    items,
    (item) => {
      clock += 1;
      return item * 2;
    },
    new Turns(() => clock),
  );
  // 16 items are 16 ms, more than a turn's share.
  expect(end()).toBeGreaterThanOrEqual(61);
  expect(doubled).toEqual(items.map((item) => item * 2));
});

test("works that wait at once go on in a turn each, in the order in which they came", async () => {
  const end = countTurns();
  const order: number[] = [];
  await Promise.all(
    items.slice(0, 50).map(async (item) => {
      await ownTurn();
      order.push(item);
    }),
  );
  expect(end()).toBeGreaterThanOrEqual(49);
  expect(order).toEqual(items.slice(0, 50));
});

test("what is urgent goes before all works that wait, in the order in which it came, and in a turn of its own too", async () => {
  const end = countTurns();
  const order: string[] = [];
  const go = async (name: string, turn: () => Promise<void>): Promise<void> => {
    await turn();
    order.push(name);
  };
  const works = ["a", "b", "c"].map(async (name) => {
    await go(name, ownTurn);
    // The short rest of the first work: the two others wait for longer than it does.
    if (name === "a") await go("the rest of a", urgentTurn);
  });
  await Promise.all([...works, go("d", urgentTurn), go("e", urgentTurn)]);
  expect(end()).toBeGreaterThanOrEqual(5);
  expect(order).toEqual(["d", "e", "a", "the rest of a", "b", "c"]);
});

test("calls that are mapped at once share the turns: in none of them do two go on", async () => {
  const went: number[] = [];
  let turn = 0;
  let immediate = setImmediate(function next() {
    turn++;
    immediate = setImmediate(next);
  });
  const mapped = Array.from({ length: 4 }, () => {
    let clock = 0;
    const work = () => {
      clock += 1;
      if (clock % 16 === 0) went.push(turn);
    };
    return mapInTurns(items.slice(0, 320), work, new Turns(() => clock));
  });
  await Promise.all(mapped);
  clearImmediate(immediate);
  const later = went.filter((at) => at > 0);
  expect(later.length).toBeGreaterThan(60);
  expect(new Set(later).size).toBeGreaterThanOrEqual(later.length - 1);
});

test("work that fits into a turn takes no other one", async () => {
  const end = countTurns();
  const mapped = await mapInTurns(items, String, new Turns(() => 0));
  expect(end()).toBe(0);
  expect(mapped).toEqual(items.map(String));
  expect(await mapInTurns([], String)).toEqual([]);
});

test("an error of the work rejects, also in a later turn", async () => {
  let clock = 0;
  const failing = mapInTurns(
    items,
    (item) => {
      clock += 1;
      if (item === 500) throw new Error("item 500");
    },
    new Turns(() => clock),
  );
  await expect(failing).rejects.toThrow("item 500");
});
