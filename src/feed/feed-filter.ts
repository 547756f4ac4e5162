import * as z from "zod";
import { InternalError, ValidationError } from "../domain/errors.ts";
import { type Condition, type Filter, parseFilter as parseWhere } from "../domain/filter/filter.ts";
import { copyJson } from "../domain/json.ts";
import { lazily } from "../domain/lazily.ts";
import { NAMESPACE_EXPECTED, NAMESPACE_PATTERN } from "../domain/schema.ts";
import type { FeedReading } from "../ledger/feed-page-statements.ts";

/**
 * How a feed is read.
 * - `changes`: of each memory the latest version below the horizon, so a memory that is written often is told at some of its
 *   versions, the last one included.
 * - `versions`: each version, in order per memory. A reader that falls behind by more than `historyVersionsMax` versions of a
 *   memory misses those that were pruned meanwhile.
 */
export const FEED_READINGS = ["changes", "versions"] as const satisfies readonly FeedReading[];
export type { FeedReading };

/** A filter of memories in two forms: the text that cursors are bound to, and the one that is evaluated. */
export interface FeedWhere {
  /** Canonical JSON, so that the order of keys makes no other filter. */
  readonly text: string;
  readonly condition: Condition;
}

/** Which changes a reader of the feed is told of. A cursor is bound to it. */
export interface FeedFilter {
  /** Null: all. */
  readonly namespaces: readonly string[] | null;
  /**
   * Memories that pass; null: all. One that passed and no longer does is told as `withdrawn`. With privacy applied, a
   * `redacted` memory is judged without its metadata: otherwise a reader could find out by questions what it is not told.
   */
  readonly where: FeedWhere | null;
  /**
   * `applied`: for readers outside of the deployment. A `local_only` memory is never told, one that becomes `local_only` is
   * told as `withdrawn`, and a `redacted` one goes without content, metadata, embedding and checksum. `ignored`: for this
   * deployment's own stores, which hold every memory whole.
   */
  readonly privacy: "applied" | "ignored";
  readonly reading: FeedReading;
}

/** The feed as this deployment's own stores read it. */
export const WHOLE_FEED: FeedFilter = { namespaces: null, where: null, privacy: "ignored", reading: "changes" };

/** Namespaces that one filter names, at most. */
const NAMESPACES_MAX = 100;
/** Characters of a filter of memories, at most: a named cursor keeps it, and each page sends it to PostgreSQL. */
const WHERE_LENGTH_MAX = 16_384;

const filterSchema = lazily(() =>
  z.strictObject({
    namespaces: z
      .array(z.string().regex(NAMESPACE_PATTERN, NAMESPACE_EXPECTED))
      .min(1, "is empty: leave it out for all namespaces")
      .max(NAMESPACES_MAX, `names more than ${NAMESPACES_MAX} namespaces`)
      .readonly()
      .nullish(),
    where: z.unknown().optional(),
    privacy: z.enum(["applied", "ignored"], 'expected "applied" or "ignored"').default("applied"),
    reading: z.enum(FEED_READINGS, 'expected "changes" or "versions"').default("changes"),
  }),
);

/** A filter as callers give it. */
export type FeedFilterInput = Omit<z.input<ReturnType<typeof filterSchema>>, "where"> & {
  readonly where?: Filter | undefined;
};

/** @throws {ValidationError} naming the field. */
export function parseFilter(input: FeedFilterInput): FeedFilter {
  const result = filterSchema().safeParse(input);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new ValidationError(issue?.path.map(String).join(".") ?? "filter", issue?.message ?? "is not a filter");
  }
  const { namespaces, where, privacy, reading } = result.data;
  return {
    namespaces: namespaces == null ? null : [...new Set(namespaces)].sort(),
    where: where === undefined ? null : feedWhere(where),
    privacy,
    reading,
  };
}

/** Null: every memory passes. @throws {ValidationError} */
function feedWhere(filter: unknown): FeedWhere | null {
  const condition = parseWhere(filter);
  if (condition.kind === "all" && condition.of.length === 0) return null;
  const text = JSON.stringify(copyJson(JSON.parse(JSON.stringify(filter)), "where"));
  if (text.length > WHERE_LENGTH_MAX) {
    const found = `has ${text.length} characters as JSON`;
    throw new ValidationError("where", `${found}, and a reader of the feed may have at most ${WHERE_LENGTH_MAX}`);
  }
  return { text, condition };
}

/**
 * One text per filter, as the ledger keeps it and cursors are bound to. What is at its default is left out, so that a field
 * that a later version adds leaves the texts of today as they are.
 */
export function filterText({ namespaces, where, privacy, reading }: FeedFilter): string {
  return JSON.stringify({
    ...(namespaces !== null && { namespaces }),
    ...(where !== null && { where: JSON.parse(where.text) as Filter }),
    ...(privacy !== "applied" && { privacy }),
    ...(reading !== "changes" && { reading }),
  });
}

/** @throws {InternalError} The text is of no version of the program, or of a newer one. */
export function parseFilterText(text: string): FeedFilter {
  try {
    return parseFilter(JSON.parse(text) as FeedFilterInput);
  } catch (cause) {
    throw new InternalError(`the filter of a feed cursor can't be read: ${(cause as Error).message}`, { cause });
  }
}
