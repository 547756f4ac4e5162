import { z } from "zod";
import { STORE_NAMES } from "../cli/commands/scope.ts";
import { CHECK_SCOPES, DRIFT_KINDS } from "../index.ts";
import { DATA_DOCUMENTS } from "./data-documents.ts";

/**
 * What `--json` prints, declared. `docs/schemas/` is made of these by `npm run schemas`, and tests hold the commands to
 * them: a field more is compatible, another or a missing one is not.
 */
const store = z.enum(STORE_NAMES);
const version = z.number().int().positive().nullable();

const finding = z.strictObject({
  namespace: z.string().describe("Empty for a Redis key that names none"),
  memoryId: z.string(),
  store,
  kind: z.enum(DRIFT_KINDS),
  expectedVersion: version.describe("What the ledger says; null: it does not know the memory"),
  foundVersion: version.describe("What the store holds; null: nothing, or nothing with a version"),
});

export const checkDocument = z
  .strictObject({
    clean: z.boolean().describe("Everything that the scope covers was looked at, and nothing differs"),
    scope: z.enum(CHECK_SCOPES),
    checked: z.number().int().nonnegative().describe("Memories that were compared; for quick: changes"),
    findings: z.array(finding),
    byMemory: z
      .record(z.string(), z.array(store))
      .describe("Memory id to the stores in which it differs; ids of several namespaces share an entry"),
    stores: z.array(store).optional().describe("Those that were looked at, where --store left some out"),
    truncated: z.literal(true).optional().describe("There is more drift than is listed: repair this, then check again"),
    misses: z
      .number()
      .int()
      .positive()
      .optional()
      .describe("Memories that an evicting Redis does not hold: cache misses, no drift"),
    resumedFrom: z.iso.datetime().optional().describe("When the check began that was cut short and is gone on with"),
  })
  .describe("mnemosync check --json");

const detail = z.strictObject({
  namespace: z.string(),
  memoryId: z.string(),
  store,
  kind: z.enum(DRIFT_KINDS),
  outcome: z.enum(["repaired", "failed", "deferred", "planned"]),
  note: z.string().describe("What was done, would be done, or why it could not be"),
  strategy: z.string().nullable().describe("Who decided; null: the ledger is right by rule"),
});

export const repairDocument = z
  .strictObject({
    repaired: z.number().int().nonnegative(),
    failed: z.number().int().nonnegative(),
    deferred: z.number().int().nonnegative().describe("Left for a later run, or for somebody to decide"),
    results: z.record(z.string(), z.boolean()).describe("Memory id to whether all its findings are repaired"),
    planned: z.number().int().nonnegative().optional().describe("Only with --dry-run"),
    plan: z.array(detail).optional().describe("Only with --dry-run"),
  })
  .describe("mnemosync repair --json");

const side = z.strictObject({
  version,
  checksum: z.string().nullable(),
  document: z.record(z.string(), z.unknown()).nullable(),
  raw: z.string().nullable().describe("What stood there as text, where it is no JSON document"),
  embedding: z.array(z.number()).nullable(),
  versionVector: z.record(z.string(), z.number()).nullable().describe("Version vector: node to writes"),
  modifiedAt: z.iso.datetime().nullable(),
});

const conflict = {
  id: z.string(),
  namespace: z.string(),
  memoryId: z.string(),
  store: z.enum([...STORE_NAMES, "import"]).describe("Where the other side was found: a store, or an import"),
  kind: z.enum(DRIFT_KINDS),
  state: z.enum(["pending", "resolved", "failed"]),
  strategy: z.string(),
  pendingBecause: z.string().nullable().describe("Why it waits; null: it does not"),
  ledgerVersion: version,
  foundVersion: version,
  detectedAt: z.iso.datetime(),
  resolvedAt: z.iso.datetime().nullable(),
  resolution: z.string().nullable().describe("What was done, or why it could not be"),
};

export const conflictsDocument = z
  .strictObject({ conflicts: z.array(z.strictObject(conflict)) })
  .describe("mnemosync conflicts --json");

export const conflictDocument = z
  .strictObject({
    ...conflict,
    evidence: z.string(),
    ledger: side,
    found: side,
    differences: z.record(z.string(), z.unknown()).nullable().describe("From the ledger's side to the store's"),
  })
  .describe("mnemosync conflicts show <id> --json");

/** By the name of their file in `docs/schemas/`. */
export const DOCUMENTS: Readonly<Record<string, z.ZodType>> = {
  check: checkDocument,
  repair: repairDocument,
  conflicts: conflictsDocument,
  conflict: conflictDocument,
  ...DATA_DOCUMENTS,
};

/** The file's text: JSON Schema (2020-12). */
export function schemaText(name: string): string {
  const document = DOCUMENTS[name];
  if (document === undefined) throw new RangeError(`no document is called ${name}`);
  return `${JSON.stringify(z.toJSONSchema(document), null, 2)}\n`;
}
