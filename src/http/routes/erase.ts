import * as z from "zod";
import {
  erasePreviewDocument,
  erasePreviewSchema,
  erasureDocument,
  erasureSchema,
  erasuresSchema,
  suppressedDocument,
  suppressedSchema,
} from "../../documents/erase-documents.ts";
import { outcomeSchema } from "../../documents/memory-documents.ts";
import { publicOutcome } from "../../documents/public-messages.ts";
import { lazily } from "../../domain/lazily.ts";
import { ACTOR_LENGTH_MAX, ERASURES_PAGE_MAX, REASON_LENGTH_MAX } from "../../erase/options.ts";
import { SUPPRESSED_PAGE_MAX } from "../../erase/suppressed.ts";
import { type Filter, NotFoundError, ValidationError } from "../../index.ts";
import { count, memoryParams, namespaceParam, storable, ulidText } from "../requests.ts";
import { type RouteGroup, type RouteReply, route } from "../route.ts";
import { keyOwner } from "../subscription-owners.ts";

// Nothing brings back what was erased, so the right to write is not enough.
const ACCESS = { scope: "admin" } as const;

const notes = lazily(() => ({
  actor: storable(ACTOR_LENGTH_MAX).optional().describe("Who asked for it; by default the owner of the key"),
  reason: storable(REASON_LENGTH_MAX).optional().describe("Kept in the receipt: name nothing in it that must go"),
  dryRun: z.boolean().default(false).describe("Only say what would go: 200"),
}));

const ACCEPTED = {
  200: { description: "What would be erased (dryRun)", schema: erasePreviewSchema },
  202: { description: "Accepted, and durable", schema: erasureSchema, headers: { Location: "The receipt" } },
  503: { description: "A store does not answer. An erasure that was accepted goes on by itself" },
};

const eraseMemories = route({
  method: "POST",
  path: "/v1/namespaces/{namespace}/erase",
  operationId: "eraseMemories",
  summary:
    "Erase the memories of a namespace that pass a filter, or all of them: content and vectors leave every store",
  access: ACCESS,
  params: namespaceParam,
  body: () =>
    z
      .strictObject({
        where: z.looseObject({}).optional().describe("A filter, as of the list. Not empty"),
        everything: z.literal(true).optional().describe("All memories of the namespace, in place of a filter"),
        ...notes(),
      })
      .meta({ id: "EraseRequest" }),
  responses: ACCEPTED,
  async handle({ params, body, identity, signal }, { sync }) {
    const { namespace } = params;
    const { where, everything, dryRun, actor = identity.owner, reason } = body;
    if ((where === undefined) === (everything === undefined)) {
      throw new ValidationError("", 'give either a filter ("where") or "everything": true');
    }
    const target = { where: where as Filter };
    if (dryRun) {
      const preview =
        where === undefined
          ? await sync.erasures.previewNamespace(namespace, { signal })
          : await sync.erasures.preview(target, { namespace, signal });
      return { status: 200, body: erasePreviewDocument(preview) };
    }
    const options = { actor, reason, owner: keyOwner(identity.owner), wait: false };
    return accepted(
      where === undefined
        ? await sync.eraseNamespace(namespace, options)
        : await sync.erase(target, { namespace, ...options }),
    );
  },
});

const eraseMemory = route({
  method: "POST",
  path: "/v1/namespaces/{namespace}/memories/{memoryId}/erase",
  operationId: "eraseMemory",
  summary: "Erase a memory: content and vector leave every store, and its id is suppressed",
  access: ACCESS,
  params: memoryParams,
  body: () => z.strictObject(notes()).meta({ id: "EraseMemoryRequest" }),
  responses: ACCEPTED,
  async handle({ params, body, identity, signal }, { sync }) {
    const { namespace, memoryId } = params;
    const { dryRun, actor = identity.owner, reason } = body;
    if (dryRun) {
      const preview = await sync.erasures.preview(memoryId, { namespace, signal });
      return { status: 200, body: erasePreviewDocument(preview) };
    }
    const owner = keyOwner(identity.owner);
    return accepted(await sync.erase(memoryId, { namespace, actor, reason, owner, wait: false }));
  },
});

const reviveMemory = route({
  method: "POST",
  path: "/v1/namespaces/{namespace}/memories/{memoryId}/revive",
  operationId: "reviveMemory",
  summary: "Make the id of an erased memory usable again. Its content does not come back",
  access: ACCESS,
  params: memoryParams,
  responses: {
    200: { description: "It may be written again", schema: outcomeSchema },
    404: { description: "It is not erased" },
  },
  async handle({ params, signal }, { sync }) {
    const { namespace, memoryId } = params;
    return { status: 200, body: publicOutcome(await sync.revive(memoryId, { namespace, signal })) };
  },
});

const listErasures = route({
  method: "GET",
  path: "/v1/namespaces/{namespace}/erasures",
  operationId: "listErasures",
  summary: "Receipts of the erasures of a namespace, newest first",
  access: ACCESS,
  params: namespaceParam,
  query: () =>
    z.object({
      limit: count(1, ERASURES_PAGE_MAX, 100),
      before: ulidText().optional().describe("Only those that were requested before this one"),
    }),
  responses: { 200: { description: "Receipts", schema: erasuresSchema } },
  async handle({ params, query, signal }, { sync }) {
    const erasures = await sync.erasures.list({ ...query, namespaces: [params.namespace], signal });
    return { status: 200, body: { erasures: erasures.map(erasureDocument) } };
  },
});

const getErasure = route({
  method: "GET",
  path: "/v1/namespaces/{namespace}/erasures/{erasureId}",
  operationId: "getErasure",
  summary: "The receipt of an erasure, with the stores that have confirmed and those that have not",
  access: ACCESS,
  params: () => namespaceParam().extend({ erasureId: ulidText() }),
  responses: {
    200: { description: "The receipt", schema: erasureSchema },
    404: { description: "The namespace has no such erasure" },
  },
  async handle({ params, signal }, { sync }) {
    const { namespace, erasureId } = params;
    const erasure = await sync.erasures.get(erasureId, { signal });
    if (erasure.namespace !== namespace) throw new NotFoundError(`there is no erasure "${erasureId}" in ${namespace}`);
    return { status: 200, body: erasureDocument(erasure) };
  },
});

const listSuppressed = route({
  method: "GET",
  path: "/v1/namespaces/{namespace}/suppressed",
  operationId: "listSuppressed",
  summary: "The ids of erased memories, which no write brings back: kept beside a backup, they say what to erase again",
  access: ACCESS,
  params: namespaceParam,
  query: () =>
    z.object({
      limit: count(1, SUPPRESSED_PAGE_MAX, SUPPRESSED_PAGE_MAX),
      cursor: z.string().max(4_096).optional().describe("The cursor of the page before"),
    }),
  responses: { 200: { description: "A page, and the cursor of the next one", schema: suppressedSchema } },
  async handle({ params, query, signal }, { sync }) {
    const page = await sync.erasures.suppressed({ ...query, namespace: params.namespace, signal });
    return { status: 200, body: suppressedDocument(page) };
  },
});

function accepted(erasure: Parameters<typeof erasureDocument>[0]): RouteReply {
  const location = `/v1/namespaces/${encodeURIComponent(erasure.namespace)}/erasures/${erasure.id}`;
  return { status: 202, headers: { location }, body: erasureDocument(erasure) };
}

export const eraseGroup: RouteGroup = {
  tag: "erasures",
  description: "Erase memories for good, with receipts, and revive their ids",
  routes: [eraseMemories, eraseMemory, reviveMemory, listErasures, getErasure, listSuppressed],
};
