import * as z from "zod";
import { deployedStoreDocument, deployedStoresSchema, forgottenStoreSchema } from "../../documents/store-documents.ts";
import { STORE_ID_PATTERN } from "../../domain/store-id.ts";
import { OPERATOR, type RouteGroup, route } from "../route.ts";

const listStores = route({
  method: "GET",
  path: "/v1/stores",
  operationId: "listStores",
  summary: "Shared stores of the deployment, on whatever node they run",
  access: OPERATOR,
  responses: { 200: { description: "By id", schema: deployedStoresSchema } },
  async handle({ signal }, { sync }) {
    return { status: 200, body: { stores: (await sync.stores.list({ signal })).map(deployedStoreDocument) } };
  },
});

const forgetStore = route({
  method: "DELETE",
  path: "/v1/stores/{storeId}",
  operationId: "forgetStore",
  summary: "Forget a shared store that no node runs any more, with its backlog. The data that it holds stay",
  access: OPERATOR,
  params: () => z.object({ storeId: z.string().regex(STORE_ID_PATTERN, "expected the id of a store") }),
  responses: {
    200: { description: "The store as it was", schema: forgottenStoreSchema },
    404: { description: "The deployment has no such store" },
    422: { description: "A node still runs it: take it out of the settings of that node first" },
  },
  async handle({ params, signal }, { sync }) {
    const forgotten = await sync.stores.forget(params.storeId, { signal });
    return { status: 200, body: { forgotten: deployedStoreDocument(forgotten) } };
  },
});

export const storeGroup: RouteGroup = {
  tag: "stores",
  description: "The shared stores of the deployment",
  routes: [listStores, forgetStore],
};
