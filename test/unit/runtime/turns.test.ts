import { expect, test } from "vitest";
import { mapInTurns } from "../../../src/runtime/turns.ts";

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
    () => clock,
  );
  // 16 items are 16 ms, more than a turn's share.
  expect(end()).toBeGreaterThanOrEqual(61);
  expect(doubled).toEqual(items.map((item) => item * 2));
});

test("work that fits into a turn takes no other one", async () => {
  const end = countTurns();
  const mapped = await mapInTurns(items, String, () => 0);
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
    () => clock,
  );
  await expect(failing).rejects.toThrow("item 500");
});
