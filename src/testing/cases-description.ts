import assert from "node:assert/strict";
import { StoreRegistry } from "../stores/registry.ts";
import { type CaseGroup, soon } from "./store-under-test.ts";

export const DESCRIPTION: CaseGroup = {
  name: "its description",
  cases: {
    "has an id and traits that can be registered": async ({ projection }) => {
      assert.equal(new StoreRegistry([projection]).get(projection.id), projection);
    },

    "names its contents by the same generation for as long as they stay": async (store) => {
      const { projection } = store;
      if (projection.generation === undefined) return;
      const before = await projection.generation(soon());
      assert.match(before, /\S/);
      await store.publish(store.put("a", 1));
      assert.equal(await projection.generation(soon()), before);
    },

    "says which entries it may drop by itself": async ({ projection }) => {
      if (projection.eviction === undefined) return;
      const eviction = await projection.eviction(soon());
      assert.ok(["none", "expiring", "all"].includes(eviction), `eviction is ${eviction}`);
    },
  },
};
