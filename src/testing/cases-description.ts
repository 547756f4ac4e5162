import assert from "node:assert/strict";
import type { StoreOwner } from "../stores/projection.ts";
import { StoreRegistry } from "../stores/registry.ts";
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

    "reports which entries it may evict": async ({ projection }) => {
      if (projection.eviction === undefined) return;
      const eviction = await projection.eviction(soon());
      assert.ok(["none", "expiring", "all"].includes(eviction), `eviction is ${eviction}`);
    },
  },
};
