import { describe, expect, test } from "vitest";
import { embeddingBytes } from "../../src/domain/checksum.ts";
import { keyText } from "../../src/domain/keys.ts";
import { isUnderway } from "../../src/ledger/check-statements.ts";
import { FAISS, REDIS } from "../support/store-traits.ts";
import { keyOf, type LedgerUnderTest, soon } from "./ledger-suite.ts";

export function describeChecks(subject: LedgerUnderTest): void {
  const flaws = async (...ids: string[]) =>
    (
      await subject.one.readFlaws(
        ids.map((id) => keyOf(id)),
        soon(),
      )
    ).map(({ memoryId, version }) => [memoryId, version]);

  describe("damage", () => {
    test("to a document, a vector or a missing document shows against the recorded checksum, and nothing else does", async () => {
      const ids = ["sound", "document", "embedding", "no document", "plain", "deleted", "stray document"];
      for (const id of ids) await subject.put(id, `content of ${id}`, id === "plain" ? { embedding: null } : {});
      await subject.write([
        { memoryId: "deleted", content: null },
        { memoryId: "stray document", content: null },
      ]);
      expect(await flaws(...ids, "unknown")).toEqual([]);
      for (const what of ["document", "embedding", "no document", "stray document"] as const) {
        await subject.current.damage(keyOf(what), what);
      }
      expect((await flaws(...ids, "unknown")).sort()).toEqual([
        ["document", 1],
        ["embedding", 1],
        ["no document", 1],
        ["stray document", 2],
      ]);
    });

    test("is mended with a document that fits, and only at the version that it belongs to", async () => {
      await subject.put("m", "first");
      const [change] = await subject.one.currentChanges([keyOf("m")], soon());
      if (change?.kind !== "put") throw new Error("no put");
      const embedding = Buffer.from(embeddingBytes(change.embedding!));
      for (const what of ["document", "no document"] as const) {
        await subject.current.damage(keyOf("m"), what);
        expect(await subject.one.restoreDocument(keyOf("m"), 2, change.documentJson, embedding, soon())).toBe(false);
        expect(await flaws("m")).toEqual([["m", 1]]);
        expect(await subject.one.restoreDocument(keyOf("m"), 1, change.documentJson, embedding, soon())).toBe(true);
        expect(await flaws("m")).toEqual([]);
        expect(await subject.one.currentChanges([keyOf("m")], soon())).toEqual([change]);
      }
      expect(await subject.one.restoreDocument(keyOf("unknown"), 1, "{}", null, soon())).toBe(false);
    });

    test("that left a document to a deleted memory is removed, and nothing is removed from a live one", async () => {
      await subject.put("live");
      await subject.put("dead");
      await subject.write([{ memoryId: "dead", content: null }]);
      expect(await subject.one.removeStrayDocument(keyOf("dead"), soon())).toBe(false);
      await subject.current.damage(keyOf("dead"), "stray document");
      expect(await subject.one.removeStrayDocument(keyOf("live"), soon())).toBe(false);
      expect(await subject.one.removeStrayDocument(keyOf("dead"), soon())).toBe(true);
      expect(await flaws("dead", "live")).toEqual([]);
      expect(await subject.one.currentChanges([keyOf("live")], soon())).toMatchObject([{ kind: "put" }]);
    });
  });

  describe("confirming", () => {
    const confirm = (ids: string[], overdueMs = 60_000) =>
      subject.one.confirming(
        ids.map((id) => keyOf(id)),
        overdueMs,
        soon(),
        async ({ rows, busy }) => ({
          rows: Object.fromEntries(
            [...rows.values()].map(({ memoryId, version, underway }) => [
              memoryId,
              { version, underway: { redis: isUnderway(underway, REDIS), faiss: isUnderway(underway, FAISS) } },
            ]),
          ),
          busy: [...busy],
        }),
      );

    test("shows the rows, what is on its way to which store, and nothing of what the ledger does not know", async () => {
      await subject.put("settled");
      const { transactionId } = await subject.write([{ memoryId: "unconfirmed", content: "x" }]);
      await subject.put("queued for redis");
      await subject.put("queued for the index");
      await subject.one.enqueue(subject.one.queueOf(REDIS), [keyOf("queued for redis")], "x", soon());
      await subject.one.enqueue(subject.one.queueOf(FAISS), [keyOf("queued for the index")], "x", soon());
      const ids = ["settled", "unconfirmed", "queued for redis", "queued for the index", "unknown"];
      expect(await confirm(ids)).toEqual({
        rows: {
          settled: { version: 1, underway: { redis: false, faiss: false } },
          unconfirmed: { version: 1, underway: { redis: true, faiss: true } },
          "queued for redis": { version: 1, underway: { redis: true, faiss: false } },
          "queued for the index": { version: 1, underway: { redis: false, faiss: true } },
        },
        busy: [],
      });
      await subject.one.markPublished([transactionId], soon());
      expect((await confirm(["unconfirmed"])).rows.unconfirmed?.underway).toEqual({ redis: false, faiss: false });
    });

    test("takes nothing for on its way that is overdue, or a dead letter", async () => {
      await subject.write([{ memoryId: "overdue", content: "x" }]);
      await subject.put("dead");
      const redis = subject.one.queueOf(REDIS);
      await subject.one.enqueue(redis, [keyOf("dead")], "x", soon());
      const claimed = await subject.one.claim(
        redis,
        { workerId: "worker", turn: 1, oldestTurn: 1 },
        10,
        60_000,
        soon(),
      );
      await subject.one.release(redis, claimed, { delayMs: null, counts: true, error: "x" }, soon());
      const { rows } = await confirm(["dead"]);
      expect(rows.dead?.underway).toEqual({ redis: false, faiss: false });
      // As if a day had passed: nothing can be younger than that.
      expect((await confirm(["overdue"], -86_400_000)).rows.overdue?.underway).toEqual({ redis: false, faiss: false });
    });

    test("does not wait for rows that are being written, and calls them busy", async () => {
      await subject.put("held");
      await subject.put("free");
      await subject.two.transaction(soon(), async (transaction) => {
        await subject.prepare(subject.two, transaction, [{ memoryId: "held", content: "next" }]);
        const { rows, busy } = await confirm(["held", "free"]);
        expect(Object.keys(rows)).toEqual(["free"]);
        expect(busy).toEqual([keyText(keyOf("held"))]);
        await transaction.commit();
      });
      expect((await confirm(["held"])).rows.held).toMatchObject({ version: 2 });
    });

    test("does not call a row busy that another check is confirming", async () => {
      await subject.put("drifted");
      await subject.two.confirming([keyOf("drifted")], 60_000, soon(), async () => {
        expect(await confirm(["drifted"])).toMatchObject({ rows: { drifted: { version: 1 } }, busy: [] });
      });
    });

    test("keeps writers out until it is done, and writes nothing", async () => {
      await subject.put("m");
      const order: string[] = [];
      let writing: Promise<unknown> = Promise.resolve();
      await subject.one.confirming([keyOf("m")], 60_000, soon(), async () => {
        writing = subject
          .write([{ memoryId: "m", content: "next" }], {}, subject.two)
          .then(() => order.push("written"));
        // The writer's turn would come in these reads, were it not for the lock.
        for (let turn = 0; turn < 5; turn++) await subject.one.readVersions([keyOf("m")], soon());
        order.push("confirmed");
      });
      await writing;
      expect(order).toEqual(["confirmed", "written"]);
    });
  });

  describe("statistics", () => {
    test("count what there is", async () => {
      await subject.write([
        { memoryId: "a", content: "1" },
        { memoryId: "b", content: "1" },
        { memoryId: "c", content: "1" },
      ]);
      await subject.write([
        { memoryId: "a", content: "2" },
        { memoryId: "b", content: null },
      ]);
      expect(await subject.one.statistics(3_600_000, soon())).toMatchObject({
        memories: 2,
        tombstones: 1,
        historyVersions: 2,
        transactionsUnpublished: 2,
        oldestUnpublishedAgeSeconds: expect.any(Number),
        queuePending: 0,
        oldestQueuedAgeSeconds: null,
      });
    });
  });
}
