import * as z from "zod";
import {
  diffDocument,
  diffSchema,
  outcomeSchema,
  outcomesSchema,
  transactionSchema,
  versionsDocument,
  versionsSchema,
} from "../../documents/memory-documents.ts";
import { publicOutcome, publicOutcomes } from "../../documents/public-messages.ts";
import { lazily } from "../../domain/lazily.ts";
import { VERSION_MAX } from "../../domain/version-vector.ts";
import { NotFoundError, VersionConflictError } from "../../index.ts";
import { mayTouch } from "../keys.ts";
import { entityTag } from "../preconditions.ts";
import { HttpProblem } from "../problem.ts";
import { count, memoryParams, ulidText } from "../requests.ts";
import { type RouteGroup, route } from "../route.ts";
import { ToldSources } from "../told-sources.ts";

const MEMORY = "/v1/namespaces/{namespace}/memories/{memoryId}";
const version = lazily(() => count(1, VERSION_MAX));
const transactionParams = lazily(() => z.object({ transactionId: ulidText() }));

const listVersions = route({
  method: "GET",
  path: `${MEMORY}/history`,
  operationId: "listVersions",
  summary: "The versions of a memory that the ledger keeps, newest first",
  access: { scope: "read" },
  params: memoryParams,
  query: () => z.object({ limit: count(1, 1_000, 100) }),
  responses: {
    200: { description: "Versions; none for an unknown memory", schema: versionsSchema },
  },
  async handle({ params, query, signal, onBytes }, { sync }) {
    const { namespace, memoryId } = params;
    const told = new ToldSources();
    const options = { namespace, limit: query.limit, signal, onBytes, onSources: told.tell };
    const versions = await sync.history(memoryId, options);
    return { status: 200, body: versionsDocument(versions, told.sources) };
  },
});

const diffVersions = route({
  method: "GET",
  path: `${MEMORY}/diff`,
  operationId: "diffVersions",
  summary: "How two versions of a memory differ, field by field",
  access: { scope: "read" },
  params: memoryParams,
  query: () => z.object({ from: version(), to: version() }),
  responses: {
    200: { description: "The differences", schema: diffSchema },
    404: { description: "One of the versions is not kept" },
  },
  async handle({ params, query, signal }, { sync }) {
    const { namespace, memoryId } = params;
    const diff = await sync.diff(memoryId, query.from, query.to, { namespace, signal });
    return { status: 200, body: diffDocument(diff) };
  },
});

const rollbackMemory = route({
  method: "POST",
  path: `${MEMORY}/rollback`,
  operationId: "rollbackMemory",
  summary: "Write the content of an older version as a new one",
  access: { scope: "write" },
  params: memoryParams,
  body: () => z.strictObject({ toVersion: z.number().int().min(1).max(VERSION_MAX) }).meta({ id: "Rollback" }),
  responses: {
    200: { description: "Written", schema: outcomeSchema, headers: { ETag: "The new version" } },
    404: { description: "The version is not kept" },
    409: { description: "The memory was written in the meantime" },
    410: { description: "The memory was erased, and its id is suppressed: revive it first" },
  },
  async handle({ params, body }, { sync }) {
    const { namespace, memoryId } = params;
    const outcome = await sync.rollback(memoryId, body.toVersion, { namespace }).catch((error: unknown) => {
      if (!(error instanceof VersionConflictError)) throw error;
      throw new HttpProblem(409, "VERSION_CONFLICT", "the memory was written in the meantime: read it, and try again", {
        retryable: true,
        members: { foundVersion: error.foundVersion },
      });
    });
    return { status: 200, headers: { etag: entityTag(outcome.version) }, body: publicOutcome(outcome) };
  },
});

const getTransaction = route({
  method: "GET",
  path: "/v1/transactions/{transactionId}",
  operationId: "getTransaction",
  summary: "The memories that a transaction wrote, of the namespaces that the key is bound to",
  access: { scope: "read" },
  params: transactionParams,
  responses: {
    200: { description: "The memories with the versions it gave them", schema: transactionSchema },
    404: { description: "Unknown, rolled back, or too long ago" },
  },
  async handle({ params, identity, signal }, { sync }) {
    const { transactionId } = params;
    const all = (await sync.transaction(transactionId, { signal })) ?? [];
    const memories = all.filter(({ namespace }) => mayTouch(identity, namespace));
    if (memories.length === 0) throw unknownTransaction(transactionId);
    return { status: 200, body: { transactionId, memories } };
  },
});

const rollbackTransaction = route({
  method: "POST",
  path: "/v1/transactions/{transactionId}/rollback",
  operationId: "rollbackTransaction",
  summary: "Undo a transaction with new versions: all of its memories or none",
  access: { scope: "write" },
  params: transactionParams,
  responses: {
    200: { description: "Undone", schema: outcomesSchema },
    403: { description: "It also wrote memories of other namespaces: concurrent calls may share a transaction" },
    404: { description: "Unknown, rolled back, or too long ago" },
    409: { description: "A memory was written since then; nothing is undone" },
  },
  async handle({ params, identity }, { sync }) {
    const { transactionId } = params;
    const memories = (await sync.transaction(transactionId)) ?? [];
    const own = memories.filter(({ namespace }) => mayTouch(identity, namespace));
    if (own.length === 0) throw unknownTransaction(transactionId);
    if (own.length < memories.length) {
      const detail = "the transaction also wrote memories of namespaces that the key is not bound to";
      throw new HttpProblem(403, "FORBIDDEN", detail);
    }
    const outcomes = await sync.rollbackTransaction(transactionId);
    const conflict = outcomes.find(({ status }) => status === "conflict");
    if (conflict !== undefined) {
      const detail = `memory ${JSON.stringify(conflict.memoryId)} was written since then: nothing is undone`;
      throw new HttpProblem(409, "VERSION_CONFLICT", detail, { members: { foundVersion: conflict.version } });
    }
    return { status: 200, body: publicOutcomes(outcomes) };
  },
});

function unknownTransaction(transactionId: string): NotFoundError {
  return new NotFoundError(`transaction ${JSON.stringify(transactionId)} is unknown, rolled back, or too long ago`);
}

export const historyGroup: RouteGroup = {
  tag: "history",
  description: "Versions of memories, and transactions that wrote them",
  routes: [listVersions, diffVersions, rollbackMemory, getTransaction, rollbackTransaction],
};
