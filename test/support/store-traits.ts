import type { StoreIdentity } from "../../src/domain/store-id.ts";
import { storeVersionTemplates } from "../../src/ledger/store-versions.ts";
import type { ProjectionTraits } from "../../src/stores/traits.ts";

/** What the stores of most tests are: one that all nodes share and that keeps all, and an index of vectors on each node. */
export const REDIS_TRAITS: ProjectionTraits = {
  scope: "shared",
  holds: new Set(["documents", "vectors"]),
  cache: true,
};
export const FAISS_TRAITS: ProjectionTraits = { scope: "node", holds: new Set(["vectors"]), vectorShape: {} };

export const REDIS: StoreIdentity = { id: "redis", scope: "shared" };
export const FAISS: StoreIdentity = { id: "faiss", scope: "node" };

export const STORES = [
  { id: "redis", traits: REDIS_TRAITS },
  { id: "faiss", traits: FAISS_TRAITS },
];

export const STORE_VERSIONS = storeVersionTemplates(["redis", "faiss"], ["redis"]);
