import * as z from "zod";
import { milliseconds, urlOf, wholeNumber } from "../domain/settings.ts";
import { parsePostgresUrl } from "../drivers/postgres/postgres-url.ts";

/** Which ended memories merged reads show from the replica. */
export const ARCHIVES = ["off", "expired"] as const;
export type Archive = (typeof ARCHIVES)[number];

/** The replica, under `replica`: a second database that is written from the primary's feed. */
export const replicaSettings = z
  .strictObject({
    enabled: z.boolean().default(false).describe("Whether there is a replica. docs/replica.md explains it"),
    postgresUrl: urlOf(parsePostgresUrl, ["postgres", "postgresql"])
      .optional()
      .describe("The replica's database: an empty one at first, never a ledger's own"),
    name: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,62}$/, "expected a lower-case letter, then up to 62 of a-z, 0-9 and -")
      .default("replica")
      .describe("Name of the replica in dead letters, receipts of erasures and the primary's feed cursors"),
    mergedReads: z.boolean().default(true).describe("Whether reads ask the replica too"),
    archive: z
      .enum(ARCHIVES)
      .default("off")
      .describe("Ended memories that merged reads show from the replica: none, or those that expired"),
    faissDirectory: z
      .string()
      .min(1, "expected the folder of the index's snapshots")
      .optional()
      .describe("Folder of a vector index over the replica, for searches by vector; none: they ask the primary alone"),
    readsWhenPrimaryDown: z
      .boolean()
      .default(false)
      .describe("Whether reads are answered by the replica alone while the primary is away, and marked so"),
    workers: wholeNumber(1, 32)
      .default(4)
      .describe("Connections that write to the replica at a time; a memory keeps its order"),
    batchSize: wholeNumber(1, 1_000).default(100).describe("Changes per transaction in the replica, at most"),
    windowMax: wholeNumber(1, 100_000)
      .default(2_000)
      .describe("Changes that are read from the primary and not committed in the replica, at most"),
    retriesMax: wholeNumber(0, 100)
      .default(3)
      .describe("Retries of a memory that the replica refuses, before it is a dead letter"),
    retryIntervalMs: milliseconds(100)
      .default(5_000)
      .describe("Milliseconds between retries of a memory that the replica refuses"),
    healthCheckIntervalMs: milliseconds(50)
      .default(30_000)
      .describe("Milliseconds between health checks of the replica while it is healthy"),
    reconnectBackoffMs: milliseconds(10)
      .default(10_000)
      .describe(
        "Milliseconds before the first attempt after the replica was away; it doubles, up to twelve times as long",
      ),
    readTimeoutMs: milliseconds(1)
      .default(500)
      .describe("Milliseconds that a merged read waits for the replica, at most"),
    connectionsMax: wholeNumber(2, 1_000).default(12).describe("Connections of a node to the replica, at most"),
  })
  .superRefine(({ enabled, postgresUrl }, context) => {
    if (!enabled || postgresUrl !== undefined) return;
    context.addIssue({ code: "custom", path: ["postgresUrl"], message: "is needed where replica.enabled is true" });
  });

export type ReplicaSettings = z.output<typeof replicaSettings>;
