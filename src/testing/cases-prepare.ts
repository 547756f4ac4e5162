import assert from "node:assert/strict";
import { BucketDigests } from "../domain/buckets.ts";
import { entryDigest } from "../domain/checksum.ts";
import type { PutChange } from "../domain/memory.ts";
import { assertAll, assertMatches } from "./assertions.ts";
import { tombstone } from "./changes.ts";
import { type CaseGroup, type StoreUnderTest, soon } from "./store-under-test.ts";

/** The reader-visible state of the memories a, b and c. */
async function view(store: StoreUnderTest) {
  const { projection } = store;
  const keys = ["a", "b", "c"].map((memoryId) => ({ namespace: "default", memoryId }));
  return {
    read: await projection.read(keys, { data: true }, soon()),
    scanned: await scanned(store),
    count: await projection.count(soon()),
    // Comparing only the non-empty buckets is sufficient here, and fast.
    buckets: (await projection.digest(soon())).differences(new BucketDigests()),
  };
}

/** All entries of a scan, once each and sorted: the contract promises no order, and entries may repeat. */
async function scanned(store: StoreUnderTest) {
  const entries = await store.scanAll({});
  const byKey = new Map(entries.map((entry) => [JSON.stringify([entry.namespace, entry.memoryId]), entry]));
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The same content as another version. */
function atVersion(change: PutChange, version: number): PutChange {
  return { ...change, version, digest: entryDigest(change, version, change.checksum) };
}

export const PREPARE: CaseGroup = {
  name: "prepare",
  cases: {
    "changes nothing that a reader could see": async (store) => {
      await store.publish(store.put("a", 1), tombstone("b", 1));
      const before = await view(store);
      const changes = [store.put("a", 2), store.put("b", 2), store.put("c", 1), tombstone("d", 4)];
      await store.projection.prepare({ token: "T1", changes }, soon());
      assert.deepEqual(await view(store), before);
      await store.projection.discard("T1", soon());
      assert.deepEqual(await view(store), before);
    },

    "followed by publish with its token makes the batch visible": async (store) => {
      const first = store.put("a", 1);
      const changes = [first, tombstone("b", 2), store.put("c", 3)];
      await store.projection.prepare({ token: "T2", changes }, soon());
      assertAll(await store.projection.publish(changes, soon(), "T2"), "applied", 3);
      assertMatches(await view(store), {
        read: [
          { state: "live", version: 1, checksum: first.checksum },
          { state: "tombstone", version: 2 },
          { state: "live", version: 3 },
        ],
        count: 2,
      });
      // A second publish, as after a crash before the acknowledgement, is stale.
      assertAll(await store.projection.publish(changes, soon(), "T2"), "stale", 3);
    },

    "is optional: a publish under an unknown or discarded token succeeds": async (store) => {
      assert.deepEqual(await store.projection.publish([store.put("a", 1)], soon(), "never-prepared"), ["applied"]);
      await store.projection.prepare({ token: "T3", changes: [store.put("b", 1)] }, soon());
      await store.projection.discard("T3", soon());
      assert.deepEqual(await store.projection.publish([store.put("b", 1)], soon(), "T3"), ["applied"]);
      assertMatches(await view(store), { read: [{ version: 1 }, { version: 1 }, null], count: 2 });
    },

    "of a batch whose memories changed meanwhile does not take them back": async (store) => {
      const changes = [store.put("a", 2), store.put("b", 2)];
      await store.projection.prepare({ token: "T4", changes }, soon());
      await store.publish(store.put("a", 3));
      assert.deepEqual(await store.projection.publish(changes, soon(), "T4"), ["stale", "applied"]);
      assertMatches(await store.read("a"), { version: 3, checksum: store.put("a", 3).checksum });
      assertMatches(await store.read("b"), { version: 2, checksum: store.put("b", 2).checksum });
    },

    "of versions that come out otherwise, and of changes that are not published, shows what is published": async (
      store,
    ) => {
      const [first, second] = [store.put("a", 1), store.put("b", 1)];
      await store.projection.prepare({ token: "T8", changes: [first, second, tombstone("c", 1)] }, soon());
      const all = [atVersion(first, 7), atVersion(second, 3), tombstone("c", 2)];
      assertAll(await store.projection.publish(all, soon(), "T8"), "applied", 3);
      assertMatches((await view(store)).read, [
        { version: 7, checksum: first.checksum },
        { version: 3, checksum: second.checksum },
        { state: "tombstone", version: 2 },
      ]);
      await store.projection.prepare({ token: "T9", changes: [atVersion(first, 8), atVersion(second, 8)] }, soon());
      const some = [atVersion(second, 9)];
      assertAll(await store.projection.publish(some, soon(), "T9"), "applied", 1);
      assertMatches((await view(store)).read, [{ version: 7 }, { version: 9 }, { version: 2 }]);
    },

    "of an empty batch says whether the store takes writes, and changes nothing": async (store) => {
      const before = await view(store);
      await store.projection.prepare({ token: "T10", changes: [] }, soon());
      await store.projection.discard("T10", soon());
      assert.deepEqual(await view(store), before);
    },

    "of two concurrent batches keeps them separate": async (store) => {
      await store.projection.prepare({ token: "T5", changes: [store.put("a", 1)] }, soon());
      await store.projection.prepare({ token: "T6", changes: [store.put("b", 1)] }, soon());
      await store.projection.discard("T5", soon());
      assert.deepEqual(await store.projection.publish([store.put("b", 1)], soon(), "T6"), ["applied"]);
      assertMatches((await view(store)).read, [null, { version: 1 }, null]);
    },

    "can be discarded twice, and under an unknown token": async (store) => {
      await store.projection.prepare({ token: "T7", changes: [store.put("a", 1)] }, soon());
      await store.projection.discard("T7", soon());
      await store.projection.discard("T7", soon());
      await store.projection.discard("unheard-of", soon());
      assertMatches(await view(store), { read: [null, null, null], count: 0 });
    },
  },
};
