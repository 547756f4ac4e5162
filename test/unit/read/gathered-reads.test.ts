import { expect, test } from "vitest";
import type { MemoryKey } from "../../../src/domain/keys.ts";
import { GatheredReads } from "../../../src/read/gathered-reads.ts";
import type { StoredEntry } from "../../../src/stores/projection.ts";

function key(memoryId: string): MemoryKey {
  return { namespace: "default", memoryId };
}

/** A store whose entries are tombstones that carry the number of their key as their version; odd numbers are absent. */
function storeOfCalls() {
  const calls: { keys: string[]; signal: AbortSignal }[] = [];
  const reads = new GatheredReads(async (keys, signal) => {
    calls.push({ keys: keys.map(({ memoryId }) => memoryId), signal });
    await Promise.resolve();
    if (keys.some(({ memoryId }) => memoryId === "broken")) throw new Error("no answer");
    return keys.map((each): StoredEntry | null => {
      const version = Number(each.memoryId);
      return version % 2 === 1 ? null : { ...each, state: "tombstone", version };
    });
  });
  return { calls, reads };
}

const versions = (entries: readonly (StoredEntry | null)[]) =>
  entries.map((entry) => (entry?.state === "tombstone" ? entry.version : null));

test("reads that begin in one turn are one call, and each gets the entries of its own keys", async () => {
  const { calls, reads } = storeOfCalls();
  const { signal } = new AbortController();
  const answers = await Promise.all([
    reads.read([key("2"), key("3")], signal),
    reads.read([], signal),
    reads.read([key("4")], signal),
    Promise.resolve().then(() => reads.read([key("2"), key("6")], signal)),
  ]);
  expect(calls.map(({ keys }) => keys)).toEqual([["2", "3", "4", "2", "6"]]);
  expect(answers.map(versions)).toEqual([[2, null], [], [4], [2, 6]]);
});

test("reads of later turns are calls of their own", async () => {
  const { calls, reads } = storeOfCalls();
  const { signal } = new AbortController();
  expect(versions(await reads.read([key("2")], signal))).toEqual([2]);
  expect(versions(await reads.read([key("4")], signal))).toEqual([4]);
  expect(calls.map(({ keys }) => keys)).toEqual([["2"], ["4"]]);
});

test("reads with different deadlines share no call, so that none of them ends another", async () => {
  const { calls, reads } = storeOfCalls();
  const [first, second] = [new AbortController().signal, new AbortController().signal];
  const answers = await Promise.all([reads.read([key("2")], first), reads.read([key("4")], second)]);
  expect(calls).toEqual([
    { keys: ["2"], signal: first },
    { keys: ["4"], signal: second },
  ]);
  expect(answers.map(versions)).toEqual([[2], [4]]);
});

test("a failed call rejects each of its reads, and no other one", async () => {
  const { reads } = storeOfCalls();
  const { signal } = new AbortController();
  const settled = await Promise.allSettled([
    reads.read([key("2")], signal),
    reads.read([key("broken")], signal),
    reads.read([key("4")], new AbortController().signal),
  ]);
  expect(settled.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
});

test("no call has more than 1,000 keys, but for a single read that has", async () => {
  const { calls, reads } = storeOfCalls();
  const { signal } = new AbortController();
  const many = (count: number) => Array.from({ length: count }, (_, index) => key(String(index * 2)));
  const answers = await Promise.all([
    reads.read(many(600), signal),
    reads.read(many(600), signal),
    reads.read(many(1_500), signal),
    reads.read(many(3), signal),
  ]);
  expect(calls.map(({ keys }) => keys.length)).toEqual([600, 600, 1_500, 3]);
  expect(answers.map((entries) => entries.length)).toEqual([600, 600, 1_500, 3]);
  expect(versions(answers[3] as StoredEntry[])).toEqual([0, 2, 4]);
});
