import * as z from "zod";
import { memoryDocument, memorySchema, outcomeSchema, outcomesSchema } from "../../documents/memory-documents.ts";
import { importSchema } from "../../documents/operation-documents.ts";
import { publicOutcome, publicOutcomes, publicReport } from "../../documents/public-messages.ts";
import { lazily } from "../../domain/lazily.ts";
import type { MemoryInput } from "../../index.ts";
import { importLines } from "../../transfer/import-lines.ts";
import { type JsonLine, readJsonLines } from "../../transfer/json-lines.ts";
import { BATCH_LIMITS, MEMORY_LIMITS } from "../limits.ts";
import { entityTag, PRECONDITION_HEADERS, underPreconditions } from "../preconditions.ts";
import { flag, list, memoryFields, memoryParams, namespaceParam } from "../requests.ts";
import { type RouteGroup, route } from "../route.ts";
import { ToldSources } from "../told-sources.ts";

const PATH = "/v1/namespaces/{namespace}/memories/{memoryId}";

const memoryBody = lazily(() => z.strictObject(memoryFields()).meta({ id: "MemoryFields" }));

/** Memories of one batch, at most. */
const BATCH_MAX = 5_000;

const batchEntry = lazily(() => z.strictObject({ memoryId: z.string().min(1).max(512), ...memoryFields() }));

function batchOf<Entry extends z.ZodType>(entry: Entry) {
  return z.strictObject({
    memories: list(entry, BATCH_MAX),
    atomic: z.boolean().default(false).describe("All memories or none"),
    idempotencyKey: z
      .string()
      .min(1)
      .max(128)
      .optional()
      .describe("Names this batch; a repeat answers the first outcomes and writes nothing, another batch under it 422"),
  });
}

const batchBody = lazily(() => batchOf(batchEntry()).meta({ id: "Batch" }));

const getMemory = route({
  method: "GET",
  path: PATH,
  operationId: "getMemory",
  summary: "The current version of a memory",
  access: { scope: "read" },
  params: memoryParams,
  query: () =>
    z.object({
      embedding: flag().describe("Whether to include the vector"),
      createdAt: flag().describe("Whether to include the time of its creation, which only the ledger knows"),
    }),
  requestHeaders: { "If-None-Match": 'A version that the caller has, e.g. "3": 304 when it is the current one' },
  responses: {
    200: { description: "The memory", schema: memorySchema, headers: { ETag: "Its version" } },
    304: { description: "It is at the version that If-None-Match names" },
    404: { description: "There is none, or it is deleted or expired" },
  },
  async handle({ params, query, headers, signal, onBytes }, { sync }) {
    const { namespace, memoryId } = params;
    const told = new ToldSources();
    const options = { namespace, createdAt: query.createdAt, signal, onBytes, onSources: told.tell };
    const memory = await sync.get(memoryId, options);
    if (memory === null) throw told.notFound(`there is no memory ${JSON.stringify(memoryId)} in ${namespace}`);
    const etag = entityTag(memory.version);
    if (headers["if-none-match"]?.split(",").some((tag) => tag.trim() === etag)) {
      return { status: 304, headers: { etag } };
    }
    return { status: 200, headers: { etag }, body: memoryDocument(memory, query.embedding, told.sources) };
  },
});

const putMemory = route({
  method: "PUT",
  path: PATH,
  operationId: "putMemory",
  summary: "Write a memory: its next version, or its first",
  access: { scope: "write" },
  params: memoryParams,
  body: memoryBody,
  bodyLimits: MEMORY_LIMITS,
  requestHeaders: PRECONDITION_HEADERS,
  responses: {
    200: { description: "Written, or unchanged", schema: outcomeSchema, headers: { ETag: "Its version" } },
    201: { description: "Written as a new memory", schema: outcomeSchema, headers: { ETag: "Its version" } },
    410: { description: "The memory was erased, and its id is suppressed: revive it first" },
    412: { description: "The memory is at another version" },
    502: { description: "The embedder failed: nothing was written" },
  },
  async handle({ params, body, headers, identity }, { sync }) {
    const { namespace, memoryId } = params;
    const { metadata, ...fields } = body;
    const memory = { ...fields, namespace, ...(metadata !== undefined && { metadata: metadata as object }) };
    const outcome = await underPreconditions(headers, sync, params, identity, (options) =>
      sync.syncMemory(memoryId, memory as Omit<MemoryInput, "memoryId">, options),
    );
    const isNew = outcome.version === 1 && outcome.status !== "unchanged";
    return {
      status: isNew ? 201 : 200,
      headers: { etag: entityTag(outcome.version) },
      body: publicOutcome(outcome),
    };
  },
});

const deleteMemory = route({
  method: "DELETE",
  path: PATH,
  operationId: "deleteMemory",
  summary: "Delete a memory; unchanged when there is none",
  access: { scope: "write" },
  params: memoryParams,
  requestHeaders: PRECONDITION_HEADERS,
  responses: {
    200: { description: "Deleted, or there was none", schema: outcomeSchema },
    412: { description: "The memory is at another version" },
  },
  async handle({ params, headers, identity }, { sync }) {
    const { namespace, memoryId } = params;
    const outcome = await underPreconditions(headers, sync, params, identity, (options) =>
      sync.delete(memoryId, { namespace, ...options }),
    );
    return { status: 200, body: publicOutcome(outcome) };
  },
});

const writeBatch = route({
  method: "POST",
  path: "/v1/namespaces/{namespace}/batch",
  operationId: "writeBatch",
  summary: "Write many memories. A faulty memory does not stop the others, unless the batch is atomic",
  access: { scope: "write" },
  params: namespaceParam,
  body: batchBody,
  bodyList: {
    field: "memories",
    lengthMax: BATCH_MAX,
    entry: batchEntry,
    rest: lazily(() => batchOf(z.unknown())),
  },
  bodyLimits: BATCH_LIMITS,
  responses: { 200: { description: "One outcome per memory, in order", schema: outcomesSchema } },
  async handle({ params, body, identity }, { sync }) {
    const { memories, atomic, idempotencyKey } = body;
    const inputs = memories.map((memory) => ({ ...memory, namespace: params.namespace }) as MemoryInput);
    const outcomes = await sync.syncBatch(inputs, {
      atomic,
      ...(idempotencyKey !== undefined && { idempotencyKey, caller: identity.owner }),
    });
    return { status: 200, body: publicOutcomes(outcomes) };
  },
});

const importMemories = route({
  method: "POST",
  path: "/v1/namespaces/{namespace}/import",
  operationId: "importMemories",
  summary: "Write a stream of memories, one JSON object per line. A faulty line is reported, and the import continues",
  access: { scope: "write" },
  params: namespaceParam,
  bodyIsLines: true,
  responses: { 200: { description: "Counts of the lines by outcome, and the first errors", schema: importSchema } },
  async handle({ params, body, signal }, { sync }) {
    const lines = ofNamespace(readJsonLines(body), params.namespace);
    const report = await importLines(sync, lines, {
      namespace: params.namespace,
      signal,
      onProgress: () => undefined,
    });
    return { status: 200, body: publicReport(report) };
  },
});

/** Refuses lines that name another namespace than the path: the caller's key was checked for that one only. */
async function* ofNamespace(lines: AsyncIterable<JsonLine>, namespace: string): AsyncGenerator<JsonLine> {
  for await (const line of lines) {
    const value = "value" in line.content ? (line.content.value as { namespace?: unknown } | null) : null;
    const named = typeof value === "object" && value !== null ? value.namespace : undefined;
    if (named === undefined || named === namespace) yield line;
    else yield { ...line, content: { flaw: `names another namespace than ${namespace}, the one of the request` } };
  }
}

export const memoryGroup: RouteGroup = {
  tag: "memories",
  description: "Read, write, delete, import and export memories",
  routes: [getMemory, putMemory, deleteMemory, writeBatch, importMemories],
};
