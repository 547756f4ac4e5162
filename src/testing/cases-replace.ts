import assert from "node:assert/strict";
import type { MemoryChange } from "../domain/memory.ts";
import type { LiveEntry, StoredEntry } from "../stores/projection.ts";
import { assertAll, assertMatches } from "./assertions.ts";
import { keyOf, tombstone } from "./changes.ts";
import { type CaseGroup, type StoreUnderTest, soon } from "./store-under-test.ts";

const key = { namespace: "default", memoryId: "a" };

async function replace(
  { projection }: StoreUnderTest,
  found: StoredEntry | null,
  change: MemoryChange | null,
): Promise<string | undefined> {
  return (await projection.replace([{ key, found, change }], soon()))[0];
}

const readData = async (store: StoreUnderTest) => (await store.read("a", "default", true)) as LiveEntry;

export const REPLACE: CaseGroup = {
  name: "replace",
  cases: {
    "writes an entry where none was found, unless one exists meanwhile": async (store) => {
      assert.equal(await replace(store, null, store.put("a", 3)), "applied");
      assertMatches(await store.read("a"), { state: "live", version: 3 });
      assert.equal(await replace(store, null, store.put("a", 4)), "moved");
      assert.equal(await replace(store, null, null), "moved");
      assertMatches(await store.read("a"), { version: 3, checksum: store.put("a", 3).checksum });
    },

    "can go back to a lower version, which no publish can": async (store) => {
      await store.publish(store.put("a", 9));
      assert.equal(await replace(store, await readData(store), store.put("a", 2)), "applied");
      const entry = await readData(store);
      assertMatches(entry, { state: "live", version: 2, checksum: store.put("a", 2).checksum });
      assert.equal(store.projection.flaw(entry, store.put("a", 2)), null);
      assert.deepEqual(await store.publish(store.put("a", 3)), ["applied"]);
    },

    "of the same version replaces wrong data with the right data": async (store) => {
      await store.publish(store.put("a", 2, { content: "other" }));
      assert.equal(await replace(store, await store.read("a"), store.put("a", 2)), "applied");
      assert.equal(store.projection.flaw(await readData(store), store.put("a", 2)), null);
    },

    "with null removes the entry, so that an old version can be published again": async (store) => {
      await store.publish(store.put("a", 9));
      assert.equal(await replace(store, await store.read("a"), null), "applied");
      assert.equal(await store.read("a"), null);
      assert.equal(await store.count(), 0);
      assert.deepEqual(await store.publish(store.put("a", 1)), ["applied"]);
    },

    "converts live entries to tombstones and back": async (store) => {
      await store.publish(store.put("a", 5));
      assert.equal(await replace(store, await store.read("a"), tombstone("a", 5)), "applied");
      assertMatches(await store.read("a"), { state: "tombstone", version: 5 });
      assert.equal(await replace(store, await store.read("a"), store.put("a", 5)), "applied");
      assertMatches(await store.read("a"), { state: "live", version: 5 });
      assert.equal(await replace(store, await store.read("a"), tombstone("a", 3)), "applied");
      assert.equal(await replace(store, await store.read("a"), null), "applied");
      assert.equal(await store.read("a"), null);
    },

    "changes nothing when the store has changed since the read": async (store) => {
      await store.publish(store.put("a", 1));
      const found = (await store.read("a")) as LiveEntry;
      await store.publish(store.put("a", 2));
      const checks: [StoredEntry | null, string][] = [
        [found, "an older version"],
        [{ ...found, version: 2 }, "the version with another checksum"],
        [{ ...found, version: 2, checksum: "0".repeat(64) }, "a made-up checksum"],
        [{ ...key, state: "tombstone", version: 2 }, "a tombstone of the version"],
        [null, "nothing"],
      ];
      for (const [wrong, description] of checks) {
        assert.equal(await replace(store, wrong, store.put("a", 7)), "moved", `found: ${description}`);
      }
      assertMatches(await store.read("a"), { version: 2, checksum: store.put("a", 2).checksum });
    },

    "answers one by one, in order, and keeps count and digest right": async (store) => {
      const { projection } = store;
      const keys = ["a", "b", "c", "d"].map((memoryId) => ({ namespace: "default", memoryId }));
      await store.publish(store.put("a", 1), store.put("b", 1), tombstone("c", 1));
      const found = await projection.read(keys, { data: true }, soon());
      await store.publish(store.put("b", 2));
      const changes = ["a", "b", "c", "d"].map((memoryId) => store.put(memoryId, 4));
      const answers = await projection.replace(
        keys.map((each, number) => ({ key: each, found: found[number] ?? null, change: changes[number]! })),
        soon(),
      );
      assert.deepEqual(answers, ["applied", "moved", "applied", "applied"]);
      const entries = await projection.read(keys, { data: false }, soon());
      assertMatches(
        entries,
        [4, 2, 4, 4].map((version) => ({ state: "live", version })),
      );
      assert.equal(await store.count(), 4);
      assert.equal((await projection.digest(soon())).total, 4);
    },

    "of 1,200 entries at once": async (store) => {
      const { projection } = store;
      const changes = Array.from({ length: 1_200 }, (_, number) => store.put(`n${number}`, 2));
      await projection.publish(changes, soon());
      const found = await projection.read(changes.map(keyOf), { data: false }, soon());
      const replacements = changes.map((change, number) => ({
        key: keyOf(change),
        found: found[number] ?? null,
        change: number % 2 === 0 ? store.put(change.memoryId, 1) : null,
      }));
      assertAll(await projection.replace(replacements, soon()), "applied", 1_200);
      assert.equal(await store.count(), 600);
      assertAll(await projection.replace(replacements, soon()), "moved", 1_200);
    },
  },
};
