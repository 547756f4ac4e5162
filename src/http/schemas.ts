import { z } from "zod";
import { NAMESPACE_EXPECTED, NAMESPACE_PATTERN } from "../domain/schema.ts";
import { ULID_PATTERN } from "../domain/ulid-text.ts";

/** What goes in and comes out, declared once: checked here, and shown in the OpenAPI document. */

export const namespaceName = z.string().regex(NAMESPACE_PATTERN, NAMESPACE_EXPECTED);

export const namespaceParam = z.object({
  namespace: namespaceName.describe("A tenant; no read, write or search crosses it"),
});

export const ulidText = z.string().regex(ULID_PATTERN, "expected a ULID: 26 characters");

export const memoryParams = namespaceParam.extend({
  memoryId: z.string().min(1).max(512).describe("1 to 512 bytes of UTF-8, percent-encoded"),
});

/** A whole number in a query string. */
export function count(minimum: number, maximum: number, byDefault?: number) {
  const number = z.coerce.number().int().min(minimum).max(maximum);
  return byDefault === undefined ? number : number.default(byDefault);
}

export const flag = z
  .enum(["true", "false"])
  .default("false")
  .transform((text) => text === "true");

/** Numbers of a vector that a body may hold; the index has its own dimension, which is checked behind this. */
const vector = z.array(z.number()).min(1).max(16_384);
/** Passed on as it came, every key of it: the library checks it, and knows what JSON can carry. */
const jsonObject = z.unknown().meta({ type: "object", additionalProperties: true });
const json = z.record(z.string(), z.unknown());

const memoryFields = {
  content: z.string().describe("Text, 1 MiB of UTF-8 at most"),
  memoryType: z.string().min(1).max(128),
  importance: z.number().min(0).max(1).default(0.5),
  metadata: jsonObject.optional().describe("Your own fields, 256 KiB as JSON at most"),
  embedding: vector.nullish().describe("Computed from the content where absent and an embedder is set up"),
  embeddingModel: z.string().min(1).max(256).optional(),
  privacy: z.enum(["full", "redacted", "local_only"]).default("full"),
  expiresAt: z.iso.datetime({ offset: true }).nullish().describe("From then on no read or search shows the memory"),
};

export const memoryBody = z.strictObject(memoryFields).meta({ id: "MemoryFields" });

export const batchBody = z
  .strictObject({
    memories: z
      .array(z.strictObject({ memoryId: z.string().min(1).max(512), ...memoryFields }))
      .min(1)
      .max(5_000),
    atomic: z.boolean().default(false).describe("All of them or none"),
    idempotencyKey: z.string().optional().describe("ULID; a repeat answers the first outcomes and writes nothing"),
  })
  .meta({ id: "Batch" });

export const searchBody = z
  .strictObject({
    text: z.string().min(1).optional().describe("Needs an embedder"),
    vector: vector.optional(),
    k: z.number().int().min(1).max(1_000).default(10),
    scoreMin: z.number().optional(),
    filter: z
      .strictObject({
        memoryType: z.string().optional(),
        metadata: z
          .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))
          .optional()
          .describe("Fields of the metadata's top level that must be equal"),
      })
      .default({}),
    embedding: z.boolean().default(false).describe("Whether results come with their vectors"),
  })
  .refine((body) => (body.text === undefined) !== (body.vector === undefined), "give either text or vector")
  .meta({ id: "Search" });

const instant = z.string().describe("ISO-8601");
const storeOutcome = z.enum(["applied", "pending", "unchanged", "not_applicable", "failed"]);
const store = z.enum(["postgres", "redis", "faiss"]);

export const memorySchema = z
  .object({
    namespace: z.string(),
    memoryId: z.string(),
    version: z.number().int().min(1),
    checksum: z.string().length(64),
    content: z.string(),
    memoryType: z.string(),
    importance: z.number(),
    metadata: json,
    privacy: z.enum(["full", "redacted", "local_only"]),
    embeddingModel: z.string().optional(),
    expiresAt: instant.optional(),
    modifiedAt: instant,
    versionVector: z.record(z.string(), z.number()).describe("Version vector: writes by node"),
    source: z.enum(["redis", "postgres"]),
    dimension: z.number().int().nullable().describe("Numbers of the embedding; null without one"),
    embedding: z.array(z.number()).nullable().optional(),
  })
  .meta({ id: "Memory" });

export const outcomeSchema = z
  .object({
    namespace: z.string(),
    memoryId: z.string(),
    version: z.number().int().min(0),
    checksum: z.string().nullable(),
    status: z.enum(["synced", "degraded", "unchanged", "conflict", "failed"]),
    stores: z.object({ postgres: storeOutcome, redis: storeOutcome, faiss: storeOutcome }),
    transactionId: z.string().nullable(),
    error: z.object({ code: z.string(), message: z.string() }).optional(),
  })
  .meta({ id: "Outcome" });

export const outcomesSchema = z.object({ outcomes: z.array(outcomeSchema) }).meta({ id: "Outcomes" });

export const resultsSchema = z
  .object({ results: z.array(z.object({ score: z.number(), memory: memorySchema })) })
  .meta({ id: "SearchResults" });

export const importReportSchema = z
  .object({
    read: z.number().int(),
    synced: z.number().int(),
    unchanged: z.number().int(),
    degraded: z.number().int(),
    rejected: z.number().int(),
    errors: z.array(z.object({ line: z.number().int(), code: z.string(), message: z.string() })),
  })
  .meta({ id: "ImportReport" });

export const versionSchema = z
  .object({
    version: z.number().int().min(1),
    checksum: z.string().nullable(),
    deleted: z.boolean(),
    document: json.nullable(),
    dimension: z.number().int().nullable(),
    versionVector: z.record(z.string(), z.number()),
    modifiedAt: instant,
    transactionId: z.string(),
  })
  .meta({ id: "Version" });

export const diffSchema = z
  .object({
    fromVersion: z.number().int(),
    toVersion: z.number().int(),
    fields: z.array(z.object({ path: z.string(), before: z.unknown(), after: z.unknown() })),
    embeddingChanged: z.boolean(),
  })
  .meta({ id: "Diff" });

const storeStatus = z.object({
  state: z.enum(["healthy", "degraded", "down"]),
  memories: z.number().int().nullable(),
  reason: z.string().optional(),
});

export const statusSchema = z
  .object({
    stores: z.object({ postgres: storeStatus, redis: storeStatus, faiss: storeStatus }),
    backlog: z.object({ pending: z.number().int(), failed: z.number().int(), dead: z.number().int() }),
    lastCleanCheckAt: instant.nullable(),
    consistency: z
      .object({
        checks: z.array(
          z.object({
            scope: z.string(),
            nodeId: z.string(),
            startedAt: instant,
            finishedAt: instant.nullable(),
            lastCleanAt: instant.nullable(),
            checked: z.number().int(),
            findings: z.number().int(),
            coverage: z.number().nullable(),
            remainingMs: z.number().nullable(),
          }),
        ),
        findings: z.array(z.object({ store, kind: z.string(), count: z.number().int() })),
      })
      .nullable(),
  })
  .meta({ id: "Status" });

export const readinessSchema = z
  .object({
    ready: z.boolean().describe("Whether what was required can be done"),
    degraded: z.boolean().describe("Whether what was required cannot be done, or a store is not healthy"),
    reason: z.string().nullable(),
    capabilities: z
      .object({ read: z.boolean(), write: z.boolean(), search: z.boolean() })
      .describe("What can be done at the moment; search is false where no vector index is set up"),
    stores: z.record(
      z.string(),
      z.object({ state: z.enum(["healthy", "degraded", "down"]), reason: z.string().nullable() }),
    ),
  })
  .meta({ id: "Readiness" });

export const jobSchema = z
  .object({
    id: z.string(),
    kind: z.enum(["check", "repair"]),
    state: z.enum(["running", "done", "failed", "cancelled"]),
    progress: z.record(z.string(), z.number()),
    startedAt: instant,
    endedAt: instant.nullable(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    result: z.unknown().describe("Of a check: clean, checked, findings. Of a repair: repaired, failed, deferred"),
  })
  .meta({ id: "Job" });

const origin = z.enum([...store.options, "import"]);

const conflictFields = {
  id: z.string(),
  namespace: z.string(),
  memoryId: z.string(),
  store: origin.describe("Where the other side was found: a store, or an import"),
  kind: z.string(),
  state: z.enum(["pending", "resolved", "failed"]),
  strategy: z.string(),
  pendingBecause: z.string().nullable(),
  ledgerVersion: z.number().int().nullable(),
  foundVersion: z.number().int().nullable(),
  detectedAt: instant,
  resolvedAt: instant.nullable(),
  resolution: z.string().nullable(),
};

export const conflictSchema = z.object(conflictFields).meta({ id: "Conflict" });

const conflictSide = z.object({
  version: z.number().int().nullable(),
  checksum: z.string().nullable(),
  document: json.nullable(),
  raw: z.string().nullable().describe("What stood there, where it is no document"),
  dimension: z.number().int().nullable(),
  versionVector: z.record(z.string(), z.number()).nullable(),
  modifiedAt: instant.nullable(),
});

export const conflictDetailsSchema = z
  .object({
    ...conflictFields,
    evidence: z.string(),
    ledger: conflictSide,
    found: conflictSide,
    differences: z.looseObject({ same: z.boolean() }).nullable(),
  })
  .meta({ id: "ConflictDetails" });

export const decisionBody = z
  .union([
    z.strictObject({ choose: origin.describe("Whose side is right") }),
    z.strictObject({ remove: z.literal(true).describe("Only where the ledger does not know the memory") }),
    z.strictObject(memoryFields),
  ])
  .meta({ id: "Decision" });

export const repairDetailSchema = z
  .object({
    namespace: z.string(),
    memoryId: z.string(),
    store: origin,
    kind: z.string(),
    outcome: z.enum(["repaired", "failed", "deferred", "planned"]),
    note: z.string(),
    strategy: z.string().nullable(),
  })
  .meta({ id: "RepairDetail" });

export const queueSchema = z
  .object({
    paused: z.boolean().describe("On every node, by this service or by `mnemosync queue pause`"),
    entries: z.array(
      z.object({
        namespace: z.string(),
        memoryId: z.string(),
        store,
        nodeId: z.string(),
        state: z.enum(["pending", "claimed", "dead"]),
        attempts: z.number().int(),
        enqueuedAt: instant,
        nextAttemptAt: instant,
        lastError: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: "Queue" });

export const transactionSchema = z
  .object({
    transactionId: z.string(),
    memories: z.array(z.object({ namespace: z.string(), memoryId: z.string(), version: z.number().int() })),
  })
  .meta({ id: "Transaction" });
