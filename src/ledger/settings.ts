import * as z from "zod";
import { milliseconds, ONCE, wholeNumber } from "../domain/settings.ts";
import { SORT_FIELDS } from "./sort-expression.ts";

/** The ledger and the calls to it. */
export const ledgerSettings = z.strictObject({
  nodeId: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/, "expected 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    .optional()
    .describe(
      "Name of this node in version vectors and queues; derived from the host name and the index folder by default",
    ),
  callTimeoutMs: milliseconds(100).default(60_000).describe("Milliseconds that a call may take, waiting included"),
  historyVersionsMax: wholeNumber(0, 10_000).default(10).describe("Replaced versions kept per memory"),
  tombstoneRetentionMs: wholeNumber(0)
    .default(0)
    .describe(
      "Milliseconds that the tombstone of an ended memory is kept; 0: for good. Longer than any copy of Redis or of an index " +
        "may be old that comes back: a memory in it that is forgotten here counts as unknown",
    ),
  transactionRetentionMs: wholeNumber(60_000)
    .default(604_800_000)
    .describe("Milliseconds that an ended transaction is remembered"),
  idempotencyKeyRetentionMs: wholeNumber(60_000)
    .default(604_800_000)
    .describe("Milliseconds, at least, that an idempotency key and the answer to its request are remembered"),
});

const historyVersionsMax = wholeNumber(0, 10_000);
const historyMs = wholeNumber(0);
const evidenceMs = wholeNumber(0);
const tombstoneMs = wholeNumber(0);

/** What one namespace keeps of the past; what is absent is as for all others. */
const namespaceRetention = z.strictObject({
  namespace: z.string().min(1).max(128),
  historyVersionsMax: historyVersionsMax.optional(),
  historyMs: historyMs.optional(),
  evidenceMs: evidenceMs.optional(),
  tombstoneMs: tombstoneMs.optional(),
});

/** What is kept of the past, beside `historyVersionsMax`, by time and by namespace. A job prunes the rest, each hour. */
export const retentionSettings = z.strictObject({
  historyMs: historyMs
    .default(0)
    .describe(
      "Milliseconds that a replaced version is kept after it was written; 0: as long as historyVersionsMax says",
    ),
  evidenceMs: evidenceMs
    .default(0)
    .describe("Milliseconds that the record of a conflict or a repair is kept after it was settled; 0: for ever"),
  namespaces: z
    .array(namespaceRetention)
    .default([])
    .describe(
      "Other values for single namespaces, a list of { namespace, historyVersionsMax, historyMs, evidenceMs, tombstoneMs }. As text: the list as JSON",
    ),
});

/** The retention, with its defaults filled in. */
export type RetentionSettings = z.output<typeof retentionSettings>;

/** What one namespace keeps of the past, in place of what all others do. */
export interface NamespaceRetention {
  namespace: string;
  /** Replaced versions per memory. @default as `historyVersionsMax` */
  historyVersionsMax?: number | undefined;
  /** Milliseconds that a replaced version is kept after it was written; 0: for ever. @default as `retention.historyMs` */
  historyMs?: number | undefined;
  /** Milliseconds that a settled conflict is kept; 0: for ever. @default as `retention.evidenceMs` */
  evidenceMs?: number | undefined;
  /** Milliseconds that the tombstone of an ended memory is kept; 0: for good. @default as `tombstoneRetentionMs` */
  tombstoneMs?: number | undefined;
}

/** `none`, or a text search configuration of PostgreSQL. It becomes part of an index's name. */
const language = z
  .string()
  .regex(
    /^[a-z][a-z0-9_]{0,31}$/,
    "expected none, or a text search configuration of PostgreSQL, like english or simple",
  );

/**
 * Indexes that not every ledger needs: each write pays for an index, so none is made unless it is asked for. The first
 * connection that asks for one makes it, and waits until it is complete; writes go on meanwhile.
 */
export const indexSettings = z.strictObject({
  text: language
    .default("none")
    .describe(
      "Language of searches by words: a text search configuration of PostgreSQL, like english or simple; none: no index",
    ),
  fields: z
    .boolean()
    .default(false)
    .describe(
      "Whether searches with a filter that few memories pass go by an index of memoryType, privacy, embeddingModel and metadata",
    ),
  orders: z
    .array(z.enum(SORT_FIELDS))
    .default([])
    .describe(
      "Orders of lists beside that of ids, each by an index: createdAt, modifiedAt, importance. As text, separated by commas",
    ),
});

/** The defaults, for parts that are made without a configuration. */
export const LEDGER_DEFAULTS = ledgerSettings.parse({}, ONCE);

/** The optional indexes, with their defaults filled in. */
export type IndexSettings = z.output<typeof indexSettings>;
