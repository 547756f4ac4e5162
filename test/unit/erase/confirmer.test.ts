import { expect, test } from "vitest";
import { Confirmer, type ConfirmerParts } from "../../../src/erase/confirmer.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { NEVER } from "../../../src/runtime/shared-deadline.ts";

/** Goal: an erasure that a store can never confirm does not starve the others. Method: a store that fails for some of them, for ever. */

function confirmer(ids: readonly string[], isBad: (id: string) => boolean) {
  const confirmed: string[] = [];
  const tried: string[] = [];
  const store = {
    id: "cache",
    traits: { scope: "node" },
    read: async ([{ memoryId }]: readonly [{ memoryId: string }]) => {
      tried.push(memoryId);
      if (isBad(memoryId)) throw new Error(`${memoryId} cannot be read`);
      return [null];
    },
  };
  const parts = {
    ledger: { nodeId: "n1" },
    erasures: {
      listUnconfirmed: async (_store: object, after: string, limit: number) =>
        ids.filter((id) => id > after && !confirmed.includes(id)).slice(0, limit),
      // One memory each, of the same name.
      readListed: async (id: string, after: string | null) =>
        after === null ? [{ namespace: "default", memoryId: id }] : [],
      confirmErasure: async (id: string) => void confirmed.push(id),
    },
    gates: [{ allows: () => true, target: store }],
    keepers: [],
    forget: () => undefined,
    log: silentLog,
  };
  return { run: () => new Confirmer(parts as unknown as ConfirmerParts), confirmed, tried };
}

const ids = Array.from({ length: 250 }, (_, at) => `e${String(at).padStart(3, "0")}`);

test("one that fails for ever does not hold up those behind it, in the same pass", async () => {
  const { run, confirmed, tried } = confirmer(["e1", "e2", "e3"], (id) => id === "e1");
  const own = run();
  expect(await own.runOnce(NEVER)).toBe(false);
  expect(confirmed).toEqual(["e2", "e3"]);
  // It is tried again by each pass.
  expect(await own.runOnce(NEVER)).toBe(false);
  expect(tried).toEqual(["e1", "e2", "e3", "e1"]);
});

test("many that fail for ever cost a pass a few attempts, and the next one goes on behind them", async () => {
  const isBad = (id: string): boolean => id < "e010";
  const { run, confirmed, tried } = confirmer(ids, isBad);
  const own = run();
  const passes: boolean[] = [];
  while (confirmed.length < 240 && passes.length < 20) passes.push(await own.runOnce(NEVER));
  expect(confirmed).toEqual(ids.filter((id) => !isBad(id)));
  // Three passes that gave up, two that were full, and the rest.
  expect(passes).toEqual([false, false, false, true, true, false]);
  expect(tried).toHaveLength(250);
  // After the end of the round it begins at the oldest again.
  await own.runOnce(NEVER);
  expect(tried.slice(250)).toEqual(["e000", "e001", "e002"]);
});
