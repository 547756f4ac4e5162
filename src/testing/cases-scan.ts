import assert from "node:assert/strict";
import { BucketDigests, BucketSet } from "../domain/buckets.ts";
import { bucketOf, keyText } from "../domain/keys.ts";
import type { MemoryChange } from "../domain/memory.ts";
import { assertMatches } from "./assertions.ts";
import { tombstone } from "./changes.ts";
import { type CaseGroup, type StoreUnderTest, soon } from "./store-under-test.ts";

/** Publishes `count` changes in three namespaces, one in five a tombstone. */
async function fill(store: StoreUnderTest, count: number): Promise<MemoryChange[]> {
  const changes = Array.from({ length: count }, (_, number) => {
    const namespace = `space${number % 3}`;
    return number % 5 === 4 ? tombstone(`n${number}`, 2, namespace) : store.put(`n${number}`, 1, { namespace });
  });
  await store.projection.publish(changes, soon());
  return changes;
}

const paged = [1, 7, 100, 5_000].map((limit): [string, CaseGroup["cases"][string]] => [
  `in pages of ${limit} shows every entry, live and dead`,
  async (store) => {
    const changes = await fill(store, limit === 1 ? 60 : 600);
    const seen = new Map((await store.scanAll({ limit })).map((entry) => [keyText(entry), entry]));
    assert.equal(seen.size, changes.length);
    for (const change of changes) {
      assertMatches(
        seen.get(keyText(change)),
        change.kind === "put"
          ? { state: "live", version: 1, checksum: change.checksum }
          : { state: "tombstone", version: 2 },
      );
    }
  },
]);

export const SCAN: CaseGroup = {
  name: "scan",
  cases: {
    "of an empty store ends at once, without entries": async (store) => {
      assert.deepEqual(await store.scanAll({}), []);
    },

    ...Object.fromEntries(paged),

    "during concurrent writes returns every entry that exists throughout": async (store) => {
      const changes = await fill(store, 400);
      let turn = 0;
      const entries = await store.scanAll({ limit: 25 }, async () => {
        turn++;
        const moving = Array.from({ length: 40 }, (_, offset) => (turn * 40 + offset) % 400);
        await store.publish(
          ...moving.flatMap((number) => {
            const namespace = `space${number % 3}`;
            const added = store.put(`new${turn}-${number}`, 1);
            // Odd memories stay unchanged; even ones are updated, deleted and published again.
            if (number % 2 !== 0) return [added];
            const version = turn + 2;
            const moved =
              turn % 2 === 0
                ? store.put(`n${number}`, version, { namespace })
                : tombstone(`n${number}`, version, namespace);
            return [added, moved];
          }),
        );
      });
      const seen = new Set(entries.map(keyText));
      assert.deepEqual(
        changes.filter((change) => !seen.has(keyText(change))),
        [],
        "entries that the scan left out",
      );
    },

    "returns all entries of the requested buckets and no others": async (store) => {
      const changes = await fill(store, 500);
      const buckets = new BucketSet();
      for (const change of changes.slice(0, 20)) buckets.add(bucketOf(change));
      const entries = await store.scanAll({ buckets, limit: 50 });
      const wanted = changes.filter((change) => buckets.has(bucketOf(change))).map(keyText);
      assert.deepEqual(new Set(entries.map(keyText)), new Set(wanted));
      assert.deepEqual(await store.scanAll({ buckets: new BucketSet() }), []);
    },
  },
};

export const DIGEST: CaseGroup = {
  name: "digest and count",
  cases: {
    "cover exactly the live entries, after each kind of change": async (store) => {
      const { projection } = store;
      const live = new Map<string, MemoryChange>();
      const publish = async (...changes: MemoryChange[]) => {
        await store.publish(...changes);
        for (const change of changes) live.set(keyText(change), change);
      };
      const agree = async () => {
        const puts = [...live.values()].filter((change) => change.kind === "put");
        const expected = new BucketDigests();
        for (const change of puts) expected.addHex(bucketOf(change), change.digest);
        const digests = await projection.digest(soon());
        assert.deepEqual(digests.differences(expected), [], "buckets whose digests differ");
        assert.equal(await store.count(), puts.length);
        assert.equal(digests.total, puts.length);
      };
      await agree();
      for (const change of await fill(store, 300)) live.set(keyText(change), change);
      await publish(store.put("extra", 1), store.put("extra", 2), tombstone("n0", 3, "space0"));
      await agree();
      await publish(store.put("n0", 4, { namespace: "space0" }), store.put("n1", 1, { namespace: "space1" }));
      await agree();
    },

    "differ in exactly the bucket of a memory that changed": async (store) => {
      const { projection } = store;
      await fill(store, 100);
      const before = await projection.digest(soon());
      const change = store.put("n1", 2, { namespace: "space1" });
      await store.publish(change);
      const after = await projection.digest(soon());
      assert.deepEqual(after.differences(before), [bucketOf(change)]);
      await store.publish(tombstone("n2", 9, "space2"));
      const buried = bucketOf({ namespace: "space2", memoryId: "n2" });
      assert.deepEqual(after.differences(await projection.digest(soon())), [buried]);
    },
  },
};
