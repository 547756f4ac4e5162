import * as z from "zod";
import { milliseconds, ONCE, wholeNumber } from "../domain/settings.ts";

/** The write path and the backlog. */
export const writeSettings = z.strictObject({
  batchSize: wholeNumber(1, 5_000).default(100).describe("Memories per transaction, at most"),
  writeConcurrency: wholeNumber(1, 64).default(4).describe("Transactions that run at the same time, at most"),
  writeWaitingMax: wholeNumber(1, 1_000_000)
    .default(10_000)
    .describe("Memories that may wait for their transaction; beyond it callers wait"),
  retriesMax: wholeNumber(0, 20).default(3).describe("Retries of a transaction after a transient failure, at most"),
  retryDelayMs: milliseconds(1)
    .default(50)
    .describe("Milliseconds before the first retry, at most; doubles with each retry, up to 2 s"),
  onStoreDown: z
    .enum(["degrade", "reject"])
    .default("degrade")
    .describe("Whether a write commits without a store that is down (degrade), or fails (reject)"),
  storeFailuresMax: wholeNumber(1, 1_000)
    .default(3)
    .describe(
      "Failures in a row after which writes leave a store out until a probe succeeds; calls that were under way together fail once",
    ),
  storeProbeIntervalMs: milliseconds(0)
    .default(1_000)
    .describe("Milliseconds between probes of a store that writes leave out"),
  storeProbeTimeoutMs: milliseconds(10).default(2_000).describe("Milliseconds that a probe of a store may take"),
  prepareTimeoutMs: milliseconds(10)
    .default(2_000)
    .describe("Milliseconds for the stores to accept a transaction before it is committed"),
  publishTimeoutMs: milliseconds(10)
    .default(10_000)
    .describe("Milliseconds for the stores to show a committed transaction before it goes to the backlog"),
  inDoubtTimeoutMs: milliseconds(100)
    .default(30_000)
    .describe("Milliseconds to find out the outcome of a commit whose answer was lost"),
  publishDeadlineMs: milliseconds(100)
    .default(30_000)
    .describe("Milliseconds after which the backlog takes over an unpublished transaction and it counts as drift"),
  syncIntervalMs: milliseconds(10).default(5_000).describe("Milliseconds between passes of the backlog"),
  queueAttemptsMax: wholeNumber(1, 1_000)
    .default(10)
    .describe("Attempts to publish a memory that a store refuses, before it becomes a dead letter"),
});

/** The settings of the write path, with their defaults filled in. */
export type WriteSettings = z.output<typeof writeSettings>;

/** The defaults, for parts that are created without a configuration. */
export const WRITE_DEFAULTS: Readonly<WriteSettings> = writeSettings.parse({}, ONCE);
