import * as z from "zod";
import {
  countDocument,
  countSchema,
  manyDocument,
  manySchema,
  namespacesSchema,
  pageDocument,
  pageSchema,
} from "../../documents/find-documents.ts";
import { lazily } from "../../domain/lazily.ts";
import type { ListOrder } from "../../index.ts";
import { GET_MANY_MAX, LIST_ORDERS, PAGE_MAX } from "../../read/list-options.ts";
import { BATCH_LIMITS } from "../limits.ts";
import { count, flag, list, memoryIdText, namespaceParam, where } from "../requests.ts";
import { type RouteGroup, route } from "../route.ts";
import { ToldSources } from "../told-sources.ts";

/** Milliseconds that a caller may wait for a page or a count. */
const TIMEOUT_MAX_MS = 60_000;

const timeoutMs = lazily(() =>
  count(1, TIMEOUT_MAX_MS).optional().describe("Milliseconds for the answer; by default the service's own"),
);
const cursor = lazily(() =>
  z.string().max(16_384).optional().describe("The cursor of the page before, with the same parameters"),
);

const listMemories = route({
  method: "GET",
  path: "/v1/namespaces/{namespace}/memories",
  operationId: "listMemories",
  summary:
    "The memories of a namespace, page by page, by id. A page may be short, even empty: the end is a cursor that is null",
  access: { scope: "read" },
  params: namespaceParam,
  query: () =>
    z.object({
      where: where(),
      orderBy: z
        .string()
        .max(128)
        .optional()
        .describe(`One of: ${LIST_ORDERS.join(", ")}`),
      limit: count(1, PAGE_MAX, 100),
      cursor: cursor(),
      embedding: flag().describe("Whether to include the vectors"),
      timeoutMs: timeoutMs(),
    }),
  responses: { 200: { description: "A page, and the cursor of the next one", schema: pageSchema } },
  async handle({ params, query, signal, onBytes }, { sync }) {
    const { orderBy, ...options } = query;
    const order = orderBy as ListOrder | undefined; // The library refuses others by name.
    const page = await sync.list({ namespace: params.namespace, ...options, orderBy: order, signal, onBytes });
    return { status: 200, body: pageDocument(page) };
  },
});

const getMemories = route({
  method: "POST",
  path: "/v1/namespaces/{namespace}/memories/get",
  operationId: "getMemories",
  summary: "The current versions of many memories, in the order of the ids; null where there is none",
  access: { scope: "read" },
  params: namespaceParam,
  body: () =>
    z
      .strictObject({
        memoryIds: list(memoryIdText(), GET_MANY_MAX),
        embedding: z.boolean().default(false).describe("Whether to include the vectors"),
        createdAt: z.boolean().default(false).describe("Whether to include the times of their creation"),
      })
      .meta({ id: "MemoryIds" }),
  bodyLimits: { ...BATCH_LIMITS, bytesMax: 1_048_576 },
  responses: { 200: { description: "One entry per id", schema: manySchema } },
  async handle({ params, body, signal, onBytes }, { sync }) {
    const { memoryIds, createdAt } = body;
    const told = new ToldSources();
    const options = { namespace: params.namespace, createdAt, signal, onBytes, onSources: told.tell };
    const memories = await sync.getMany(memoryIds, options);
    return { status: 200, body: manyDocument(memories, body.embedding, told.sources) };
  },
});

const countMemories = route({
  method: "GET",
  path: "/v1/namespaces/{namespace}/count",
  operationId: "countMemories",
  summary: "How many memories of a namespace pass a filter; 504 where there are too many to count in time",
  access: { scope: "read" },
  params: namespaceParam,
  query: () =>
    z.object({
      where: where(),
      estimate: flag().describe("The guess of PostgreSQL's planner, at once"),
      timeoutMs: timeoutMs(),
    }),
  responses: { 200: { description: "The count, or the estimate", schema: countSchema } },
  async handle({ params, query, signal }, { sync }) {
    const counted = await sync.count({ namespace: params.namespace, ...query, signal });
    return { status: 200, body: countDocument(counted) };
  },
});

const listNamespaces = route({
  method: "GET",
  path: "/v1/namespaces",
  operationId: "listNamespaces",
  summary: "The namespaces that have or had memories, of those that the key is bound to",
  access: { scope: "read" },
  query: () => z.object({ limit: count(1, PAGE_MAX, PAGE_MAX), cursor: cursor() }),
  responses: { 200: { description: "A page, and the cursor of the next one", schema: namespacesSchema } },
  async handle({ query, identity, signal }, { sync }) {
    const among = identity.namespaces === null ? undefined : [...identity.namespaces];
    return { status: 200, body: await sync.namespaces({ ...query, among, signal }) };
  },
});

export const findGroup: RouteGroup = {
  tag: "find",
  description: "List and count memories, and the namespaces that hold them",
  routes: [listNamespaces, listMemories, getMemories, countMemories],
};
