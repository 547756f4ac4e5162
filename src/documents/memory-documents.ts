import * as z from "zod";
import { ENDINGS } from "../domain/ending.ts";
import { lazily } from "../domain/lazily.ts";
import type { Memory } from "../domain/memory.ts";
import type { MemoryVersion, VersionDiff } from "../read/history.ts";
import type { ReadSources } from "../read/read-sources.ts";
import type { SearchResult } from "../read/search/search-result.ts";
import type { SyncOutcome } from "../write/outcome.ts";
import { count, errorFields, instant, iso, json, memoryKey, storeId, versionVector } from "./fields.ts";
import { sourcesField, sourcesSchema } from "./source-documents.ts";

/** Memories, their versions, and the outcomes of writes, as HTTP and `--json` show them. */

const numbers = lazily(() => z.array(z.number()).nullable());
const dimension = lazily(() => count().nullable().describe("Numbers of the embedding; null without one"));
const checksum = lazily(() => z.string().length(64));

export const memorySchema = lazily(() =>
  z
    .strictObject({
      ...memoryKey(),
      content: z.string(),
      memoryType: z.string(),
      importance: z.number(),
      metadata: json(),
      privacy: z.enum(["full", "redacted", "local_only"]),
      embeddingModel: z.string().optional(),
      expiresAt: instant().optional(),
      version: z.number().int().positive(),
      checksum: checksum(),
      versionVector: versionVector(),
      createdAt: instant()
        .optional()
        .describe(
          "In lists, and where it was asked for: of the first version since the memory was written, or written anew after its end",
        ),
      modifiedAt: instant(),
      source: storeId().describe("The store that answered"),
      dimension: dimension(),
      embedding: numbers().optional().describe("Only where the caller asked for it"),
      sources: sourcesSchema().optional().describe("Of a memory that was read by itself, where a replica is set up"),
    })
    .meta({ id: "Memory" }),
);

export function memoryDocument(memory: Memory, withEmbedding: boolean, sources?: ReadSources): object {
  const {
    namespace,
    memoryId,
    version,
    checksum,
    versionVector,
    createdAt,
    modifiedAt,
    source,
    embedding,
    ...document
  } = memory;
  return {
    namespace,
    memoryId,
    ...document,
    version,
    checksum,
    versionVector,
    ...(createdAt !== undefined && { createdAt: iso(createdAt) }),
    modifiedAt: iso(modifiedAt),
    source,
    ...vectorFields(embedding, withEmbedding),
    ...sourcesField(sources),
  };
}

/** The dimension of a vector, and its numbers where they are asked for. */
export function vectorFields(embedding: Float32Array | null, withEmbedding: boolean): object {
  return {
    dimension: embedding?.length ?? null,
    ...(withEmbedding && { embedding: embedding === null ? null : Array.from(embedding) }),
  };
}

const rankedPart = lazily(() =>
  z
    .strictObject({
      rank: z.number().int().positive().describe("Place in the ranking, from 1 on"),
      score: z.number().describe("Of the ranking itself"),
      share: z.number().describe("What the place adds to the fused score"),
    })
    .nullable(),
);

const resultSchema = lazily(() =>
  z.strictObject({
    score: z.number(),
    parts: z
      .strictObject({ text: rankedPart(), vector: rankedPart() })
      .optional()
      .describe("Of mode hybrid: what each ranking gave to the score; null: it does not have the memory"),
    memory: memorySchema(),
  }),
);

export const resultsSchema = lazily(() =>
  z
    .strictObject({
      results: z.array(resultSchema()),
      sources: sourcesSchema().optional(),
    })
    .meta({ id: "SearchResults" }),
);

export function resultsDocument(
  results: readonly SearchResult[],
  withEmbedding: boolean,
  sources?: ReadSources,
): object {
  return {
    results: results.map(({ score, parts, memory }) => ({
      score,
      ...(parts !== undefined && { parts: { text: parts.text, vector: parts.vector } }),
      memory: memoryDocument(memory, withEmbedding),
    })),
    ...sourcesField(sources),
  };
}

const found = {
  namespace: true,
  memoryId: true,
  version: true,
  content: true,
  memoryType: true,
  importance: true,
  metadata: true,
} as const;

/** The results of a search on the command line: each is one flat object. */
export const searchSchema = lazily(() =>
  z.strictObject({
    query: z.string(),
    results: z.array(memorySchema().pick(found).extend({ score: z.number() })),
    sources: sourcesSchema().optional(),
  }),
);

export function searchDocument(
  query: string,
  results: readonly SearchResult[],
  sources?: ReadSources,
): z.output<ReturnType<typeof searchSchema>> {
  return {
    query,
    results: results.map(({ score, memory }) => {
      const { namespace, memoryId, version, content, memoryType, importance, metadata } = memory;
      return { score, namespace, memoryId, version, content, memoryType, importance, metadata };
    }),
    ...sourcesField(sources),
  };
}

export const outcomeSchema = lazily(() =>
  z
    .strictObject({
      ...memoryKey(),
      status: z.enum(["synced", "degraded", "unchanged", "conflict", "failed"]),
      version: count().describe("The version that the ledger holds now; 0: none, or the write failed"),
      checksum: checksum().nullable().describe("Null for a deleted memory, and when the write failed"),
      stores: z
        .record(storeId(), z.enum(["applied", "pending", "unchanged", "not_applicable", "failed"]))
        .describe("By store id, postgres among them: how far the store is with that version"),
      transactionId: z.string().nullable().describe("Null: nothing was written"),
      reasons: z.record(storeId(), z.string()).optional().describe("Why a store reads pending; absent where none does"),
      embeddingDropped: z
        .literal(true)
        .optional()
        .describe("The memory had an embedding, and this write brought none: no search finds it any more"),
      error: errorFields().optional(),
    })
    .meta({ id: "Outcome" }),
);

export const outcomesSchema = lazily(() =>
  z.strictObject({ outcomes: z.array(outcomeSchema()) }).meta({ id: "Outcomes" }),
);

export function outcomeDocument(outcome: SyncOutcome): z.output<ReturnType<typeof outcomeSchema>> {
  const { namespace, memoryId, status, version, checksum, stores, transactionId, reasons, embeddingDropped, error } =
    outcome;
  const told = {
    ...{ namespace, memoryId, status, version, checksum, stores, transactionId },
    ...(reasons !== undefined && { reasons: { ...reasons } }),
    ...(embeddingDropped && { embeddingDropped }),
  };
  return error === undefined ? told : { ...told, error: { code: error.code, message: error.message } };
}

export function outcomesDocument(outcomes: readonly SyncOutcome[]): z.output<ReturnType<typeof outcomesSchema>> {
  return { outcomes: outcomes.map(outcomeDocument) };
}

const versionSchema = lazily(() =>
  z
    .strictObject({
      ...memoryKey(),
      version: z.number().int().positive(),
      checksum: checksum().nullable().describe("Null: deleted"),
      deleted: z.boolean(),
      endedBy: z.enum(ENDINGS).optional().describe("Why the memory ended with this version; absent: it did not"),
      document: json().nullable().describe("Null: deleted"),
      dimension: dimension(),
      versionVector: versionVector(),
      modifiedAt: instant(),
      transactionId: z.string(),
    })
    .meta({ id: "Version" }),
);

export const versionsSchema = lazily(() =>
  z.strictObject({
    versions: z.array(versionSchema()).describe("Newest first"),
    sources: sourcesSchema().optional(),
  }),
);

export function versionsDocument(versions: readonly MemoryVersion[], sources?: ReadSources): object {
  return {
    versions: versions.map(({ embedding, modifiedAt, ...version }) => ({
      ...version,
      deleted: version.document === null,
      modifiedAt: iso(modifiedAt),
      ...vectorFields(embedding, false),
    })),
    ...sourcesField(sources),
  };
}

export const diffSchema = lazily(() =>
  z
    .strictObject({
      fromVersion: z.number().int(),
      toVersion: z.number().int(),
      fields: z.array(z.strictObject({ path: z.string(), before: z.unknown(), after: z.unknown() })),
      embeddingChanged: z.boolean(),
    })
    .meta({ id: "Diff" }),
);

/** A field that one of the versions lacks is null there: JSON has no undefined. */
export function diffDocument({ fromVersion, toVersion, fields, embeddingChanged }: VersionDiff): object {
  const told = fields.map(({ path, before = null, after = null }) => ({ path, before, after }));
  return { fromVersion, toVersion, fields: told, embeddingChanged };
}

export const transactionSchema = lazily(() =>
  z
    .strictObject({
      transactionId: z.string(),
      memories: z.array(z.strictObject({ ...memoryKey(), version: z.number().int() })),
    })
    .meta({ id: "Transaction" }),
);
