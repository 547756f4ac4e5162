import { createHash } from "node:crypto";
import * as z from "zod";
import { decodeCursorParts, encodeCursorParts } from "../domain/cursor-text.ts";
import { ValidationError } from "../domain/errors.ts";
import { lazily } from "../domain/lazily.ts";
import { type FeedFilter, filterText } from "./feed-filter.ts";
import type { FeedPlace } from "./follower.ts";

/** Format of the text. A later program reads this one as long as it accepts cursors of today. */
const PREFIX = "c1.";
const TEXT_LENGTH_MAX = 512;
/** 2^64 - 1 and 2^63 - 1: beyond, PostgreSQL refuses the numbers. */
const XID_MAX = 18_446_744_073_709_551_615n;
const SEQ_MAX = 9_223_372_036_854_775_807n;

const decimal = (max: bigint) =>
  z
    .string()
    .regex(/^(0|[1-9][0-9]{0,19})$/)
    .refine((text) => BigInt(text) <= max);
const partsSchema = lazily(() =>
  z.tuple([z.string().min(1).max(128), decimal(XID_MAX), decimal(SEQ_MAX), z.string().length(16)]),
);

/** A place behind a filter, as one opaque text: safe in URLs, headers and file names. */
export function encodeCursor({ epoch, cursor }: FeedPlace, filter: FeedFilter): string {
  const parts = [epoch, cursor.xid, cursor.seq, fingerprint(filter)];
  return encodeCursorParts(PREFIX, parts);
}

/** @throws {ValidationError} The text is no cursor, or one of another filter. */
export function decodeCursor(text: unknown, filter: FeedFilter): FeedPlace {
  const [epoch, xid, seq, bound] = partsOf(text);
  if (bound !== fingerprint(filter)) {
    throw new ValidationError(
      "cursor",
      "belongs to another filter: give the filter that it was read with (namespaces, where, reading, includeLocal), or no cursor, to " +
        "read from the start",
    );
  }
  return { epoch, cursor: { xid, seq } };
}

function partsOf(text: unknown): z.infer<ReturnType<typeof partsSchema>> {
  const malformed = (cause?: unknown): ValidationError =>
    new ValidationError(
      "cursor",
      `is no cursor of the change feed: expected a text that an event carries${shown(text)}`,
      {
        cause,
      },
    );
  try {
    return partsSchema().parse(decodeCursorParts(PREFIX, text, TEXT_LENGTH_MAX));
  } catch (error) {
    throw malformed(error);
  }
}

function shown(text: unknown): string {
  if (typeof text !== "string") return ` (found ${text === null ? "null" : typeof text})`;
  return text.length > 60 ? ` (found ${text.length} characters)` : ` (found ${JSON.stringify(text)})`;
}

/** Names may be long and many: what has to be told is whether the filters are the same. */
function fingerprint(filter: FeedFilter): string {
  return createHash("sha256").update(filterText(filter)).digest("hex").slice(0, 16);
}
