import * as z from "zod";
import { DRIFT_KINDS } from "../consistency/check/report.ts";
import { lazily } from "../domain/lazily.ts";
import type { QueueEntry } from "../ledger/queue-view.ts";
import { count, instant, iso, memoryKey, storeId } from "./fields.ts";

/** State of the service and its stores, the backlog and imports, as HTTP and `--json` show them. */

const health = lazily(() => z.enum(["healthy", "degraded", "down"]));

const checkStatus = lazily(() =>
  z.strictObject({
    scope: z.string().describe("quick, full, deep or sweep; with stores after a colon where it covers only some"),
    nodeId: z.string(),
    startedAt: instant(),
    finishedAt: instant().nullable().describe("Null while it runs, or after it was interrupted"),
    lastCleanAt: instant().nullable(),
    checked: count(),
    findings: count(),
    coverage: z.number().nullable().describe("Share that is done, 0 to 1; null where the end is not known"),
    remainingMs: z.number().nullable(),
  }),
);

export const statusSchema = lazily(() =>
  z
    .strictObject({
      stores: z
        .record(
          storeId(),
          z.strictObject({
            state: health(),
            memories: count()
              .nullable()
              .describe(
                "Live memories, by the store's own count; null: it does not answer, or counts no single namespaces",
              ),
            reason: z.string().optional(),
          }),
        )
        .describe("By store id, postgres (the ledger) among them"),
      backlog: z.strictObject({
        pending: count().describe("Transactions not published yet, and memories queued for a store"),
        failed: count().describe("Queued memories that failed and will be tried again"),
        dead: count().describe("Queued memories that were given up"),
      }),
      lastCleanCheckAt: instant()
        .nullable()
        .describe("When a full or deep check, or a round of the sweep, last found no drift"),
      consistency: z
        .strictObject({
          checks: z.array(checkStatus()),
          findings: z.array(z.strictObject({ store: storeId(), kind: z.enum(DRIFT_KINDS), count: count() })),
        })
        .nullable()
        .describe("Null: the ledger does not answer, or the caller sees some namespaces only"),
      services: z
        .record(
          z.string(),
          z.strictObject({
            state: z.enum(["idle", "running", "stopping", "stopped"]),
            lastError: z.string().nullable().describe("Why the last pass failed; null: it succeeded"),
          }),
        )
        .describe("Background work of this node, by name, in the order of starting"),
    })
    .meta({ id: "Status" }),
);

export const watchedStatusSchema = lazily(() =>
  statusSchema().extend({
    at: instant().optional().describe("Only with --watch, which prints one document per line"),
  }),
);

export const readinessSchema = lazily(() =>
  z
    .strictObject({
      ready: z.boolean().describe("Whether the service has the capability that the request requires"),
      degraded: z.boolean().describe("Whether the service is not ready, or a store is not healthy"),
      reason: z.string().nullable(),
      capabilities: z
        .strictObject({ read: z.boolean(), write: z.boolean(), search: z.boolean() })
        .describe("The capabilities now; search is false where no vector index is registered"),
      stores: z.record(storeId(), z.strictObject({ state: health(), reason: z.string().nullable() })),
    })
    .meta({ id: "Readiness" }),
);

export const queueSchema = lazily(() =>
  z
    .strictObject({
      paused: z.boolean().describe("On every node, by POST /v1/queue/pause or mnemosync queue pause"),
      entries: z.array(
        z.strictObject({
          ...memoryKey(),
          store: storeId(),
          nodeId: z.string().describe("The node whose store it is; empty for a store that all nodes share"),
          state: z.enum(["pending", "claimed", "dead"]),
          attempts: count(),
          enqueuedAt: instant(),
          nextAttemptAt: instant(),
          lastError: z.string().nullable(),
        }),
      ),
    })
    .meta({ id: "Queue" }),
);

export function queueDocument(
  entries: readonly QueueEntry[],
  paused: boolean,
): z.output<ReturnType<typeof queueSchema>> {
  const times = ({ enqueuedAt, nextAttemptAt }: QueueEntry) => ({
    enqueuedAt: iso(enqueuedAt),
    nextAttemptAt: iso(nextAttemptAt),
  });
  return { paused, entries: entries.map((entry) => ({ ...entry, ...times(entry) })) };
}

const importFields = lazily(() => ({
  read: count(),
  synced: count(),
  unchanged: count(),
  degraded: count(),
  rejected: count(),
  errors: z
    .array(z.strictObject({ line: count(), code: z.string(), message: z.string() }))
    .max(1_000)
    .describe("The first 1,000 rejected lines"),
}));

export const importSchema = lazily(() => z.strictObject(importFields()).meta({ id: "ImportReport" }));

export const exportImportSchema = lazily(() =>
  z.strictObject({
    ...importFields(),
    skipped: count(),
    overwritten: count(),
    deferred: count(),
    historyVersions: count(),
    complete: z.boolean().describe("False: the file was cut short"),
  }),
);
