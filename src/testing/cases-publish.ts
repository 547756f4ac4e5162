import assert from "node:assert/strict";
import { assertAll, assertMatches } from "./assertions.ts";
import { keyOf, tombstone } from "./changes.ts";
import { type CaseGroup, soon } from "./store-under-test.ts";

export const PUBLISH: CaseGroup = {
  name: "publish",
  cases: {
    "makes a version visible, and answers stale to a repeated publish": async (store) => {
      const change = store.put("a", 1);
      assert.equal(await store.read("a"), null);
      assert.deepEqual(await store.publish(change), ["applied"]);
      const visible = { state: "live", namespace: "default", memoryId: "a", version: 1, checksum: change.checksum };
      assertMatches(await store.read("a"), visible);
      assert.deepEqual(await store.publish(change), ["stale"]);
      assertMatches(await store.read("a"), visible);
      assert.equal(await store.count(), 1);
    },

    "never goes back: an older version after a newer one is stale and changes nothing": async (store) => {
      const newer = store.put("a", 5);
      assert.deepEqual(await store.publish(newer), ["applied"]);
      assert.deepEqual(await store.publish(store.put("a", 4), store.put("a", 1)), ["stale", "stale"]);
      assertMatches(await store.read("a"), { version: 5, checksum: newer.checksum });
      assert.deepEqual(await store.publish(store.put("a", 6)), ["applied"]);
      assertMatches(await store.read("a"), { version: 6 });
    },

    "of a tombstone hides the memory and keeps the version": async (store) => {
      await store.publish(store.put("a", 1));
      assert.deepEqual(await store.publish(tombstone("a", 2)), ["applied"]);
      const expected = { state: "tombstone", namespace: "default", memoryId: "a", version: 2 };
      assert.deepEqual(await store.read("a"), expected);
      assert.equal(await store.count(), 0);
      assert.deepEqual(await store.publish(tombstone("a", 2)), ["stale"]);
    },

    "comes late after a tombstone and does not resurrect the memory": async (store) => {
      await store.publish(store.put("a", 1), tombstone("b", 7));
      await store.publish(tombstone("a", 3));
      const late = [store.put("a", 1), store.put("a", 2), store.put("a", 3), store.put("b", 6)];
      assertAll(await store.publish(...late), "stale", 4);
      assertMatches(await store.read("a"), { state: "tombstone", version: 3 });
      assertMatches(await store.read("b"), { state: "tombstone", version: 7 });
      assert.equal(await store.count(), 0);
    },

    "of a newer version after a tombstone shows the memory again": async (store) => {
      await store.publish(tombstone("a", 3));
      assert.deepEqual(await store.publish(store.put("a", 4)), ["applied"]);
      assertMatches(await store.read("a"), { state: "live", version: 4 });
    },

    "of a late tombstone does not hide a newer version": async (store) => {
      await store.publish(store.put("a", 4));
      assert.deepEqual(await store.publish(tombstone("a", 3), tombstone("a", 4)), ["stale", "stale"]);
      assertMatches(await store.read("a"), { state: "live", version: 4 });
    },

    "answers one by one, in order, in a mixed call": async (store) => {
      await store.publish(store.put("old", 3), store.put("same", 1), store.put("gone", 1));
      const answers = await store.publish(
        store.put("new", 1),
        store.put("old", 2),
        store.put("same", 1),
        tombstone("gone", 2),
        tombstone("never", 1),
        store.put("old", 4),
      );
      assert.deepEqual(answers, ["applied", "stale", "stale", "applied", "applied", "applied"]);
      assertMatches(await store.read("old"), { version: 4 });
      assert.equal(await store.count(), 3);
    },

    "accepts the same memory more than once in one call, in any order": async (store) => {
      const changes = [1, 3, 2, 3].map((version) => store.put("a", version));
      assert.deepEqual(await store.publish(...changes), ["applied", "applied", "stale", "stale"]);
      assertMatches(await store.read("a"), { version: 3, checksum: store.put("a", 3).checksum });
      assert.equal(await store.count(), 1);
    },

    "accepts 2,500 changes in one call": async (store) => {
      const { projection } = store;
      const changes = Array.from({ length: 2_500 }, (_, number) =>
        number % 10 === 9
          ? tombstone(`n${number}`, 1)
          : store.put(`n${number}`, 1, { namespace: `space${number % 3}` }),
      );
      assertAll(await projection.publish(changes, soon()), "applied", 2_500);
      assert.equal(await store.count(), 2_250);
      const entries = await projection.read(changes.map(keyOf), { data: false }, soon());
      entries.forEach((entry, number) => {
        const { memoryId } = changes[number]!;
        assertMatches(entry, { memoryId, version: 1, state: number % 10 === 9 ? "tombstone" : "live" });
      });
      assertAll(await projection.publish(changes, soon()), "stale", 2_500);
    },

    "answers stale only where a read shows the version that it holds, with its checksum or as a deletion": async (
      store,
    ) => {
      const [live, other] = [store.put("live", 5), store.put("same", 2, { content: "another content" })];
      await store.publish(live, other, tombstone("gone", 5));
      const changes = [store.put("live", 4), tombstone("live", 5), store.put("same", 2), store.put("gone", 5)];
      assertAll(await store.publish(...changes), "stale", changes.length);
      assertMatches(await store.read("live"), { state: "live", version: 5, checksum: live.checksum });
      assertMatches(await store.read("same"), { state: "live", version: 2, checksum: other.checksum });
      assertMatches(await store.read("gone"), { state: "tombstone", version: 5 });
    },

    "of an empty list does nothing": async (store) => {
      assert.deepEqual(await store.publish(), []);
      assert.deepEqual(await store.projection.read([], { data: true }, soon()), []);
    },

    "keeps the same id in two namespaces apart": async (store) => {
      await store.publish(
        store.put("a", 3, { namespace: "one" }),
        store.put("a", 8, { namespace: "two" }),
        tombstone("a", 2, "three"),
      );
      assertMatches(await store.read("a", "one"), { namespace: "one", version: 3, state: "live" });
      assertMatches(await store.read("a", "two"), { namespace: "two", version: 8, state: "live" });
      assertMatches(await store.read("a", "three"), { namespace: "three", version: 2, state: "tombstone" });
      assert.equal(await store.read("a"), null);
      await store.publish(tombstone("a", 9, "two"));
      assertMatches(await store.read("a", "one"), { state: "live" });
    },

    "by many concurrent callers leaves the newest version of each memory, whatever the order": async (store) => {
      const calls = Array.from({ length: 60 }, (_, number) => {
        const version = ((number * 37) % 60) + 1;
        return store.publish(store.put("a", version), store.put("b", 61 - version));
      });
      await Promise.all(calls);
      assertMatches(await store.read("a"), { version: 60, checksum: store.put("a", 60).checksum });
      assertMatches(await store.read("b"), { version: 60, checksum: store.put("b", 60).checksum });
      assert.equal(await store.count(), 2);
    },
  },
};
