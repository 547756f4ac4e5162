import { describe, expect, test } from "vitest";
import { BucketDigests, BucketSet } from "../../src/domain/buckets.ts";
import { bucketOf, keyText } from "../../src/domain/keys.ts";
import type { MemoryChange } from "../../src/domain/memory.ts";
import type { ScanOptions, StoredEntry } from "../../src/stores/projection.ts";
import { put, tombstone } from "./changes.ts";
import { type ProjectionUnderTest, soon } from "./projection-suite.ts";

export function describeScan(subject: ProjectionUnderTest): void {
  const scanAll = async (options: ScanOptions, between?: () => Promise<unknown>): Promise<StoredEntry[]> => {
    const entries: StoredEntry[] = [];
    let cursor: string | null = null;
    let pages = 0;
    do {
      const page = await subject.projection.scan(cursor, options, soon());
      entries.push(...page.entries);
      cursor = page.cursor;
      if (++pages > 10_000) throw new Error("the scan does not end");
      await between?.();
    } while (cursor !== null);
    return entries;
  };
  const fill = async (count: number): Promise<MemoryChange[]> => {
    const changes = Array.from({ length: count }, (_, number) => {
      const namespace = `space${number % 3}`;
      return number % 5 === 4 ? tombstone(`n${number}`, 2, namespace) : put(`n${number}`, 1, { namespace });
    });
    await subject.projection.publish(changes, soon());
    return changes;
  };

  describe("scan", () => {
    test("of nothing ends at once, without entries", async () => {
      expect(await scanAll({})).toEqual([]);
    });

    test.each([1, 7, 100, 5_000])("in pages of %i shows every entry, live and dead", async (limit) => {
      const changes = await fill(limit === 1 ? 60 : 600);
      const entries = await scanAll({ limit });
      const seen = new Map(entries.map((entry) => [keyText(entry), entry]));
      expect(seen.size).toBe(changes.length);
      for (const change of changes) {
        expect(seen.get(keyText(change))).toMatchObject(
          change.kind === "put"
            ? { state: "live", version: 1, checksum: change.checksum }
            : { state: "tombstone", version: 2 },
        );
      }
    });

    test("while others write shows everything that was there throughout", async () => {
      const changes = await fill(400);
      let turn = 0;
      const entries = await scanAll({ limit: 25 }, async () => {
        turn++;
        const moving = Array.from({ length: 40 }, (_, offset) => (turn * 40 + offset) % 400);
        await subject.projection.publish(
          moving.flatMap((number) => [
            put(`new${turn}-${number}`, 1),
            // Odd ones stand still, even ones live, die and come back.
            ...(number % 2 === 0
              ? [
                  turn % 2 === 0
                    ? put(`n${number}`, turn + 2, { namespace: `space${number % 3}` })
                    : tombstone(`n${number}`, turn + 2, `space${number % 3}`),
                ]
              : []),
          ]),
          soon(),
        );
      });
      const seen = new Set(entries.map(keyText));
      const missed = changes.filter((change) => !seen.has(keyText(change)));
      expect(missed).toEqual([]);
    });

    test("shows only the buckets that are asked for, and all of these", async () => {
      const changes = await fill(500);
      const buckets = new BucketSet();
      for (const change of changes.slice(0, 20)) buckets.add(bucketOf(change));
      const entries = await scanAll({ buckets, limit: 50 });
      const wanted = changes.filter((change) => buckets.has(bucketOf(change))).map(keyText);
      expect(new Set(entries.map(keyText))).toEqual(new Set(wanted));
      expect(await scanAll({ buckets: new BucketSet() })).toEqual([]);
    });
  });

  describe("digest and count", () => {
    const expected = (live: Iterable<MemoryChange>): BucketDigests => {
      const digests = new BucketDigests();
      for (const change of live) if (change.kind === "put") digests.addHex(bucketOf(change), change.digest);
      return digests;
    };

    test("are those of the live entries, after each kind of change", async () => {
      const { projection } = subject;
      const live = new Map<string, MemoryChange>();
      const agree = async () => {
        expect((await projection.digest(soon())).differences(expected(live.values()))).toEqual([]);
        const count = [...live.values()].filter(({ kind }) => kind === "put").length;
        expect(await projection.count(soon())).toBe(count);
        expect((await projection.digest(soon())).total).toBe(count);
      };
      await agree();
      for (const change of [...(await fill(300)), put("extra", 1), put("extra", 2), tombstone("n0", 3, "space0")]) {
        live.set(keyText(change), change);
      }
      await projection.publish([put("extra", 1), put("extra", 2), tombstone("n0", 3, "space0")], soon());
      await agree();
      const revived = put("n0", 4, { namespace: "space0" });
      await projection.publish([revived, put("n1", 1, { namespace: "space1" })], soon());
      live.set(keyText(revived), revived);
      await agree();
    });

    test("differ in exactly the bucket of a memory that changed", async () => {
      const { projection } = subject;
      await fill(100);
      const before = await projection.digest(soon());
      const change = put("n1", 2, { namespace: "space1" });
      await projection.publish([change], soon());
      const after = await projection.digest(soon());
      expect(after.differences(before)).toEqual([bucketOf(change)]);
      await projection.publish([tombstone("n2", 9, "space2")], soon());
      expect(after.differences(await projection.digest(soon()))).toEqual([
        bucketOf({ namespace: "space2", memoryId: "n2" }),
      ]);
    });
  });
}
