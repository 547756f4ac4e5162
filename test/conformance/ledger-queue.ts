import { describe, expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { FAISS, REDIS } from "../support/store-traits.ts";
import { keyOf, type LedgerUnderTest, soon } from "./ledger-suite.ts";

export function describeQueue(subject: LedgerUnderTest): void {
  const redis = { store: "redis", nodeId: "" } as const;
  const claim = (limit = 10, leaseMs = 60_000, name: Parameters<typeof subject.one.claim>[0] = redis) =>
    subject.one.claim(name, { workerId: "worker", turn: 1, oldestTurn: 1 }, limit, leaseMs, soon());
  const list = async () =>
    (await subject.two.listQueue(100, soon())).map(({ store, nodeId, memoryId, state, attempts, lastError }) => ({
      store,
      nodeId,
      memoryId,
      state,
      attempts,
      lastError,
    }));
  const enqueue = (...ids: string[]) =>
    subject.one.enqueue(
      redis,
      ids.map((id) => keyOf(id)),
      "down",
      soon(),
    );

  describe("the queue", () => {
    test("is of all nodes for Redis, and of each node for its index", () => {
      expect(subject.one.queueOf(REDIS)).toEqual(subject.two.queueOf(REDIS));
      expect([subject.one.queueOf(FAISS).nodeId, subject.two.queueOf(FAISS).nodeId]).toEqual(["one", "two"]);
    });

    test("gives a memory to one worker at a time, the attempt counted before it is made", async () => {
      await enqueue("a", "b", "c");
      const first = await claim(2);
      const second = await claim(2);
      expect(first.map(({ attempts }) => attempts)).toEqual([1, 1]);
      expect([...first, ...second].map(({ memoryId }) => memoryId).sort()).toEqual(["a", "b", "c"]);
      expect(await claim()).toEqual([]);
      expect((await list()).map(({ state, attempts }) => [state, attempts])).toEqual(Array(3).fill(["claimed", 1]));
      expect(await subject.one.statistics(3_600_000, soon())).toMatchObject({
        queuePending: 3,
        queueFailed: 3,
        queueDead: 0,
      });
    });

    test("of one store is not the other one's, nor one node's the other one's", async () => {
      await enqueue("r");
      await subject.one.enqueue(subject.one.queueOf(FAISS), [keyOf("f")], "down", soon());
      expect(await claim(10, 60_000, subject.two.queueOf(FAISS))).toEqual([]);
      expect(await claim(10, 60_000, subject.one.queueOf(FAISS))).toMatchObject([{ memoryId: "f" }]);
      expect(await claim()).toMatchObject([{ memoryId: "r" }]);
    });

    test("gives out again what a worker did not settle within its lease", async () => {
      await enqueue("a");
      await claim(10, 1);
      let again: Awaited<ReturnType<typeof claim>> = [];
      await pollUntil("the lease being over", 30_000, async () => {
        again = await claim();
        return again.length > 0;
      });
      expect(again).toMatchObject([{ memoryId: "a", attempts: 2 }]);
      await subject.one.settle(redis, again, soon());
      expect(await list()).toEqual([]);
    });

    test("gives out at once what an earlier pass of the same worker left, and nothing of another's or of one under way", async () => {
      const by = (workerId: string, turn: number, oldestTurn: number, limit = 1) =>
        subject.one.claim(redis, { workerId, turn, oldestTurn }, limit, 60_000, soon());
      await enqueue("a", "b", "c");
      const [left] = await by("worker", 9, 9);
      await by("worker", 10, 9);
      await by("worker-2", 1, 1);
      expect(await by("worker", 11, 9, 10)).toEqual([]);
      expect(await by("worker", 12, 10, 10)).toEqual([{ ...left, attempts: 2 }]);
      expect(await by("worker", 13, 10, 10)).toEqual([]);
    });

    test("starts a memory anew that is queued again; a claim from before cannot settle it", async () => {
      await enqueue("a");
      const old = await claim();
      await enqueue("a");
      expect(await list()).toMatchObject([{ memoryId: "a", attempts: 0 }]);
      await subject.one.settle(redis, old, soon());
      await subject.one.release(redis, old, { delayMs: null, counts: true, error: "late" }, soon());
      expect(await list()).toMatchObject([{ memoryId: "a", state: "pending", attempts: 0, lastError: "down" }]);
      const fresh = await claim();
      expect(fresh).toMatchObject([{ memoryId: "a", attempts: 1 }]);
      await subject.one.settle(redis, fresh, soon());
      expect(await list()).toEqual([]);
    });

    test("gives the rows of some memories without claiming them, and settles them unless they were queued again", async () => {
      await enqueue("a", "b");
      const keys = ["a", "b", "c"].map((memoryId) => ({ namespace: "default", memoryId }));
      const read = await subject.one.readQueued(redis, keys, soon());
      expect(read.map(({ memoryId }) => memoryId).sort()).toEqual(["a", "b"]);
      await enqueue("b");
      await subject.one.settle(redis, read, soon());
      expect(await list()).toMatchObject([{ memoryId: "b", state: "pending" }]);
      await subject.one.settle(redis, await claim(), soon());
    });

    test("waits out a delay, and does not count an attempt that could not be one", async () => {
      await enqueue("now", "later");
      const claimed = await claim();
      const part = (id: string) => claimed.filter(({ memoryId }) => memoryId === id);
      await subject.one.release(redis, part("now"), { delayMs: 0, counts: false, error: "away" }, soon());
      await subject.one.release(redis, part("later"), { delayMs: 300_000, counts: true, error: "refused" }, soon());
      expect((await list()).toSorted((a, b) => a.memoryId.localeCompare(b.memoryId))).toMatchObject([
        { memoryId: "later", state: "pending", attempts: 1, lastError: "refused" },
        { memoryId: "now", state: "pending", attempts: 0, lastError: "away" },
      ]);
      expect(await claim()).toMatchObject([{ memoryId: "now", attempts: 1 }]);
    });

    test("sets dead letters aside, for a person to replay or to drop", async () => {
      await enqueue("a", "b", "alive");
      const claimed = await claim();
      const doomed = claimed.filter(({ memoryId }) => memoryId !== "alive");
      await subject.one.release(redis, doomed, { delayMs: null, counts: true, error: "hopeless" }, soon());
      await subject.one.settle(
        redis,
        claimed.filter(({ memoryId }) => memoryId === "alive"),
        soon(),
      );
      await enqueue("pending");
      expect((await list()).map(({ state }) => state)).toEqual(["dead", "dead", "pending"]);
      expect(await subject.one.statistics(3_600_000, soon())).toMatchObject({ queuePending: 1, queueDead: 2 });
      expect((await claim()).map(({ memoryId }) => memoryId)).toEqual(["pending"]);
      expect(await subject.one.retryDead(soon())).toBe(2);
      const replayed = await claim();
      expect(replayed.map(({ memoryId, attempts }) => [memoryId, attempts]).sort()).toEqual([
        ["a", 1],
        ["b", 1],
      ]);
      await subject.one.release(redis, replayed, { delayMs: null, counts: true, error: "hopeless" }, soon());
      expect(await subject.one.dropDead(soon())).toBe(2);
      expect((await list()).map(({ memoryId }) => memoryId)).toEqual(["pending"]);
      expect([await subject.one.retryDead(soon()), await subject.one.dropDead(soon())]).toEqual([0, 0]);
    });

    test("takes a memory that was given up on back when it is queued again", async () => {
      await enqueue("a");
      await subject.one.release(redis, await claim(), { delayMs: null, counts: true, error: "hopeless" }, soon());
      await enqueue("a");
      expect(await claim()).toMatchObject([{ memoryId: "a", attempts: 1 }]);
    });

    test("takes what a store lacks in the moment in which the transaction is confirmed", async () => {
      const { transactionId } = await subject.write([
        { memoryId: "a", content: "x" },
        { memoryId: "b", content: "y" },
      ]);
      expect(await subject.one.statistics(3_600_000, soon())).toMatchObject({
        transactionsUnpublished: 1,
        queuePending: 0,
      });
      const pending = [
        { store: REDIS, keys: [keyOf("a"), keyOf("b")], reason: "redis is down" },
        { store: FAISS, keys: [keyOf("b")], reason: "faiss is down" },
      ];
      await subject.two.queuePending(transactionId, pending, soon());
      expect(await subject.one.statistics(3_600_000, soon())).toMatchObject({
        transactionsUnpublished: 0,
        queuePending: 3,
      });
      expect(
        (await list())
          .map(({ store, nodeId, memoryId, lastError }) => `${store}/${nodeId}/${memoryId}: ${lastError}`)
          .sort(),
      ).toEqual(["faiss/two/b: faiss is down", "redis//a: redis is down", "redis//b: redis is down"]);
    });

    test("takes over transactions that nobody confirmed in time: for every shared store all, for an index its own node's", async () => {
      // The second one is run by neither node.
      await subject.one.registerStores([{ id: "redis", holds: ["documents", "vectors"] }], soon());
      await subject.two.registerStores([{ id: "elsewhere", holds: ["documents"] }], soon());
      await subject.put("confirmed");
      await subject.write([{ memoryId: "of one", content: "x" }], {}, subject.one);
      await subject.write([{ memoryId: "of two", content: "x" }], {}, subject.two);
      expect(await subject.one.queueOverdue(3_600_000, 10, soon(), ["faiss"])).toEqual({
        transactions: 0,
        memories: 0,
      });
      await pollUntil("both being overdue in the statistics", 30_000, async () => {
        return (await subject.one.statistics(1, soon())).transactionsOverdue === 2;
      });
      expect(await subject.one.statistics(3_600_000, soon())).toMatchObject({
        transactionsUnpublished: 2,
        transactionsOverdue: 0,
      });
      let found = { transactions: 0, memories: 0 };
      await pollUntil("both being overdue", 30_000, async () => {
        const more = await subject.one.queueOverdue(1, 10, soon(), ["faiss"]);
        found = { transactions: found.transactions + more.transactions, memories: found.memories + more.memories };
        return found.transactions === 2;
      });
      expect(found).toEqual({ transactions: 2, memories: 2 });
      expect((await list()).map(({ store, nodeId, memoryId }) => `${store}/${nodeId}/${memoryId}`).sort()).toEqual([
        "elsewhere//of one",
        "elsewhere//of two",
        "faiss/one/of one",
        "redis//of one",
        "redis//of two",
      ]);
      expect(await subject.one.statistics(3_600_000, soon())).toMatchObject({ transactionsUnpublished: 0 });
      expect(await subject.two.queueOverdue(0, 10, soon(), ["faiss"])).toEqual({
        transactions: 0,
        memories: 0,
      });
    });

    test("a shared store is known to every node once it is registered, and forgotten with its backlog", async () => {
      expect(await subject.one.registerStores([{ id: "redis", holds: ["documents", "vectors"] }], soon())).toEqual([
        { id: "redis", documents: true, filled: true },
      ]);
      await subject.put("m");
      // The ledger has memories now: a store that comes later is to be filled.
      await subject.two.registerStores([{ id: "late", holds: ["vectors"] }], soon());
      const late = { id: "late", documents: false, filled: false };
      expect(await subject.one.listStores(soon())).toEqual([late, { id: "redis", documents: true, filled: true }]);
      await subject.one.markStoreFilled("late", soon());
      await subject.two.registerStores([{ id: "late", holds: ["vectors"] }], soon());
      expect(await subject.two.listStores(soon())).toMatchObject([{ id: "late", filled: true }, { id: "redis" }]);
      await subject.one.enqueue({ store: "late", nodeId: "" }, [keyOf("m")], "down", soon());
      expect(await subject.one.forgetStore("late", soon())).toBe(true);
      expect(await subject.one.forgetStore("late", soon())).toBe(false);
      expect(await list()).toEqual([]);
      expect(await subject.two.listStores(soon())).toMatchObject([{ id: "redis" }]);
    });

    test("forgets transactions that ended long ago, and none that is not confirmed", async () => {
      const old = await subject.put("a");
      const { transactionId: open } = await subject.write([{ memoryId: "b", content: "x" }]);
      expect(await subject.one.pruneTransactions(3_600_000, 10, soon())).toBe(0);
      await pollUntil(
        "the first one being old enough",
        30_000,
        async () => (await subject.one.pruneTransactions(1, 10, soon())) === 1,
      );
      expect(await subject.one.readTransaction(old, soon())).toBeNull();
      expect(await subject.one.readTransaction(open, soon())).toHaveLength(1);
    });
  });
}
