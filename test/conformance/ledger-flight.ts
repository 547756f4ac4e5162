import { describe, expect, test } from "vitest";
import { keyText } from "../../src/domain/keys.ts";
import { encodeMemory } from "../../src/domain/memory.ts";
import type { GuessedWrite } from "../../src/ledger/version-write.ts";
import type { LockedRow } from "../../src/ledger/write-statements.ts";
import { decide } from "../../src/write/plan.ts";
import { STORE_VERSIONS } from "../support/store-traits.ts";
import { keyOf, type LedgerUnderTest, soon } from "./ledger-suite.ts";

/** Writes that are sent before their rows were seen. */
export function describeFlight(subject: LedgerUnderTest): void {
  const token = (transactionId: string) => ({ transactionId, nodeId: "one", storeVersions: STORE_VERSIONS });

  /** A write of `memoryId` on the row that is believed to stand there. */
  const guess = (memoryId: string, content: string, row?: LockedRow): GuessedWrite => {
    const key = keyOf(memoryId);
    const document = { content, memoryType: "test", importance: 0.5, metadata: {}, privacy: "full" as const };
    const intent = { key, memory: encodeMemory(key, document, null), expectedVersion: null, modifiedAt: null };
    const decision = decide(intent, row, 1, "one");
    if (decision.action !== "write") throw new Error("nothing to write");
    return { write: decision.write, knownTx: row?.txId ?? null };
  };

  const rowOf = async (memoryId: string): Promise<LockedRow> =>
    await subject.one.transaction(soon(), async (transaction) => {
      const { locked } = await transaction.begin([keyOf(memoryId)]);
      await transaction.rollback();
      return locked.get(keyText(keyOf(memoryId))) as LockedRow;
    });

  const versionsOf = async (...ids: string[]) => {
    const rows = await subject.one.readVersions(
      ids.map((id) => keyOf(id)),
      soon(),
    );
    return ids.map((id) => rows.get(keyText(keyOf(id)))?.version ?? 0);
  };

  const textOf = (memoryId: string) => keyText(keyOf(memoryId));

  describe("a flight", () => {
    for (const alone of [true, false]) {
      const others = alone ? [] : ["z1", "z2"];
      const where = alone ? "alone" : "among others";

      test(`writes a new memory and a known row ${where}, at the ledger's time, and names them in its transaction`, async () => {
        await subject.put("known", "first");
        for (const id of others) await subject.put(id);
        const row = await rowOf("known");
        const sent = [guess("known", "second", row)];
        if (!alone) sent.push(guess("new", "x"), guess("z2", "second", await rowOf("z2")));
        const keys = ["known", ...(alone ? [] : ["new", "z2"])];
        const flown = await subject.one.transaction(soon(), async (transaction) => {
          const result = await transaction.beginWith(
            sent,
            keys.map((id) => keyOf(id)),
            token("F1"),
          );
          await transaction.commit();
          return result;
        });
        expect(flown).toMatchObject({ raced: false, isKeyTaken: false, hits: new Set(keys.map(textOf)) });
        expect(Math.abs(flown.now - Date.now())).toBeLessThan(60_000);
        expect(await versionsOf("known")).toEqual([2]);
        if (!alone) expect(await versionsOf("new", "z1", "z2")).toEqual([1, 1, 2]);
        const changes = await subject.one.readChanges([keyOf("known")], soon());
        expect(changes.get(textOf("known"))).toMatchObject({ version: 2, modifiedAt: flown.writtenAt });
        const named = await subject.one.readTransaction("F1", soon());
        expect(named?.map(({ memoryId }) => memoryId).sort()).toEqual(keys.toSorted());
      });

      test(`leaves a row alone ${where} that another transaction wrote since, and shows it`, async () => {
        await subject.put("m", "first");
        for (const id of others) await subject.put(id);
        const stale = await rowOf("m");
        const since = await subject.put("m", "second");
        const keys = ["m", ...others].map((id) => keyOf(id));
        const flown = await subject.one.transaction(soon(), async (transaction) => {
          const result = await transaction.beginWith([guess("m", "third", stale)], keys, token("F2"));
          expect(result).toMatchObject({ raced: false, hits: new Set() });
          // Decided again on what was found, in the same transaction.
          const { write } = guess("m", "third", result.locked.get(textOf("m")));
          expect(await transaction.write([write], { ...token("F2"), optimistic: false })).toBe("written");
          await transaction.commit();
          return result;
        });
        expect(flown.locked.get(textOf("m"))).toMatchObject({ version: 2, txId: since });
        expect(await versionsOf("m")).toEqual([3]);
      });

      test(`leaves a memory alone ${where} that was taken for new and exists`, async () => {
        const written = await subject.put("m", "first");
        for (const id of others) await subject.put(id);
        const keys = ["m", ...others].map((id) => keyOf(id));
        const flown = await subject.one.transaction(soon(), async (transaction) => {
          const result = await transaction.beginWith([guess("m", "second")], keys, token("F3"));
          await transaction.rollback();
          return result;
        });
        expect(flown).toMatchObject({ raced: false, hits: new Set() });
        expect(flown.locked.get(textOf("m"))).toMatchObject({ version: 1, txId: written });
        expect(await versionsOf("m")).toEqual([1]);
        expect(await subject.one.readTransaction("F3", soon())).toBeNull();
      });
    }

    test("of hits and misses names both in its transaction, in one row", async () => {
      await subject.put("a", "first");
      const stale = await rowOf("a");
      await subject.put("a", "second");
      const keys = ["a", "b"].map((id) => keyOf(id));
      let writtenAt = 0;
      await subject.one.transaction(soon(), async (transaction) => {
        const sent = [guess("a", "third", stale), guess("b", "new")];
        const { hits, locked, writtenAt: at } = await transaction.beginWith(sent, keys, token("F4"));
        writtenAt = at;
        expect(hits).toEqual(new Set([textOf("b")]));
        const { write } = guess("a", "third", locked.get(textOf("a")));
        await transaction.write([write], { ...token("F4"), optimistic: false, appends: true });
        await transaction.commit();
      });
      expect(await versionsOf("a", "b")).toEqual([3, 1]);
      const changes = await subject.one.readChanges(keys, soon());
      expect(changes.get(textOf("b"))).toMatchObject({ modifiedAt: writtenAt });
      const named = await subject.one.readTransaction("F4", soon());
      expect(named?.map(({ memoryId, version }) => `${memoryId}@${version}`).sort()).toEqual(["a@3", "b@1"]);
    });

    test("gives what it wrote one time, also where a memory appeared that was taken for new", async () => {
      await subject.put("known", "first");
      const sent = [guess("known", "second", await rowOf("known")), guess("other", "x")];
      await subject.one.transaction(soon(), async (transaction) => {
        // It is not among the keys that are locked, as if it had been created after the locks.
        const { hits, writtenAt } = await transaction.beginWith(sent, [keyOf("known"), keyOf("unseen")], token("F7"));
        expect(hits).toEqual(new Set([textOf("known"), textOf("other")]));
        await transaction.commit();
        const changes = await subject.one.readChanges([keyOf("known"), keyOf("other")], soon());
        for (const id of ["known", "other"]) expect(changes.get(textOf(id))).toMatchObject({ modifiedAt: writtenAt });
      });
    });

    test("that is rolled back leaves no trace", async () => {
      await subject.put("a", "first");
      const row = await rowOf("a");
      await subject.one.transaction(soon(), async (transaction) => {
        await transaction.beginWith([guess("a", "second", row)], [keyOf("a")], token("F5"));
        await transaction.rollback();
      });
      expect(await versionsOf("a")).toEqual([1]);
      expect(await subject.one.readTransaction("F5", soon())).toBeNull();
    });

    test("that commits writes a new memory, and the next version of a known row, at the ledger's time", async () => {
      for (const [transactionId, content] of [
        ["F11", "first"],
        ["F12", "second"],
      ] as const) {
        const row = await rowOf("m");
        const answer = await subject.one.transaction(soon(), (transaction) =>
          transaction.commitAlone(guess("m", content, row), token(transactionId)),
        );
        expect(answer?.hits).toEqual(new Set([textOf("m")]));
        const change = (await subject.one.readChanges([keyOf("m")], soon())).get(textOf("m"));
        expect(change).toMatchObject({ version: (row?.version ?? 0) + 1, modifiedAt: answer?.writtenAt });
        expect(await subject.one.readTransaction(transactionId, soon())).toEqual([
          { ...keyOf("m"), version: (row?.version ?? 0) + 1 },
        ]);
      }
    });

    test("that commits writes nothing where its guess does not hold, and another transaction may begin behind it", async () => {
      await subject.put("m", "first");
      const stale = await rowOf("m");
      await subject.put("m", "second");
      for (const wrong of [guess("m", "third"), guess("m", "third", stale)]) {
        await subject.one.transaction(soon(), async (transaction) => {
          expect((await transaction.commitAlone(wrong, token("F13")))?.hits).toEqual(new Set());
          expect(await versionsOf("m")).toEqual([2]);
          expect(await subject.one.readTransaction("F13", soon())).toBeNull();
          const { locked } = await transaction.begin([keyOf("m")]);
          expect(locked.get(textOf("m"))).toMatchObject({ version: 2 });
          await transaction.rollback();
        });
      }
      const right = guess("m", "third", await rowOf("m"));
      await subject.one.transaction(soon(), (transaction) => transaction.commitAlone(right, token("F13")));
      expect(await versionsOf("m")).toEqual([3]);
    });

    test("that commits waits for the transaction that holds the row, and then writes nothing", async () => {
      const { one, two } = subject;
      await subject.put("m", "first");
      const row = await rowOf("m");
      let waiting: Promise<unknown> = Promise.resolve();
      let hits: ReadonlySet<string> | undefined;
      await two.transaction(soon(), async (first) => {
        await subject.prepare(two, first, [{ memoryId: "m", content: "of two" }]);
        waiting = one.transaction(soon(), async (second) => {
          hits = (await second.commitAlone(guess("m", "of one", row), token("F14")))?.hits;
        });
        for (let turn = 0; turn < 20; turn++) await one.readVersions([keyOf("m")], soon());
        expect(hits, "nothing is decided while the row is held").toBeUndefined();
        await first.commit();
      });
      await waiting;
      expect(hits).toEqual(new Set());
      expect(await versionsOf("m")).toEqual([2]);
    });

    test("of many memories that are new writes them at the ledger's time, and names them in its transaction", async () => {
      const ids = Array.from({ length: 40 }, (_, at) => `n${at}`);
      const writtenAt = await subject.one.transaction(soon(), async (transaction) => {
        expect(transaction.flies).toBe(true);
        const writes = ids.map((id) => guess(id, `content of ${id}`).write);
        const { answer, writtenAt: at } = await transaction.beginWithNew(writes, token("F8"));
        expect(answer).toBe("written");
        await transaction.commit();
        return at;
      });
      expect(Math.abs(writtenAt - Date.now())).toBeLessThan(60_000);
      expect(Number.isInteger(writtenAt)).toBe(true);
      expect(new Set(await versionsOf(...ids))).toEqual(new Set([1]));
      const changes = await subject.one.readChanges(
        ids.map((id) => keyOf(id)),
        soon(),
      );
      for (const id of ids) {
        expect(changes.get(textOf(id))).toMatchObject({ version: 1, modifiedAt: writtenAt });
        expect(changes.get(textOf(id))).toHaveProperty(
          "documentJson",
          guess(id, `content of ${id}`).write.documentJson,
        );
      }
      const named = await subject.one.readTransaction("F8", soon());
      expect(named?.map(({ memoryId }) => memoryId).sort()).toEqual(ids.toSorted());
    });

    test("of many memories one of which exists writes none of them", async () => {
      await subject.put("n7", "first");
      const ids = Array.from({ length: 40 }, (_, at) => `n${at}`);
      await subject.one.transaction(soon(), async (transaction) => {
        const writes = ids.map((id) => guess(id, "second").write);
        expect(await transaction.beginWithNew(writes, token("F9"))).toEqual({ answer: "guessed_wrong", writtenAt: 0 });
        await transaction.rollback();
      });
      expect((await versionsOf(...ids)).reduce((sum, version) => sum + version, 0)).toBe(1);
      expect(await subject.one.readTransaction("F9", soon())).toBeNull();
    });

    test("of many new memories waits for a transaction that creates one of them, and writes none then", async () => {
      const { one, two } = subject;
      let waiting: Promise<unknown> = Promise.resolve();
      let answer: unknown = null;
      await two.transaction(soon(), async (first) => {
        await subject.prepare(two, first, [{ memoryId: "n7", content: "of two" }]);
        waiting = one.transaction(soon(), async (second) => {
          const writes = ["n6", "n7", "n8"].map((id) => guess(id, "of one").write);
          ({ answer } = await second.beginWithNew(writes, token("F10")));
          await second.rollback();
        });
        for (let turn = 0; turn < 20; turn++) await one.readVersions([keyOf("n7")], soon());
        expect(answer, "nothing is decided while the row is on its way").toBeNull();
        await first.commit();
      });
      await waiting;
      expect(answer).toBe("guessed_wrong");
      expect(await versionsOf("n6", "n7", "n8")).toEqual([0, 1, 0]);
    });

    test("of a known row waits for the transaction that holds it, and then sees what that one wrote", async () => {
      const { one, two } = subject;
      await subject.put("m", "first");
      const row = await rowOf("m");
      let waiting: Promise<unknown> = Promise.resolve();
      let hits: ReadonlySet<string> | null = null;
      await two.transaction(soon(), async (first) => {
        await subject.prepare(two, first, [{ memoryId: "m", content: "of two" }]);
        waiting = one.transaction(soon(), async (second) => {
          ({ hits } = await second.beginWith([guess("m", "of one", row)], [keyOf("m")], token("F6")));
          await second.rollback();
        });
        for (let turn = 0; turn < 20; turn++) await one.readVersions([keyOf("m")], soon());
        expect(hits, "nothing is decided while the row is held").toBeNull();
        await first.commit();
      });
      await waiting;
      expect(hits).toEqual(new Set());
      expect(await versionsOf("m")).toEqual([2]);
    });
  });
}
