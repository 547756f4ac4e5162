import { createHash } from "node:crypto";
import * as z from "zod";
import { FEED_START, type FeedCursor } from "../domain/change-source.ts";
import { decodeCursorParts, encodeCursorParts } from "../domain/cursor-text.ts";
import { lazily } from "../domain/lazily.ts";
import { epochSchema } from "./protocol/change-key.ts";
import { CURSOR_LENGTH_MAX } from "./protocol/changes.ts";

/**
 * Where a device reads on. It names the namespaces that it has read (by a hash: names are long), so the hub sees which were
 * added to the key since: these are filled from the start, up to the place of the others, and go on with them.
 */
export interface HubCursor {
  readonly epoch: string;
  readonly place: FeedCursor;
  /** Hashes of namespaces that are read up to `place`; null: all. */
  readonly read: readonly string[] | null;
  /** Namespaces that are being filled, and how far; null: none. */
  readonly filling: { readonly names: readonly string[]; readonly place: FeedCursor } | null;
  /** The newest pruned tombstone when the device began: those up to it were pruned before it had read anything. */
  readonly pruned: FeedCursor | null;
}

/** Format of the text. */
const PREFIX = "h1.";
const HASH_LENGTH = 8;

const schema = lazily(() => {
  const decimal = z.string().regex(/^(0|[1-9][0-9]{0,18})$/);
  const place = z.tuple([decimal, decimal]).transform(([xid, seq]): FeedCursor => ({ xid, seq }));
  const names = z.array(z.string().length(HASH_LENGTH)).max(200);
  return z.tuple([epochSchema(), place, names.nullable(), z.tuple([names, place]).nullable(), place.nullable()]);
});

export function encodeHubCursor({ epoch, place: at, read, filling, pruned }: HubCursor): string {
  const pair = ({ xid, seq }: FeedCursor) => [xid, seq];
  const filled = filling === null ? null : [filling.names, pair(filling.place)];
  return encodeCursorParts(PREFIX, [epoch, pair(at), read, filled, pruned === null ? null : pair(pruned)]);
}

/** Null: the text is no cursor of the hub. */
export function decodeHubCursor(text: string): HubCursor | null {
  const parsed = schema().safeParse(decodeCursorParts(PREFIX, text, CURSOR_LENGTH_MAX));
  if (!parsed.success) return null;
  const [epoch, at, read, filling, pruned] = parsed.data;
  return {
    ...{ epoch, place: at, read, pruned },
    filling: filling === null ? null : { names: filling[0], place: filling[1] },
  };
}

/** The name of a namespace in a cursor. */
export function namespaceHash(namespace: string): string {
  return createHash("sha256").update(namespace).digest("base64url").slice(0, HASH_LENGTH);
}

/** What is read next, and the cursor's parts that stay. */
export interface NextReading {
  /** Null: all. */
  readonly namespaces: readonly string[] | null;
  readonly place: FeedCursor;
  /** The cursor behind a page that ends at `at`. @param complete whether nothing stood behind the page. */
  readonly after: (at: FeedCursor, complete: boolean) => HubCursor;
}

/** @param allowed the namespaces that the device may see now; null: all. */
export function nextReading(cursor: HubCursor, allowed: readonly string[] | null): NextReading {
  const hashes = allowed?.map(namespaceHash) ?? null;
  if (cursor.read !== null && hashes === null) {
    // All of them instead of some: a filter cannot name the others, so everything is read again.
    return plain({ ...cursor, place: FEED_START, read: null, filling: null }, null);
  }
  const added = hashes === null || cursor.read === null ? [] : hashes.filter((hash) => !cursor.read?.includes(hash));
  const kept = cursor.read === null || hashes === null ? hashes : hashes.filter((hash) => cursor.read?.includes(hash));
  if (added.length === 0) return plain({ ...cursor, read: hashes, filling: null }, allowed);
  // Nothing was read yet of namespaces that are still there: there is nothing to catch up with.
  if (kept?.length === 0) return plain({ ...cursor, place: FEED_START, read: hashes, filling: null }, allowed);
  const { filling } = cursor;
  const goesOn = filling !== null && added.every((hash) => filling.names.includes(hash));
  const from = goesOn ? filling.place : FEED_START;
  return {
    namespaces: (allowed ?? []).filter((_name, index) => added.includes((hashes ?? [])[index] as string)),
    place: from,
    after: (at, complete) => {
      const isFilled = complete || !isBefore(at, cursor.place);
      if (isFilled) return { ...cursor, read: hashes, filling: null };
      return { ...cursor, read: kept ?? null, filling: { names: added, place: at } };
    },
  };
}

function plain(cursor: HubCursor, namespaces: readonly string[] | null): NextReading {
  return { namespaces, place: cursor.place, after: (at) => ({ ...cursor, place: at }) };
}

/** Whether a place stands before another one. */
export function isBefore(a: FeedCursor, b: FeedCursor): boolean {
  const [xid, other] = [BigInt(a.xid), BigInt(b.xid)];
  return xid === other ? BigInt(a.seq) < BigInt(b.seq) : xid < other;
}
