import { describe, expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { keyText } from "../../src/domain/keys.ts";
import type { Backend } from "../../src/drivers/postgres/postgres-access.ts";
import type { KeyClaim } from "../../src/ledger/idempotency-statements.ts";
import { unitVector } from "../support/memories.ts";
import { REDIS, STORE_VERSIONS } from "../support/store-traits.ts";
import { keyOf, type LedgerUnderTest, soon } from "./ledger-suite.ts";

export function describeTransactions(subject: LedgerUnderTest): void {
  const current = async (memoryId: string) =>
    (await subject.one.readVersions([keyOf(memoryId)], soon())).get(keyText(keyOf(memoryId)));
  /** Prunes the history until `versions` are gone: while older transactions run elsewhere, theirs stay. */
  const pruned = async (historyVersionsMax: number, versions: number): Promise<boolean> => {
    let gone = 0;
    await pollUntil("the history being pruned", 30_000, async () => {
      gone += (await subject.one.pruneHistory(historyVersionsMax, 100, soon())).pruned;
      return gone >= versions;
    });
    return gone === versions;
  };

  describe("a transaction", () => {
    test("gives a memory the versions 1, 2, 3 …, and a deletion is one of them", async () => {
      for (const [place, content] of ["a", "b", null, "a"].entries()) {
        const { writes } = await subject.write([{ memoryId: "m", content }]);
        expect(writes.map(({ version }) => version)).toEqual([place + 1]);
        expect(await current("m")).toMatchObject({ version: place + 1, checksum: writes[0]!.checksum });
        expect((await current("m"))?.checksum === null).toBe(content === null);
      }
    });

    test("shows the rows of its keys as they stand, and the clock", async () => {
      await subject.write([
        { memoryId: "a", content: "x" },
        { memoryId: "b", content: "x", embedding: null },
      ]);
      await subject.write([{ memoryId: "b", content: null }]);
      const { locked, now } = await subject.one.transaction(soon(), async (transaction) => {
        const begun = await transaction.begin([keyOf("b"), keyOf("unknown"), keyOf("a")]);
        await transaction.rollback();
        return begun;
      });
      expect(locked.size).toBe(2);
      expect(locked.get(keyText(keyOf("a")))).toMatchObject({
        version: 1,
        versionVector: { one: 1 },
        hasEmbedding: true,
      });
      expect(locked.get(keyText(keyOf("b")))).toMatchObject({
        version: 2,
        checksum: null,
        versionVector: { one: 2 },
        hasEmbedding: false,
      });
      expect(Math.abs(now - Date.now())).toBeLessThan(60_000);
    });

    test("is seen by nobody before it commits, and leaves no trace when it is rolled back", async () => {
      await subject.put("a", "before");
      const before = await subject.one.statistics(3_600_000, soon());
      await subject.one.transaction(soon(), async (transaction) => {
        await subject.prepare(subject.one, transaction, [
          { memoryId: "a", content: "after" },
          { memoryId: "new", content: "x" },
        ]);
        expect(await current("a")).toMatchObject({ version: 1 });
        expect(await current("new")).toBeUndefined();
        await transaction.rollback();
      });
      expect(await current("a")).toMatchObject({ version: 1 });
      expect(await current("new")).toBeUndefined();
      expect(await subject.one.statistics(3_600_000, soon())).toEqual(before);
    });

    test("that its owner leaves open, by an error or otherwise, is rolled back", async () => {
      await subject.put("a", "before");
      const { one } = subject;
      await expect(
        one.transaction(soon(), async (transaction) => {
          await subject.prepare(one, transaction, [{ memoryId: "a", content: "after" }]);
          throw new Error("given up");
        }),
      ).rejects.toThrow("given up");
      await one.transaction(soon(), (transaction) =>
        subject.prepare(one, transaction, [{ memoryId: "a", content: "after" }]),
      );
      expect(await current("a")).toMatchObject({ version: 1 });
      // Nothing holds the row any more.
      await subject.write([{ memoryId: "a", content: "third" }]);
      expect(await current("a")).toMatchObject({ version: 2 });
    });

    test("holds the rows that it began with until it ends: the next one begins only then", async () => {
      const { one, two } = subject;
      await subject.put("m", "0");
      const order: string[] = [];
      let waiting: Promise<unknown> = Promise.resolve();
      await one.transaction(soon(), async (first) => {
        await first.begin([keyOf("m")]);
        waiting = two.transaction(soon(), async (second) => {
          await second.begin([keyOf("m")]);
          order.push("second began");
          await second.rollback();
        });
        // The second one's turn would come in these reads, were it not for the lock.
        for (let turn = 0; turn < 20; turn++) await one.readVersions([keyOf("m")], soon());
        order.push("first ends");
        await first.rollback();
      });
      await waiting;
      expect(order).toEqual(["first ends", "second began"]);
    });

    test("waits for another one that holds a row of its own, and sees what that one wrote", async () => {
      await subject.put("m", "0");
      const writes = Array.from({ length: 20 }, (_, turn) =>
        subject.write([{ memoryId: "m", content: `turn ${turn}` }], {}, turn % 2 === 0 ? subject.one : subject.two),
      );
      const versions = (await Promise.all(writes)).map((result) => result.writes[0]?.version);
      expect(versions.toSorted((a, b) => a! - b!)).toEqual(Array.from({ length: 20 }, (_, turn) => turn + 2));
      const changes = await subject.one.readChanges([keyOf("m")], soon());
      expect(changes.get(keyText(keyOf("m")))).toMatchObject({ version: 21, versionVector: { one: 11, two: 10 } });
    });

    test("tells its owner when another one created the memory first", async () => {
      const { one, two } = subject;
      const outcome = await one.transaction(soon(), async (first) => {
        const { writes } = await subject.prepare(one, first, [{ memoryId: "new", content: "of one" }]);
        const second = two.transaction(soon(), async (transaction) => {
          await transaction.begin([keyOf("new")]);
          const written = await transaction.write(writes, {
            transactionId: "late",
            nodeId: "two",
            storeVersions: STORE_VERSIONS,
          });
          await transaction.rollback();
          return written;
        });
        await first.commit();
        return await second;
      });
      expect(outcome).toBe("raced");
      expect(await current("new")).toMatchObject({ version: 1, transactionId: expect.not.stringMatching("late") });
      expect(await one.readTransaction("late", soon())).toBeNull();
    });

    test("names what it wrote, and is unknown when it was rolled back", async () => {
      const { transactionId } = await subject.write([
        { memoryId: "a", content: "x" },
        { memoryId: "b", namespace: "n", content: "y" },
      ]);
      const written = await subject.one.readTransaction(transactionId, soon());
      expect(written?.toSorted((a, b) => a.memoryId.localeCompare(b.memoryId))).toEqual([
        { ...keyOf("a"), version: 1 },
        { ...keyOf("b", "n"), version: 1 },
      ]);
      await subject.one.recordRollback({ transactionId: "failed", keys: [keyOf("a")], reason: "x" }, soon());
      expect(await subject.one.readTransaction("failed", soon())).toBeNull();
      expect(await subject.one.readTransaction("unheard of", soon())).toBeNull();
      expect(await subject.one.statistics(3_600_000, soon())).toMatchObject({
        memories: 2,
        transactionsUnpublished: 1,
      });
    });

    test("keeps what it replaced, newest first, up to the limit", async () => {
      for (let turn = 1; turn <= 6; turn++) {
        const embedding = turn === 3 ? null : unitVector(turn, 4);
        await subject.write([{ memoryId: "m", content: turn === 4 ? null : `turn ${turn}`, embedding }]);
      }
      expect(await pruned(3, 2)).toBe(true);
      const kept = await subject.one.readHistory(keyOf("m"), 100, soon());
      expect(
        kept.map(({ version, documentJson }) => [version, documentJson && JSON.parse(documentJson).content]),
      ).toEqual([
        [6, "turn 6"],
        [5, "turn 5"],
        [4, null],
        [3, "turn 3"],
      ]);
      expect(kept.map(({ embedding }) => embedding)).toEqual([unitVector(6, 4), unitVector(5, 4), null, null]);
      expect(kept.map(({ versionVector }) => versionVector)).toEqual([{ one: 6 }, { one: 5 }, { one: 4 }, { one: 3 }]);
      expect(await subject.one.readHistory(keyOf("m"), 2, soon())).toHaveLength(2);
      expect(await subject.one.readHistory(keyOf("unknown"), 2, soon())).toEqual([]);
      expect(await subject.one.readHistoryVersions(keyOf("m"), 3, soon())).toEqual([6, 5, 4]);
      expect(await subject.one.readHistoryPage(keyOf("m"), 6, 2, soon())).toEqual(kept.slice(1, 3));
      expect(await subject.one.readHistoryPage(keyOf("m"), 4, 9, soon())).toEqual(kept.slice(3));
      expect(await subject.one.readHistoryPage(keyOf("m"), 3, 9, soon())).toEqual([]);
    });

    test("keeps nothing of what it replaced when the limit is 0", async () => {
      for (const content of ["a", "b", "c"]) await subject.write([{ memoryId: "m", content }]);
      expect(await pruned(0, 2)).toBe(true);
      const kept = await subject.one.readHistory(keyOf("m"), 100, soon());
      expect(kept.map(({ version }) => version)).toEqual([3]);
    });
  });

  describe("the outcome of a transaction", () => {
    test("that committed is committed, and of one that was never heard of aborted", async () => {
      let backend: Backend = { pid: 0, startedAt: "0" };
      const transactionId = await subject.one.transaction(soon(), async (transaction) => {
        backend = transaction.backend;
        const prepared = await subject.prepare(subject.one, transaction, [{ memoryId: "m", content: "x" }]);
        await transaction.commit();
        return prepared.transactionId;
      });
      const settled = async (id: string): Promise<string> => {
        let outcome = "running";
        // Its connection may be in use again: it is ended first.
        await pollUntil("the backend being gone", 30_000, async () => {
          outcome = await subject.two.outcomeOf(id, backend, soon());
          return outcome !== "running";
        });
        return outcome;
      };
      expect(await settled(transactionId)).toBe("committed");
      expect(await settled("unheard of")).toBe("aborted");
    });

    test("that is still running ends it, so that it can never commit afterwards", async () => {
      const failure = await subject.one
        .transaction(soon(), async (transaction) => {
          await subject.prepare(subject.one, transaction, [{ memoryId: "m", content: "x" }], { transactionId: "lost" });
          let outcome = "running";
          await pollUntil("the backend being gone", 30_000, async () => {
            outcome = await subject.two.outcomeOf("lost", transaction.backend, soon());
            return outcome !== "running";
          });
          expect(outcome).toBe("aborted");
          await transaction.commit();
        })
        .then(
          () => null,
          (error: unknown) => error,
        );
      expect(failure).toMatchObject({ code: "STORE_UNAVAILABLE", store: "postgres" });
      expect(await current("m")).toBeUndefined();
      expect(await subject.two.readTransaction("lost", soon())).toBeNull();
    });
  });

  describe("an idempotency key", () => {
    const claim: KeyClaim = {
      namespaces: ["default"],
      caller: "",
      key: "any text",
      part: 0,
      fingerprint: "of a request",
    };
    const answer = [{ action: "write", version: 1, checksum: "c", vectors: false }];

    /** Writes `memoryId` under the key. @returns the transactions that had it already; null: it was free. */
    const writeUnder = async (given: KeyClaim, transactionId: string, memoryId: string, ledger = subject.one) =>
      await ledger.transaction(soon(), async (transaction) => {
        const claiming = { claim: given, transactionId };
        const prepared = await subject.prepare(ledger, transaction, [{ memoryId, content: "x" }], {
          transactionId,
          claiming,
        });
        if (prepared.taken !== null) return prepared.taken;
        await transaction.keepAnswer(claiming, answer);
        await transaction.commit();
        return null;
      });

    test("belongs to the transaction that committed first, whose answer it keeps", async () => {
      expect(await writeUnder(claim, "first", "a")).toBeNull();
      const taken = [{ transactionId: "first", fingerprint: "of a request", answer }];
      expect(await writeUnder({ ...claim, fingerprint: "of another" }, "second", "b", subject.two)).toMatchObject(
        taken,
      );
      expect(await current("b")).toBeUndefined();
    });

    test.each([
      ["namespace", { namespaces: ["other"] }],
      ["caller", { caller: "other" }],
      ["part", { part: 1 }],
      ["text", { key: "Any text" }],
    ])("with another %s is another key", async (_, other) => {
      expect(await writeUnder(claim, "first", "a")).toBeNull();
      expect(await writeUnder({ ...claim, ...other }, "second", "b")).toBeNull();
      expect(await current("b")).toMatchObject({ transactionId: "second" });
    });

    test("of a write over several namespaces is taken in each of them", async () => {
      expect(await writeUnder({ ...claim, namespaces: ["m", "n"] }, "first", "a")).toBeNull();
      for (const namespaces of [["n"], ["a", "m"], ["m", "n", "z"]]) {
        expect(await writeUnder({ ...claim, namespaces }, "second", "b")).toMatchObject([{ transactionId: "first" }]);
      }
      expect(await writeUnder({ ...claim, namespaces: ["a", "z"] }, "third", "b")).toBeNull();
    });

    test("is free again when its transaction is rolled back", async () => {
      await subject.one.transaction(soon(), async (transaction) => {
        const claiming = { claim, transactionId: "given up" };
        await subject.prepare(subject.one, transaction, [{ memoryId: "a", content: "x" }], {
          transactionId: "given up",
          claiming,
        });
        await transaction.keepAnswer(claiming, answer);
        await transaction.rollback();
      });
      expect(await writeUnder(claim, "second", "a", subject.two)).toBeNull();
    });

    test("is waited for while another transaction claims it, whichever memories that one writes", async () => {
      let second: Promise<unknown> = Promise.resolve();
      let settled = false;
      await subject.one.transaction(soon(), async (transaction) => {
        const claiming = { claim, transactionId: "first" };
        await subject.prepare(subject.one, transaction, [{ memoryId: "a", content: "x" }], {
          transactionId: "first",
          claiming,
        });
        second = writeUnder(claim, "second", "b", subject.two).finally(() => {
          settled = true;
        });
        // The second one's turn would come in these reads, were it not for the claim.
        for (let turn = 0; turn < 20; turn++) await subject.one.readVersions([keyOf("a")], soon());
        expect(settled).toBe(false);
        await transaction.keepAnswer(claiming, answer);
        await transaction.commit();
      });
      expect(await second).toMatchObject([{ transactionId: "first", answer }]);
      expect(await current("b")).toBeUndefined();
    });

    test("is forgotten once it is older than the retention, whatever became of its transaction", async () => {
      await writeUnder(claim, "first", "a");
      expect(await subject.one.pruneIdempotencyKeys(60_000, 10, soon())).toBe(0);
      await pollUntil("the key being old", 30_000, async () => {
        return (await subject.one.pruneIdempotencyKeys(1, 10, soon())) === 1;
      });
      expect(await writeUnder(claim, "second", "b")).toBeNull();
    });

    test("comes with the stores that still lack the memories", async () => {
      const keys = ["a", "b"].map((id) => keyOf(id));
      const { transactionId } = await subject.write(keys.map(({ memoryId }) => ({ memoryId, content: "x" })));
      const stores = ["redis", "faiss"];
      const everything = keys.flatMap((key) => stores.map((store) => `${store} ${keyText(key)}`));
      const pending = () => subject.two.readPendingStores(transactionId, keys, stores, soon());
      expect([...(await pending())].sort()).toEqual(everything.sort());
      await subject.one.queuePending(transactionId, [{ store: REDIS, keys: [keyOf("b")], reason: "down" }], soon());
      expect([...(await pending())]).toEqual([`redis ${keyText(keyOf("b"))}`]);
    });
  });
}
