import { expect, test } from "vitest";
import { StoreUnavailableError } from "../../../src/domain/errors.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { Marker } from "../../../src/write/marker.ts";

/** A marker whose timer fires when a test says so, and whose statements end when a test says so. */
function markerOf() {
  const timers: (() => void)[] = [];
  const groups: string[][] = [];
  const statements: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const marker = new Marker({
    ledger: {
      markPublished: (ids) => {
        groups.push([...ids]);
        return new Promise<void>((resolve, reject) => statements.push({ resolve, reject }));
      },
    },
    log: silentLog,
    markTimeoutMs: 60_000,
    startTimer: (work) => {
      timers.push(work);
      return () => void timers.splice(timers.indexOf(work), 1);
    },
  });
  return { marker, timers, groups, statements, fire: () => timers.shift()?.() };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("transactions of the same moment are marked by one statement", async () => {
  const { marker, timers, groups, statements, fire } = markerOf();
  for (const id of ["a", "b", "c"]) marker.add(id);
  expect(timers).toHaveLength(1);
  fire(); // Others came since it was started: a moment more.
  expect(groups).toEqual([]);
  fire();
  expect(groups).toEqual([["a", "b", "c"]]);
  marker.add("d"); // While the statement runs, no other one begins.
  expect(timers).toHaveLength(0);
  statements[0]?.resolve();
  await turn();
  fire();
  expect(groups[1]).toEqual(["d"]);
  expect(marker.waiting).toBe(0);
});

test("a node that goes on writing puts its marks off three times, and no longer", () => {
  const { marker, groups, fire } = markerOf();
  for (const id of ["a", "b", "c", "d"]) {
    expect(groups).toEqual([]);
    marker.add(id);
    marker.add(`${id} again`);
    fire();
  }
  expect(groups).toHaveLength(1);
});

test("a mark that fails is not tried again, and later ones go on", async () => {
  const { marker, groups, statements, fire } = markerOf();
  marker.add("a");
  fire();
  marker.add("b");
  statements[0]?.reject(new StoreUnavailableError("postgres", "away"));
  await turn();
  fire();
  expect(groups).toEqual([["a"], ["b"]]);
});

test("flush marks all that wait, in groups of 1,000, and leaves no timer", async () => {
  const { marker, timers, groups, statements } = markerOf();
  for (let number = 0; number < 1_500; number++) marker.add(`t${number}`);
  const flushed = marker.flush();
  statements[0]?.resolve();
  await turn();
  statements[1]?.resolve();
  await flushed;
  expect(groups.map((group) => group.length)).toEqual([1_000, 500]);
  expect(timers).toEqual([]);
});

test("after a mark that fails flush leaves the other groups to be taken over, and no timer", async () => {
  const { marker, timers, groups, statements } = markerOf();
  for (let number = 0; number < 2_500; number++) marker.add(`t${number}`);
  const flushed = marker.flush();
  statements[0]?.reject(new StoreUnavailableError("postgres", "no answer before the deadline"));
  await turn();
  expect(groups).toHaveLength(1);
  await flushed;
  expect(marker.waiting).toBe(0);
  expect(timers).toEqual([]);
});

test("at most 10,000 transactions wait: the next one is left to be taken over", () => {
  const { marker } = markerOf();
  for (let number = 0; number < 10_001; number++) marker.add(`t${number}`);
  expect(marker.waiting).toBe(10_000);
});
