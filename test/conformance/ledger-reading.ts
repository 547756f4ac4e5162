import { describe, expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { BucketDigests, BucketSet } from "../../src/domain/buckets.ts";
import { FEED_START, type FeedCursor, type FeedHeader } from "../../src/domain/change-source.ts";
import { checksumOf, entryDigest } from "../../src/domain/checksum.ts";
import { bucketOf, compareKeys, keyText } from "../../src/domain/keys.ts";
import type { MemoryChange } from "../../src/domain/memory.ts";
import { unitVector } from "../support/memories.ts";
import { keyOf, type LedgerUnderTest, soon } from "./ledger-suite.ts";

export function describeReading(subject: LedgerUnderTest): void {
  describe("what was written", () => {
    test("reads back as it was given, bit for bit, and proves its checksum", async () => {
      const expiresAt = "2031-02-03T04:05:06.789Z";
      const embedding = Float32Array.of(0.1, -0, 2 ** -149, 3.4028234663852886e38);
      const memoryId = "odd: \\\"'{}\n😀";
      await subject.write([{ memoryId, content: 'é\u2028\\"😀', embedding, expiresAt, namespace: "n" }]);
      const [change, none] = await subject.two.currentChanges([keyOf(memoryId, "n"), keyOf(memoryId)], soon());
      expect(none).toBeNull();
      if (change?.kind !== "put") throw new Error("no put");
      expect(change).toMatchObject({
        ...keyOf(memoryId, "n"),
        version: 1,
        versionVector: { one: 1 },
        expiresAt: Date.parse(expiresAt),
      });
      expect(JSON.parse(change.documentJson)).toMatchObject({ content: 'é\u2028\\"😀', expiresAt });
      expect(Buffer.from(change.embedding!.buffer)).toEqual(Buffer.from(embedding.buffer));
      expect(checksumOf(change.documentJson, change.embedding)).toBe(change.checksum);
      expect(change.digest).toBe(entryDigest(change, 1, change.checksum));
    });

    test("and deleted reads as a tombstone of its version", async () => {
      await subject.put("m");
      await subject.write([{ memoryId: "m", content: null }]);
      const [change] = await subject.one.currentChanges([keyOf("m")], soon());
      expect(change).toMatchObject({ kind: "tombstone", ...keyOf("m"), version: 2 });
      expect(await subject.one.readVersions([keyOf("m")], soon())).toMatchObject(
        new Map([[keyText(keyOf("m")), expect.objectContaining({ version: 2, checksum: null })]]),
      );
    });

    test("is listed with its documents in the order of the keys, page by page", async () => {
      const items = Array.from({ length: 23 }, (_, number) => ({
        memoryId: `m${number}`,
        namespace: `n${number % 2}`,
      }));
      await subject.write(items.map((item) => ({ ...item, content: "first", embedding: unitVector(1, 4) })));
      await subject.write([{ ...items[4]!, content: null }]);
      const listed: MemoryChange[] = [];
      for (let after: MemoryChange | null = null; ; ) {
        const page: MemoryChange[] = await subject.two.listChanges(after, 5, soon());
        expect(page.length).toBeLessThanOrEqual(5);
        listed.push(...page);
        after = page.at(-1) ?? null;
        if (after === null) break;
      }
      const keys = items.map(({ memoryId, namespace }) => keyOf(memoryId, namespace)).sort(compareKeys);
      expect(listed).toEqual(await subject.two.currentChanges(keys, soon()));
      expect(listed.filter(({ kind }) => kind === "tombstone")).toHaveLength(1);
    });

    test("is listed whatever its key and its size: odd names, nothing, and documents of all lengths", async () => {
      const names = ["odd: \\\"'{}\n😀", "'; drop table x; --", "\u0001", "ÿ", "m"];
      const items = names.flatMap((memoryId, number) =>
        [1, 200, 9_000, 20_000, 70_000, 300_000].map((length) => ({
          memoryId: `${memoryId}${length}`,
          content: "é".repeat(length),
          embedding: length === 200 ? null : unitVector(number, 2 + number),
          ...(number === 1 && { expiresAt: "2031-02-03T04:05:06.789Z" }),
        })),
      );
      await subject.write(items);
      const keys = items.map(({ memoryId }) => keyOf(memoryId)).sort(compareKeys);
      const expected = await subject.two.currentChanges(keys, soon());
      for (const limit of [1, 2, 1_000]) {
        const listed: MemoryChange[] = [];
        for (let after: MemoryChange | null = null; ; ) {
          const page: MemoryChange[] = await subject.two.listChanges(after, limit, soon());
          listed.push(...page);
          after = page.at(-1) ?? null;
          if (after === null) break;
        }
        expect(listed).toEqual(expected);
      }
    });

    test("is listed by bucket, namespace and id, page by page, and by buckets that are asked for", async () => {
      const items = Array.from({ length: 60 }, (_, number) => ({
        memoryId: `m${number}`,
        namespace: `n${number % 2}`,
        content: number % 9 === 0 ? null : "x",
      }));
      await subject.write(items.map((item) => ({ ...item, content: "first" })));
      await subject.write(items.filter(({ content }) => content === null));
      const all = items.map(({ memoryId, namespace }) => ({
        ...keyOf(memoryId, namespace),
        bucket: bucketOf(keyOf(memoryId, namespace)),
      }));
      all.sort((a, b) => a.bucket - b.bucket || compareKeys(a, b));
      const list = async (buckets: BucketSet | null, limit: number) => {
        const rows = [];
        let after = null;
        for (;;) {
          const page = await subject.one.listVersions(after, buckets, limit, soon());
          rows.push(...page);
          if (page.length < limit)
            return rows.map(({ namespace, memoryId, bucket }) => ({ namespace, memoryId, bucket }));
          after = page.at(-1)!;
        }
      };
      expect(await list(null, 7)).toEqual(all);
      expect(await list(null, 1_000)).toEqual(all);
      const buckets = new BucketSet();
      for (const { bucket } of all.slice(10, 25)) buckets.add(bucket);
      expect(await list(buckets, 4)).toEqual(all.filter(({ bucket }) => buckets.has(bucket)));
      expect(await list(new BucketSet(), 4)).toEqual([]);
    });

    test("has digests by bucket: of all live memories for Redis, of those with a vector for the index", async () => {
      const items = Array.from({ length: 40 }, (_, number) => ({
        memoryId: `m${number}`,
        content: "x",
        embedding: number % 3 === 0 ? null : unitVector(number, 4),
      }));
      const { writes } = await subject.write(items);
      await subject.write([
        { memoryId: "m1", content: null },
        { memoryId: "m3", content: null },
      ]);
      const live = writes.filter(({ memoryId }) => memoryId !== "m1" && memoryId !== "m3");
      for (const of of ["all", "with_embedding"] as const) {
        const expected = new BucketDigests();
        for (const { bucket, digest, embedding } of live)
          if (of === "all" || embedding !== null) expected.addHex(bucket, digest!);
        const found = await subject.one.readDigests(of, soon());
        expect(found.differences(expected)).toEqual([]);
        expect(found.total).toBe(expected.total);
      }
    });

    test("is listed as expired once its time is over, until it is deleted", async () => {
      await subject.write([
        { memoryId: "past", content: "x", expiresAt: "2001-01-01T00:00:00.000Z" },
        { memoryId: "past and gone", content: "x", expiresAt: "2001-01-01T00:00:00.000Z" },
        { memoryId: "future", content: "x", expiresAt: "2100-01-01T00:00:00.000Z" },
        { memoryId: "never", content: "x" },
      ]);
      await subject.write([{ memoryId: "past and gone", content: null }]);
      expect(await subject.one.listExpired(10, soon())).toMatchObject([{ ...keyOf("past"), version: 1 }]);
      expect(await subject.one.listExpired(0, soon())).toEqual([]);
    });
  });

  describe("the change feed", () => {
    /** All that there is behind `cursor`. */
    const follow = async (cursor: FeedCursor, limit = 100): Promise<{ headers: FeedHeader[]; cursor: FeedCursor }> => {
      const headers: FeedHeader[] = [];
      for (;;) {
        const page = await subject.two.changesAfter(cursor, limit, soon());
        if (page.headers.length === 0) {
          expect(page.cursor).toEqual(cursor);
          return { headers, cursor };
        }
        headers.push(...page.headers);
        cursor = page.cursor;
      }
    };
    /** Transactions of other tests on the same server may hold the feed back for a while: follows until `enough`. */
    const followUntil = async (cursor: FeedCursor, enough: (headers: FeedHeader[]) => boolean, limit = 100) => {
      const headers: FeedHeader[] = [];
      await pollUntil("the feed", 30_000, async () => {
        const more = await follow(cursor, limit);
        headers.push(...more.headers);
        cursor = more.cursor;
        return enough(headers);
      });
      return { headers, cursor };
    };

    test("lists each memory once, at its latest change, in pages of any size", async () => {
      await subject.write([
        { memoryId: "a", content: "1" },
        { memoryId: "b", content: "1" },
        { memoryId: "c", content: "1" },
      ]);
      await subject.write([{ memoryId: "a", content: "2" }]);
      await subject.write([{ memoryId: "b", content: null }]);
      const { headers, cursor } = await followUntil(FEED_START, (found) => found.some(({ deleted }) => deleted), 1);
      expect(headers.toSorted((a, b) => a.memoryId.localeCompare(b.memoryId))).toEqual([
        { ...keyOf("a"), version: 2, deleted: false },
        { ...keyOf("b"), version: 2, deleted: true },
        { ...keyOf("c"), version: 1, deleted: false },
      ]);
      await subject.write([{ memoryId: "c", content: "2" }]);
      const next = await followUntil(cursor, (found) => found.length > 0);
      expect(next.headers).toEqual([{ ...keyOf("c"), version: 2, deleted: false }]);
    });

    test("skips nobody that commits late: not one that began before others that are committed already", async () => {
      const { one } = subject;
      let cursor = FEED_START;
      const early: FeedHeader[] = [];
      await one.transaction(soon(), async (slow) => {
        await subject.prepare(one, slow, [{ memoryId: "slow", content: "x" }]);
        await subject.write([{ memoryId: "fast", content: "x" }]);
        const page = await follow(FEED_START);
        early.push(...page.headers);
        cursor = page.cursor;
        expect(early.map(({ memoryId }) => memoryId)).not.toContain("slow");
        await slow.commit();
      });
      const both = (headers: FeedHeader[]) =>
        new Set([...early, ...headers].map(({ memoryId }) => memoryId)).size === 2;
      const late = await followUntil(cursor, both);
      expect([...early, ...late.headers].map(({ memoryId }) => memoryId).sort()).toEqual(["fast", "slow"]);
    });

    test("belongs to a history that has a name, the same for every node", async () => {
      expect(await subject.one.epoch(soon())).toMatch(/\S/);
      expect(await subject.two.epoch(soon())).toBe(await subject.one.epoch(soon()));
    });
  });
}
