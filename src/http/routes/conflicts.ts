import { z } from "zod";
import type { ConflictDecision, ConflictDetails, ConflictSide, ConflictSummary } from "../../index.ts";
import { NotFoundError } from "../../index.ts";
import { type Identity, mayTouch } from "../keys.ts";
import { HttpProblem } from "../problem.ts";
import { type Route, route } from "../route.ts";
import {
  conflictDetailsSchema,
  conflictSchema,
  count,
  decisionBody,
  namespaceName,
  repairDetailSchema,
} from "../schemas.ts";

const conflictParams = z.object({ conflictId: z.string().regex(/^[0-9]{1,18}$/, "expected a number") });

const listConflicts = route({
  method: "GET",
  path: "/v1/conflicts",
  operationId: "listConflicts",
  summary: "Conflicts on record, in the order in which they were found; those that wait for a decision by default",
  tag: "conflicts",
  access: { scope: "admin" },
  query: z.object({
    namespace: namespaceName.optional().describe("Needed by a key that is bound to namespaces"),
    memoryId: z.string().min(1).max(512).optional(),
    state: z.enum(["pending", "resolved", "failed"]).optional(),
    after: z
      .string()
      .regex(/^[0-9]{1,18}$/)
      .optional()
      .describe("Only those behind this id: the last one of a page"),
    limit: count(1, 1_000, 100),
  }),
  responses: { 200: { description: "Conflicts", schema: z.object({ conflicts: z.array(conflictSchema) }) } },
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
    return { status: 200, body: { conflicts: conflicts.map(summaryDocument) } };
  },
});

const showConflict = route({
  method: "GET",
  path: "/v1/conflicts/{conflictId}",
  operationId: "showConflict",
  summary: "Both sides of a conflict, and how they differ",
  tag: "conflicts",
  access: { scope: "admin" },
  params: conflictParams,
  responses: {
    200: { description: "The conflict", schema: conflictDetailsSchema },
    404: { description: "There is none" },
  },
  async handle({ params, identity, signal }, { sync }) {
    const conflict = await sync.conflicts.show(params.conflictId, { signal });
    assertOwn(conflict, identity);
    return { status: 200, body: detailsDocument(conflict) };
  },
});

const resolveConflict = route({
  method: "POST",
  path: "/v1/conflicts/{conflictId}/resolve",
  operationId: "resolveConflict",
  summary: "Decide a conflict: for one side, for a content of your own, or to remove what nobody knows",
  tag: "conflicts",
  access: { scope: "admin" },
  params: conflictParams,
  body: decisionBody,
  responses: {
    200: { description: "What became of it; `deferred` when the memory has changed since", schema: repairDetailSchema },
    404: { description: "There is none" },
    409: { description: "It is decided already" },
  },
  async handle({ params, body, identity }, { sync }) {
    const conflict = await sync.conflicts.show(params.conflictId);
    assertOwn(conflict, identity);
    if (conflict.state !== "pending") {
      const detail = `conflict ${params.conflictId} is ${conflict.state} already`;
      throw new HttpProblem(409, "ALREADY_DECIDED", detail);
    }
    const outcome = await sync.conflicts.resolve(params.conflictId, body as ConflictDecision);
    return { status: 200, body: outcome };
  },
});

/** @throws {NotFoundError} What the key may not see is not there. */
function assertOwn({ id, namespace }: ConflictSummary, identity: Identity): void {
  if (!mayTouch(identity, namespace)) throw new NotFoundError(`there is no conflict ${id}`);
}

function summaryDocument(conflict: ConflictSummary): object {
  const { detectedAt, resolvedAt, ...rest } = conflict;
  return { ...rest, detectedAt: iso(detectedAt), resolvedAt: iso(resolvedAt) };
}

function detailsDocument(conflict: ConflictDetails): object {
  const { evidence, ledger, found, differences, ...summary } = conflict;
  return {
    ...summaryDocument(summary),
    evidence,
    ledger: sideDocument(ledger),
    found: sideDocument(found),
    differences,
  };
}

function sideDocument({ embedding, modifiedAt, ...rest }: ConflictSide): object {
  return { ...rest, dimension: embedding?.length ?? null, modifiedAt: iso(modifiedAt) };
}

function iso(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString();
}

export const conflictRoutes: readonly Route[] = [listConflicts, showConflict, resolveConflict];
