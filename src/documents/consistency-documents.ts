import * as z from "zod";
import { CHECK_SCOPES, type ConsistencyReport, DRIFT_KINDS } from "../consistency/check/report.ts";
import type { ConflictDetails, ConflictSide, ConflictSummary } from "../consistency/repair/pending-conflicts.ts";
import type { RepairDetail, RepairReport } from "../consistency/repair/repair-options.ts";
import { lazily } from "../domain/lazily.ts";
import {
  count,
  instant,
  iso,
  isoOrNull,
  json,
  memoryKey,
  originId,
  storeId,
  versionOrNull,
  versionVector,
} from "./fields.ts";
import { vectorFields } from "./memory-documents.ts";

/** Checks, repairs and conflicts, as HTTP and `--json` show them. */

export const driftKind = lazily(() => z.enum(DRIFT_KINDS));

const findingSchema = lazily(() =>
  z.strictObject({
    namespace: z.string().describe("Empty for a key of the cache that names none"),
    memoryId: z.string(),
    store: storeId(),
    kind: driftKind(),
    expectedVersion: versionOrNull().describe("The ledger's version; null: the ledger does not know the memory"),
    foundVersion: versionOrNull().describe("The store's version; null: nothing is there, or nothing with a version"),
  }),
);

export const checkSchema = lazily(() =>
  z.strictObject({
    clean: z.boolean().describe("The check looked at everything in its scope, and nothing differs"),
    scope: z.enum(CHECK_SCOPES),
    checked: count().describe("Memories that were compared; for quick: changes"),
    findings: z.array(findingSchema()),
    byMemory: z
      .record(z.string(), z.array(storeId()))
      .describe("Memory id to the stores in which it differs; ids of several namespaces share an entry"),
    stores: z.array(storeId()).optional().describe("The stores that were looked at, where --store left some out"),
    truncated: z.literal(true).optional().describe("There is more drift than is listed: repair this, then check again"),
    misses: z
      .number()
      .int()
      .positive()
      .optional()
      .describe(
        "Memories that a cache with an evicting policy does not hold, or held in another layout: cache misses, no drift",
      ),
    resumedFrom: instant().optional().describe("When the interrupted check began that this one resumed"),
  }),
);

/** Leaves out the evidence, which is for people. @param someStores --store left some stores out. */
export function checkDocument(report: ConsistencyReport, someStores = false): object {
  const { clean, scope, stores, checked, findings, byMemory, truncated, misses, startedAt, resumed } = report;
  return {
    clean,
    scope,
    checked,
    findings: findings.map(({ evidence: _, ...finding }) => finding),
    byMemory,
    ...(someStores && { stores }),
    ...(truncated && { truncated }),
    ...(misses > 0 && { misses }),
    ...(resumed && { resumedFrom: iso(startedAt) }),
  };
}

export const repairDetailSchema = lazily(() =>
  z
    .strictObject({
      ...memoryKey(),
      store: originId(),
      kind: driftKind(),
      outcome: z.enum(["repaired", "failed", "deferred", "planned"]),
      note: z.string().describe("The repair that was made or planned, or the reason for which there is none"),
      strategy: z.string().nullable().describe("The strategy that decided; null: the ledger is right by rule"),
    })
    .meta({ id: "RepairDetail" }),
);

export const repairSchema = lazily(() =>
  z.strictObject({
    repaired: count(),
    failed: count(),
    deferred: count().describe("Left for a later run, or for a person to decide"),
    results: z.record(z.string(), z.boolean()).describe("Memory id to whether all its findings are repaired"),
    planned: count().optional().describe("Only with --dry-run"),
    plan: z.array(repairDetailSchema()).optional().describe("Only with --dry-run"),
  }),
);

export function repairDocument(report: RepairReport, dryRun: boolean): object {
  const { repaired, failed, deferred, planned, results, details } = report;
  return { repaired, failed, deferred, results, ...(dryRun && { planned, plan: details }) };
}

/** Findings and repairs that a job's result lists; the counts beside them cover all. */
const LISTED_MAX = 1_000;

/** The result of a check that ran as a job. */
export interface CheckResult extends Pick<ConsistencyReport, "clean" | "scope" | "checked" | "truncated" | "findings"> {
  /** Of all; `findings` lists at most 1,000. */
  readonly findingsTotal: number;
}

export function checkResult({ clean, scope, checked, findings, truncated }: ConsistencyReport): CheckResult {
  return { clean, scope, checked, truncated, findingsTotal: findings.length, findings: findings.slice(0, LISTED_MAX) };
}

/** The result of a repair that ran as a job. */
export interface RepairResult extends Pick<RepairReport, "repaired" | "failed" | "deferred" | "planned"> {
  /** Findings that are not repaired: at most 1,000. */
  readonly open: readonly RepairDetail[];
}

export function repairResult({ repaired, failed, deferred, planned, details }: RepairReport): RepairResult {
  const open = details.filter(({ outcome }) => outcome !== "repaired");
  return { repaired, failed, deferred, planned, open: open.slice(0, LISTED_MAX) };
}

const conflictFields = lazily(() => ({
  id: z.string(),
  ...memoryKey(),
  store: originId().describe("Where the other side was found: a store id, or import"),
  kind: driftKind(),
  state: z.enum(["pending", "resolved", "failed"]),
  strategy: z.string(),
  pendingBecause: z.string().nullable().describe("Why it awaits a decision; null: it does not"),
  ledgerVersion: versionOrNull(),
  foundVersion: versionOrNull(),
  detectedAt: instant(),
  resolvedAt: instant().nullable(),
  resolution: z.string().nullable().describe("The decision that was carried out, or the reason for which it was not"),
}));

const conflictSchema = lazily(() => z.strictObject(conflictFields()).meta({ id: "Conflict" }));

export const conflictsSchema = lazily(() => z.strictObject({ conflicts: z.array(conflictSchema()) }));

export function conflictsDocument(conflicts: readonly ConflictSummary[]): object {
  return { conflicts: conflicts.map(conflictDocument) };
}

function conflictDocument(conflict: ConflictSummary): object {
  const { detectedAt, resolvedAt, ...rest } = conflict;
  return { ...rest, detectedAt: iso(detectedAt), resolvedAt: isoOrNull(resolvedAt) };
}

/** The content of one side of a difference. */
export const sideSchema = lazily(() =>
  z.strictObject({
    version: versionOrNull(),
    checksum: z.string().nullable(),
    document: json().nullable(),
    raw: z.string().nullable().describe("The text that stood there, where it is no JSON document"),
    dimension: count().nullable(),
    embedding: z.array(z.number()).nullable().optional().describe("On the command line only"),
    versionVector: versionVector().nullable(),
    modifiedAt: instant().nullable(),
  }),
);

/** How two sides differ. */
export const differencesField = lazily(() =>
  z.looseObject({ same: z.boolean() }).nullable().describe("From the ledger's side (left) to the other side (right)"),
);

export const conflictDetailsSchema = lazily(() =>
  z
    .strictObject({
      ...conflictFields(),
      evidence: z.string(),
      ledger: sideSchema(),
      found: sideSchema(),
      differences: differencesField(),
    })
    .meta({ id: "ConflictDetails" }),
);

export function conflictDetailsDocument(conflict: ConflictDetails, withEmbedding: boolean): object {
  const { ledger, found, evidence, differences, ...summary } = conflict;
  return {
    ...conflictDocument(summary),
    evidence,
    ledger: sideDocument(ledger, withEmbedding),
    found: sideDocument(found, withEmbedding),
    differences,
  };
}

export function sideDocument({ modifiedAt, embedding, ...rest }: ConflictSide, withEmbedding: boolean): object {
  return { ...rest, ...vectorFields(embedding, withEmbedding), modifiedAt: isoOrNull(modifiedAt) };
}
