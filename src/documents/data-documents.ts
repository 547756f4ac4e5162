import { z } from "zod";

/** What `--json` prints of commands that read and write memories, or look after the set-up. See `documents.ts`. */
const count = z.number().int().nonnegative();
const time = z.iso.datetime();
const health = z.enum(["healthy", "degraded", "down"]);
const versionVector = z.record(z.string(), z.number()).describe("Version vector: node to writes");
const key = { namespace: z.string(), memoryId: z.string() };

const rejected = z
  .array(z.strictObject({ line: count, code: z.string(), message: z.string() }))
  .max(1_000)
  .describe("The first 1,000");

const imported = { read: count, synced: count, unchanged: count, degraded: count, rejected: count, errors: rejected };

const storeOutcome = z.enum(["applied", "pending", "unchanged", "not_applicable", "failed"]);

const outcome = z.strictObject({
  ...key,
  status: z.enum(["synced", "degraded", "unchanged", "conflict"]),
  version: count.describe("What the ledger holds now"),
  stores: z.strictObject({ postgres: storeOutcome, redis: storeOutcome, faiss: storeOutcome }),
  transactionId: z.string().nullable().describe("Null: nothing was written"),
  error: z.strictObject({ code: z.string(), message: z.string() }).optional(),
});

const storeStatus = z.strictObject({
  state: health,
  memories: count.nullable().describe("Live ones, by the store's own count"),
  reason: z.string().optional(),
});

export const DATA_DOCUMENTS: Readonly<Record<string, z.ZodType>> = {
  import: z.strictObject(imported).describe("mnemosync import <lines> --json"),
  "import-export": z
    .strictObject({
      ...imported,
      skipped: count,
      overwritten: count,
      deferred: count,
      historyVersions: count,
      complete: z.boolean().describe("False: the file was cut short"),
    })
    .describe("mnemosync import <export> --json"),
  put: outcome.describe("mnemosync put, delete and rollback --json"),
  history: z
    .strictObject({
      versions: z.array(
        z.strictObject({
          ...key,
          version: count,
          checksum: z.string().nullable().describe("Null: deleted"),
          document: z.record(z.string(), z.unknown()).nullable(),
          dimension: count.nullable(),
          versionVector,
          modifiedAt: time,
          transactionId: z.string(),
        }),
      ),
    })
    .describe("mnemosync history --json, newest first"),
  status: z
    .looseObject({
      stores: z.strictObject({ postgres: storeStatus, redis: storeStatus, faiss: storeStatus }),
      backlog: z.looseObject({ pending: count, failed: count, dead: count }),
      lastCleanCheckAt: time.nullable(),
      at: time.optional().describe("Only with --watch, which prints one document a line"),
    })
    .describe("mnemosync status --json"),
  queue: z
    .strictObject({
      paused: z.boolean().describe("On every node, by queue pause"),
      entries: z.array(
        z.strictObject({
          ...key,
          store: z.enum(["redis", "faiss"]),
          nodeId: z.string().describe("Whose index; empty for Redis"),
          state: z.enum(["pending", "claimed", "dead"]),
          attempts: count,
          enqueuedAt: time,
          nextAttemptAt: time,
          lastError: z.string().nullable(),
        }),
      ),
    })
    .describe("mnemosync queue --json"),
  config: z
    .strictObject({
      settings: z.array(
        z.strictObject({
          option: z.string(),
          value: z.unknown().describe("Null: not set. Secrets are hidden"),
          source: z.enum(["default", "file", "environment", "flag", "unset"]),
          environmentName: z.string(),
          flag: z.string(),
          description: z.string(),
        }),
      ),
    })
    .describe("mnemosync config --json"),
  doctor: z
    .strictObject({
      healthy: z.boolean(),
      checks: z.array(
        z.strictObject({
          check: z.string(),
          state: z.enum(["ok", "note", "warning", "failure"]),
          found: z.string(),
          advice: z.string().optional(),
        }),
      ),
    })
    .describe("mnemosync doctor --json"),
  error: z
    .strictObject({ error: z.strictObject({ code: z.string(), message: z.string() }) })
    .describe("Any command that could not do its work, with --json"),
};
