import assert from "node:assert/strict";
import { StoreEpochError } from "../domain/errors.ts";
import type { EntryIdentity, LiveEntry, StoreOwner } from "../stores/projection.ts";
import { StoreRegistry } from "../stores/registry.ts";
import { assertMatches, failureOf } from "./assertions.ts";
import { tombstone } from "./changes.ts";
import { type CaseGroup, soon } from "./store-under-test.ts";

export const DESCRIPTION: CaseGroup = {
  name: "its description",
  cases: {
    "has an id and traits that can be registered": async ({ projection }) => {
      assert.equal(new StoreRegistry([projection]).get(projection.id), projection);
    },

    "keeps the same generation while its contents stay": async (store) => {
      const { projection } = store;
      if (projection.generation === undefined) return;
      const before = await projection.generation(soon());
      assert.match(before, /\S/);
      await store.publish(store.put("a", 1));
      assert.equal(await projection.generation(soon()), before);
    },

    "keeps the last written brand, and refuses the brand of another owner": async ({ projection }) => {
      if (projection.standing === undefined || projection.brand === undefined) return;
      const [ours, theirs] = ["ours", "theirs"].map((ledger) => ({ ledger, epoch: "e" })) as [StoreOwner, StoreOwner];
      const before = await projection.standing(soon());
      const found = before.brand?.owner ?? null;
      assert.equal(await projection.brand(found, { owner: ours, mark: "1.a" }, soon()), true);
      const standing = await projection.standing(soon());
      assert.deepEqual(standing, { brand: { owner: ours, mark: "1.a" }, life: before.life });
      assert.equal(await projection.brand(found, { owner: theirs, mark: "" }, soon()), false);
      assert.equal(await projection.brand(theirs, { owner: theirs, mark: "" }, soon()), false);
      assert.deepEqual(await projection.standing(soon()), standing);
      assert.equal(await projection.brand(ours, { owner: ours, mark: "2.b" }, soon()), true);
      assert.equal((await projection.standing(soon())).brand?.mark, "2.b");
    },

    "refuses changes of another epoch than that of its brand, and changes nothing": async (store) => {
      const { projection } = store;
      if (projection.standing === undefined || projection.brand === undefined) return;
      const [before, now] = ["before", "now"].map((epoch) => ({ ledger: "ours", epoch })) as [StoreOwner, StoreOwner];
      const first = store.put("a", 1);
      // Without a brand it has no epoch to compare.
      const found = (await projection.standing(soon())).brand?.owner ?? null;
      if (found === null) assert.deepEqual(await projection.publish([first], soon(), undefined, "any"), ["applied"]);
      assert.equal(await projection.brand(found, { owner: before, mark: "1.a" }, soon()), true);
      const late = [store.put("a", 2), tombstone("b", 1)];
      assert.deepEqual(await projection.publish([first], soon(), undefined, "before"), found ? ["applied"] : ["stale"]);
      assert.equal(await projection.brand(before, { owner: now, mark: "" }, soon()), true);
      const failure = await failureOf(projection.publish(late, soon(), undefined, "before"));
      assert.ok(failure instanceof StoreEpochError, `rejected with ${String(failure)}`);
      assertMatches(await store.read("a"), { version: 1, checksum: first.checksum });
      assert.equal(await store.read("b"), null);
      assert.deepEqual(await projection.publish(late, soon(), undefined, "now"), ["applied", "applied"]);
    },

    "tells whether an entry that was read before is still the live one under its key": async (store) => {
      const { projection } = store;
      if (projection.unchanged === undefined) return;
      await store.publish(...["same", "newer", "ended", "time"].map((id) => store.put(id, 1)), store.put("other", 1));
      const identityOf = async (memoryId: string, namespace?: string): Promise<EntryIdentity> => {
        const entry = await store.read(memoryId, namespace, true);
        assert.equal(entry?.state, "live");
        const { modifiedAt, data } = entry as LiveEntry;
        assert.ok(typeof data?.digest === "string" && modifiedAt !== null, "a live entry has a digest and a time");
        return { namespace: "default", memoryId, digest: data.digest, modifiedAt };
      };
      const [same, newer, ended, time] = [
        await identityOf("same"),
        await identityOf("newer"),
        await identityOf("ended"),
        await identityOf("time"),
      ];
      const asked = [same, newer, ended, { ...time, modifiedAt: time.modifiedAt + 1 }];
      assert.deepEqual(await projection.unchanged([same, newer, ended, time], soon()), [true, true, true, true]);
      await store.publish(store.put("newer", 2), tombstone("ended", 2));
      const others = [
        { ...same, memoryId: "none" },
        { ...same, memoryId: "other" },
        { ...same, namespace: "elsewhere" },
      ];
      const answers = await projection.unchanged([...asked, ...others, same], soon());
      assert.deepEqual(answers, [true, false, false, false, false, false, false, true]);
      assert.deepEqual(await projection.unchanged([], soon()), []);
    },

    "reports which entries it may evict": async ({ projection }) => {
      if (projection.eviction === undefined) return;
      const eviction = await projection.eviction(soon());
      assert.ok(["none", "expiring", "all"].includes(eviction), `eviction is ${eviction}`);
    },
  },
};
