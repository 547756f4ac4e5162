import { z } from "zod";
import type { MemoryInput, SyncOutcome } from "../../index.ts";
import { NotFoundError } from "../../index.ts";
import { type ImportReport, importLines } from "../../transfer/import-lines.ts";
import { type JsonLine, readJsonLines } from "../../transfer/json-lines.ts";
import { entityTag, memoryDocument, outcomeDocument } from "../documents.ts";
import { assertPrecondition, expectedVersion, PRECONDITION_HEADERS } from "../preconditions.ts";
import { type Route, type RouteReply, route } from "../route.ts";
import {
  batchBody,
  flag,
  importReportSchema,
  memoryBody,
  memoryParams,
  memorySchema,
  namespaceParam,
  outcomeSchema,
  outcomesSchema,
} from "../schemas.ts";

const PATH = "/v1/namespaces/{namespace}/memories/{memoryId}";

const getMemory = route({
  method: "GET",
  path: PATH,
  operationId: "getMemory",
  summary: "The current version of a memory",
  tag: "memories",
  access: { scope: "read" },
  params: memoryParams,
  query: z.object({ embedding: flag.describe("Whether to include the vector") }),
  headers: { "If-None-Match": 'A version that the caller has, e.g. "3": 304 when it is the current one' },
  responses: {
    200: { description: "The memory", schema: memorySchema, headers: { ETag: "Its version" } },
    304: { description: "It is at the version that If-None-Match names" },
    404: { description: "There is none, or it is deleted or expired" },
  },
  async handle({ params, query, headers, signal }, { sync }) {
    const { namespace, memoryId } = params;
    const memory = await sync.get(memoryId, { namespace, signal });
    if (memory === null) throw new NotFoundError(`there is no memory ${JSON.stringify(memoryId)} in ${namespace}`);
    const etag = entityTag(memory.version);
    if (headers["if-none-match"]?.split(",").some((tag) => tag.trim() === etag)) {
      return { status: 304, headers: { etag } };
    }
    return { status: 200, headers: { etag }, body: memoryDocument(memory, query.embedding) };
  },
});

const putMemory = route({
  method: "PUT",
  path: PATH,
  operationId: "putMemory",
  summary: "Write a memory: its next version, or its first",
  tag: "memories",
  access: { scope: "write" },
  params: memoryParams,
  body: memoryBody,
  headers: PRECONDITION_HEADERS,
  responses: {
    200: { description: "Written, or unchanged", schema: outcomeSchema, headers: { ETag: "Its version" } },
    201: { description: "Written as a new memory", schema: outcomeSchema, headers: { ETag: "Its version" } },
    412: { description: "The memory is at another version" },
  },
  async handle({ params, body, headers }, { sync }) {
    const { namespace, memoryId } = params;
    const expected = await expectedVersion(headers, sync, params);
    const { metadata, ...fields } = body;
    const memory = { ...fields, namespace, ...(metadata !== undefined && { metadata: metadata as object }) };
    const outcome = await sync.syncMemory(memoryId, memory as Omit<MemoryInput, "memoryId">, {
      ...(expected !== undefined && { expectedVersion: expected }),
      ...idempotency(headers["idempotency-key"]),
    });
    return written(outcome, expected);
  },
});

const deleteMemory = route({
  method: "DELETE",
  path: PATH,
  operationId: "deleteMemory",
  summary: "Delete a memory; unchanged when there is none",
  tag: "memories",
  access: { scope: "write" },
  params: memoryParams,
  headers: PRECONDITION_HEADERS,
  responses: {
    200: { description: "Deleted, or there was none", schema: outcomeSchema },
    412: { description: "The memory is at another version" },
  },
  async handle({ params, headers }, { sync }) {
    const { namespace, memoryId } = params;
    const expected = await expectedVersion(headers, sync, params);
    const outcome = await sync.delete(memoryId, {
      namespace,
      ...(expected !== undefined && { expectedVersion: expected }),
      ...idempotency(headers["idempotency-key"]),
    });
    assertPrecondition(outcome, expected);
    return { status: 200, body: outcomeDocument(outcome) };
  },
});

const writeBatch = route({
  method: "POST",
  path: "/v1/namespaces/{namespace}/batch",
  operationId: "writeBatch",
  summary: "Write many memories; one that is at fault does not sink the others, unless atomic",
  tag: "memories",
  access: { scope: "write" },
  params: namespaceParam,
  body: batchBody,
  responses: { 200: { description: "One outcome per memory, in order", schema: outcomesSchema } },
  async handle({ params, body }, { sync }) {
    const { memories, atomic, idempotencyKey } = body;
    const inputs = memories.map((memory) => ({ ...memory, namespace: params.namespace }) as MemoryInput);
    const outcomes = await sync.syncBatch(inputs, {
      atomic,
      ...(idempotencyKey !== undefined && { idempotencyKey }),
    });
    return { status: 200, body: { outcomes: outcomes.map(outcomeDocument) } };
  },
});

const importMemories = route({
  method: "POST",
  path: "/v1/namespaces/{namespace}/import",
  operationId: "importMemories",
  summary:
    "Write a stream of memories, one JSON object a line; a line that is at fault is reported, and the rest goes on",
  tag: "memories",
  access: { scope: "write" },
  params: namespaceParam,
  bodyIsLines: true,
  responses: { 200: { description: "What became of the lines", schema: importReportSchema } },
  async handle({ params, body, signal }, { sync }) {
    const lines = ofNamespace(readJsonLines(body), params.namespace);
    const report: ImportReport = await importLines(sync, lines, {
      namespace: params.namespace,
      signal,
      onProgress: () => undefined,
    });
    return { status: 200, body: report };
  },
});

/** Lines that name another namespace than the path are refused: the caller's key was checked for that one only. */
async function* ofNamespace(lines: AsyncIterable<JsonLine>, namespace: string): AsyncGenerator<JsonLine> {
  for await (const line of lines) {
    const value = "value" in line.content ? (line.content.value as { namespace?: unknown } | null) : null;
    const named = typeof value === "object" && value !== null ? value.namespace : undefined;
    if (named === undefined || named === namespace) yield line;
    else yield { ...line, content: { flaw: `names another namespace than ${namespace}, the one of the request` } };
  }
}

function idempotency(key: string | string[] | undefined): { idempotencyKey?: string } {
  return typeof key === "string" ? { idempotencyKey: key } : {};
}

function written(outcome: SyncOutcome, expected: number | undefined): RouteReply {
  assertPrecondition(outcome, expected);
  const isNew = outcome.version === 1 && outcome.status !== "unchanged";
  return {
    status: isNew ? 201 : 200,
    headers: { etag: entityTag(outcome.version) },
    body: outcomeDocument(outcome),
  };
}

export const memoryRoutes: readonly Route[] = [getMemory, putMemory, deleteMemory, writeBatch, importMemories];
