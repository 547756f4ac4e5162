import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { StoreRefusedError } from "../../../src/domain/errors.ts";
import { SearchGatherer } from "../../../src/stores/faiss/client/search-gatherer.ts";
import type { SearchHit } from "../../../src/stores/faiss/protocol/search-hit.ts";

/** Answers when told to; a hit's id names the vector and k. */
class FakeHost {
  readonly calls: { namespace: string; rows: number[]; k: number; settle: (error?: Error) => void }[] = [];
  readonly send = (namespace: string, queries: Float32Array, k: number): Promise<SearchHit[][]> =>
    new Promise((resolve, reject) => {
      const rows = [...queries].filter((_, at) => at % 2 === 0);
      const settle = (error?: Error): void => {
        if (error !== undefined) reject(error);
        else resolve(rows.map((row) => Array.from({ length: k }, (_, rank) => hit(`${namespace}/${row}/${rank}`))));
      };
      this.calls.push({ namespace, rows, k, settle });
    });
}

const hit = (memoryId: string): SearchHit => ({ memoryId, version: 1, checksum: "", score: 0 });
const never = new AbortController().signal;

test("a single search is sent when its turn ends; searches that arrive meanwhile are batched, each with its own answer", async () => {
  const host = new FakeHost();
  const gatherer = new SearchGatherer(host.send, 100);
  const ask = (at: number, namespace = "a", k = 2) => gatherer.search(namespace, Float32Array.of(at, 0), k, never);
  const searches = [ask(0)];
  await turn();
  searches.push(ask(1));
  await turn();
  searches.push(ask(2), ask(3), ask(4, "b"), ask(5), ask(6, "a", 1), ask(7, "a", 1_000));
  expect(host.calls.map(({ rows }) => rows)).toEqual([[0], [1]]);
  host.calls[0]?.settle();
  expect(await searches[0]).toEqual([hit("a/0/0"), hit("a/0/1")]);
  for (let call = 1; call < 6; call++) {
    await expect.poll(() => host.calls.length).toBeGreaterThan(call);
    host.calls[call]?.settle();
  }
  expect(host.calls.slice(2).map(({ namespace, rows, k }) => [namespace, rows, k])).toEqual([
    ["a", [2, 3, 5], 2],
    ["b", [4], 2],
    ["a", [6], 1],
    ["a", [7], 1_000],
  ]);
  for (const [at, search] of searches.entries()) {
    const hits = await search;
    expect(hits).toHaveLength([2, 2, 2, 2, 2, 2, 1, 1_000][at]!);
    expect(hits[0]?.memoryId).toBe(`${at === 4 ? "b" : "a"}/${at}/0`);
  }
});

test("an aborted search does not affect the others, a failed call fails only its own searches, and excess searches are refused", async () => {
  const host = new FakeHost();
  const gatherer = new SearchGatherer(host.send, 3);
  const abort = new AbortController();
  const ask = (at: number, signal = never) => gatherer.search("a", Float32Array.of(at, 0), 1, signal);
  const first = ask(0);
  await turn();
  const second = ask(1);
  await turn();
  const [third, quitter, fifth] = [ask(2), ask(3, abort.signal), ask(4)];
  await expect(ask(5)).rejects.toThrow("3 searches wait for its host already");
  abort.abort();
  await expect(quitter).rejects.toMatchObject({ code: "ABORTED" });
  await expect(ask(6, AbortSignal.abort())).rejects.toMatchObject({ code: "ABORTED" });
  host.calls[0]?.settle(new Error("the host ended"));
  await expect(first).rejects.toThrow("the host ended");
  await expect.poll(() => host.calls.length).toBe(3);
  expect(host.calls[2]?.rows).toEqual([2, 4]);
  for (const call of host.calls.slice(1)) call.settle();
  expect(await Promise.all([second, third, fifth])).toEqual([[hit("a/1/0")], [hit("a/2/0")], [hit("a/4/0")]]);
});

test("no call carries more than 64 queries, nor more than 20,000 hits", async () => {
  const host = new FakeHost();
  const gatherer = new SearchGatherer(host.send, 1_000);
  const searches = Array.from({ length: 150 }, (_, at) => gatherer.search("a", Float32Array.of(at, 0), 10, never));
  searches.push(...Array.from({ length: 5 }, (_, at) => gatherer.search("a", Float32Array.of(at, 0), 10_000, never)));
  await turn();
  for (let call = 0; call < host.calls.length; call++) {
    host.calls[call]?.settle();
    await turn();
  }
  await Promise.all(searches);
  expect(host.calls.map(({ rows }) => rows.length).toSorted((a, b) => a - b)).toEqual([1, 2, 2, 22, 64, 64]);
});

test("searches of one turn go together, and many of them in two calls where the host rests", async () => {
  const host = new FakeHost();
  const gatherer = new SearchGatherer(host.send, 1_000);
  const ask = (count: number) =>
    Array.from({ length: count }, (_, at) => gatherer.search("a", Float32Array.of(at, 0), 1, never));
  const searches = ask(31);
  await turn();
  expect(host.calls.map(({ rows }) => rows.length)).toEqual([31]);
  host.calls[0]?.settle();
  await Promise.all(searches);
  const more = ask(33);
  await turn();
  expect(host.calls.slice(1).map(({ rows }) => rows.length)).toEqual([17, 16]);
  for (const call of host.calls.slice(1)) call.settle();
  expect((await Promise.all(more)).map(([found]) => found?.memoryId)).toEqual(more.map((_, at) => `a/${at}/0`));
});

test("searches beyond the limit of one turn are not refused while the host takes calls", async () => {
  const host = new FakeHost();
  const gatherer = new SearchGatherer(host.send, 3);
  const searches = Array.from({ length: 6 }, (_, at) => gatherer.search("a", Float32Array.of(at, 0), 1, never));
  await turn();
  expect(host.calls.map(({ rows }) => rows)).toEqual([
    [0, 1, 2],
    [3, 4, 5],
  ]);
  for (const call of host.calls) call.settle();
  expect(await Promise.all(searches)).toHaveLength(6);
});

test("a search that the host refuses does not fail those that were sent with it", async () => {
  const calls: number[][] = [];
  const gatherer = new SearchGatherer(async (namespace, queries, k) => {
    const rows = [...queries].filter((_, at) => at % 2 === 0);
    calls.push(rows);
    if (rows.includes(2)) throw new StoreRefusedError("faiss", "a query contains a number that is not finite");
    return rows.map((row) => Array.from({ length: k }, (_, rank) => hit(`${namespace}/${row}/${rank}`)));
  }, 100);
  const ask = (at: number, k: number) => gatherer.search("a", Float32Array.of(at, 0), k, never);
  const [first, second, third] = await Promise.allSettled([ask(1, 3), ask(2, 4), ask(3, 3)]);
  expect(first).toEqual({ status: "fulfilled", value: [0, 1, 2].map((rank) => hit(`a/1/${rank}`)) });
  expect(second).toMatchObject({ status: "rejected", reason: { code: "STORE_REFUSED" } });
  expect(third).toEqual({ status: "fulfilled", value: [0, 1, 2].map((rank) => hit(`a/3/${rank}`)) });
  expect(calls).toEqual([[1, 2, 3], [1], [2], [3]]);
});
