import * as z from "zod";
import {
  conflictDetailsDocument,
  conflictDetailsSchema,
  conflictsDocument,
  conflictsSchema,
  repairDetailSchema,
} from "../../documents/consistency-documents.ts";
import { copiesDocument, copiesSchema } from "../../documents/copy-documents.ts";
import { originId } from "../../documents/fields.ts";
import { lazily } from "../../domain/lazily.ts";
import type { ConflictDecision, ConflictSummary } from "../../index.ts";
import { NotFoundError } from "../../index.ts";
import { type Identity, isOperator, mayTouch } from "../keys.ts";
import { MEMORY_LIMITS } from "../limits.ts";
import { HttpProblem } from "../problem.ts";
import { count, memoryFields, memoryIdText, memoryParams, namespaceName } from "../requests.ts";
import { type RouteGroup, route } from "../route.ts";

const CONFLICT_ID = /^[0-9]{1,18}$/;
const conflictParams = lazily(() => z.object({ conflictId: z.string().regex(CONFLICT_ID, "expected a number") }));

const decisionBody = lazily(() =>
  z
    .union([
      z.strictObject({ choose: originId().describe("The side that is right: a store id, or import") }),
      z.strictObject({ remove: z.literal(true).describe("Only where the ledger does not know the memory") }),
      z.strictObject(memoryFields()),
    ])
    .meta({ id: "Decision" }),
);

const listCopies = route({
  method: "GET",
  path: "/v1/namespaces/{namespace}/memories/{memoryId}/copies",
  operationId: "listCopies",
  summary:
    "What each store holds of a memory now, beside the ledger. Of a store that each node has: the copy of this node",
  access: { scope: "admin" },
  params: memoryParams,
  responses: { 200: { description: "The copies; of an unknown memory each says nothing", schema: copiesSchema } },
  async handle({ params, identity, signal, onBytes }, { sync }) {
    const { namespace, memoryId } = params;
    const copies = await sync.copies(memoryId, { namespace, signal, onBytes });
    return { status: 200, body: copiesDocument(copies, { isOperator: isOperator(identity) }) };
  },
});

const listConflicts = route({
  method: "GET",
  path: "/v1/conflicts",
  operationId: "listConflicts",
  summary: "Recorded conflicts, in the order in which they were found. By default those that await a decision",
  access: { scope: "admin" },
  query: () =>
    z.object({
      namespace: namespaceName().optional().describe("Needed by a key that is bound to namespaces"),
      memoryId: memoryIdText().optional(),
      state: z.enum(["pending", "resolved", "failed"]).optional(),
      after: z.string().regex(CONFLICT_ID).optional().describe("Only conflicts after this id: the last one of a page"),
      limit: count(1, 1_000, 100),
    }),
  responses: { 200: { description: "Conflicts", schema: conflictsSchema } },
  async handle({ query, identity, signal }, { sync }) {
    const { namespace, memoryId, state, after, limit } = query;
    if (namespace === undefined ? identity.namespaces !== null : !mayTouch(identity, namespace)) {
      throw new HttpProblem(403, "FORBIDDEN", "the key is bound to namespaces: name one of them as namespace");
    }
    const conflicts = await sync.conflicts.list({
      limit,
      signal,
      ...(namespace !== undefined && { namespace }),
      ...(memoryId !== undefined && { memoryId }),
      ...(state !== undefined && { state }),
      ...(after !== undefined && { after }),
    });
    return { status: 200, body: conflictsDocument(conflicts.map((conflict) => publicConflict(conflict, identity))) };
  },
});

const showConflict = route({
  method: "GET",
  path: "/v1/conflicts/{conflictId}",
  operationId: "showConflict",
  summary: "Both sides of a conflict, and how they differ",
  access: { scope: "admin" },
  params: conflictParams,
  responses: {
    200: { description: "The conflict", schema: conflictDetailsSchema },
    404: { description: "There is none" },
  },
  async handle({ params, identity, signal }, { sync }) {
    const conflict = await sync.conflicts.show(params.conflictId, { signal });
    assertOwn(conflict, identity);
    return { status: 200, body: conflictDetailsDocument(publicConflict(conflict, identity), false) };
  },
});

const resolveConflict = route({
  method: "POST",
  path: "/v1/conflicts/{conflictId}/resolve",
  operationId: "resolveConflict",
  summary:
    "Decide a conflict: choose one side, write content of your own, or remove a memory that the ledger does not know",
  access: { scope: "admin" },
  params: conflictParams,
  body: decisionBody,
  bodyLimits: MEMORY_LIMITS,
  responses: {
    200: { description: "The outcome; `deferred` when the memory has changed since", schema: repairDetailSchema },
    404: { description: "There is none" },
    409: { description: "The conflict is already decided" },
  },
  async handle({ params, body, identity }, { sync }) {
    const conflict = await sync.conflicts.show(params.conflictId);
    assertOwn(conflict, identity);
    if (conflict.state !== "pending") {
      const detail = `conflict ${params.conflictId} is already ${conflict.state}`;
      throw new HttpProblem(409, "ALREADY_DECIDED", detail);
    }
    const outcome = await sync.conflicts.resolve(params.conflictId, body as ConflictDecision);
    const failed = outcome.outcome === "failed" && !isOperator(identity);
    return { status: 200, body: failed ? { ...outcome, note: FAILED } : outcome };
  },
});

const FAILED = "it could not be carried out: the log of the service has the reason";

/** The reason of a failure may come from a driver, which names hosts and users: it is for operators. */
function publicConflict<Conflict extends ConflictSummary>(conflict: Conflict, identity: Identity): Conflict {
  return conflict.state !== "failed" || isOperator(identity) ? conflict : { ...conflict, resolution: FAILED };
}

/** @throws {NotFoundError} The key may not see the conflict: the answer does not tell whether it exists. */
function assertOwn({ id, namespace }: ConflictSummary, identity: Identity): void {
  if (!mayTouch(identity, namespace)) throw new NotFoundError(`there is no conflict ${id}`);
}

export const conflictGroup: RouteGroup = {
  tag: "conflicts",
  description: "What each store holds of a memory, and drift in which both sides may be right: look at it and decide",
  routes: [listCopies, listConflicts, showConflict, resolveConflict],
};
