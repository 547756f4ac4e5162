import * as z from "zod";
import { DRIFT_KINDS } from "../consistency/check/report.ts";
import { lazily } from "../domain/lazily.ts";
import type { QueueEntry } from "../ledger/queue-view.ts";
import { count, instant, iso, memoryKey, storeId } from "./fields.ts";

/** A sample as the service keeps it. */
export interface StatusFigures {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly writesPerSecond: number;
  readonly searchesPerSecond: number;
  readonly pending: number;
  readonly dead: number;
  /** By store id. */
  readonly lagSeconds: Readonly<Record<string, number>>;
}

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

/** One look at the figures of a node: the console draws them over an hour. */
const statusSampleSchema = lazily(() =>
  z.strictObject({
    at: instant(),
    writesPerSecond: z
      .number()
      .describe("Memories that callers of this node wrote or deleted, since the sample before"),
    searchesPerSecond: z.number().describe("Searches of this node"),
    pending: z.number().describe("Memories queued for a store, those that failed included"),
    dead: z.number().describe("Memories that were given up"),
    lagSeconds: z.record(storeId(), z.number()).describe("How far a store may be behind the ledger, by its id"),
  }),
);

/** The data of an event of `/v1/status/events`. */
export const statusEventSchema = lazily(() =>
  z
    .strictObject({
      at: instant(),
      status: statusSchema(),
      samples: z
        .array(statusSampleSchema())
        .describe("Those since the event before, of this node, the oldest first; none for a key of some namespaces"),
    })
    .meta({ id: "StatusEvent" }),
);

export function statusSampleDocument({
  at,
  ...figures
}: StatusFigures): z.output<ReturnType<typeof statusSampleSchema>> {
  return { at: iso(at), ...figures };
}

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
