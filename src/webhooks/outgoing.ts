import { EpochChangedError } from "../domain/errors.ts";
import { keyText } from "../domain/keys.ts";
import type { ChangeEvent } from "../feed/change-options.ts";
import { toEvent } from "../feed/change-stream.ts";
import type { Feed } from "../feed/feed.ts";
import type { FeedFilter, FeedReading } from "../feed/feed-filter.ts";
import type { FeedPlace } from "../feed/follower.ts";
import type { SubscriptionRow } from "../ledger/subscription-statements.ts";
import type { ChangeReference, MessageRow } from "../ledger/webhook-message-statements.ts";
import { changeBody, changeMessageId, memoryType } from "./message.ts";
import { filterOf } from "./subscription.ts";
import type { SubscriptionStore } from "./subscription-store.ts";
import { CHANGE_TOPIC } from "./topics.ts";

/** A message that is to be sent. */
export interface Outgoing {
  readonly id: string;
  readonly type: string;
  /** Made when it is sent: a page of them together would be as large again. */
  readonly body: () => string;
  /** Null for an event, which has a row already. */
  readonly change: ChangeReference | null;
}

/** What is next for a receiver, in the order of sending. */
export interface Batch {
  readonly messages: readonly Outgoing[];
  /** `queue`: rows of the ledger. `feed`: changes behind the place of the subscription. */
  readonly source: "queue" | "feed";
  /** Rows with nothing left to tell: a later change took the place of this one. */
  readonly superseded: readonly string[];
  /** Where the page of the feed ends; null for the queue. */
  readonly end: FeedPlace | null;
  readonly complete: boolean;
}

/** Changes of one batch: their documents are in memory, 8 MiB at most. */
const CHANGES_MAX = 50;
/** Queued messages of one batch: each replayed change is read by itself, 1 MiB and more. */
const QUEUED_MAX = 8;

export interface OutgoingParts {
  readonly feed: Pick<Feed, "read" | "tellsWhole">;
  readonly store: Pick<SubscriptionStore, "messages">;
}

/** Events and replayed dead letters go first: they are older than what the feed has next. @throws {EpochChangedError} */
export async function nextBatch(
  { feed, store }: OutgoingParts,
  row: SubscriptionRow,
  place: FeedPlace,
  signal: AbortSignal,
): Promise<Batch> {
  const queued = await store.messages(row.id, "pending", { limit: QUEUED_MAX }, signal);
  if (queued.length > 0) return await queuedBatch(feed, row, queued, signal);
  if (!row.topics.includes(CHANGE_TOPIC)) {
    return { messages: [], source: "queue", superseded: [], end: null, complete: true };
  }
  const filter = filterOf(row);
  const page = await feed.read({ place, filter, parts: partsOf(row), limit: CHANGES_MAX }, {}, signal);
  const messages = page.changes.map((change) =>
    outgoing(row, page.epoch, toEvent(change, page.epoch, filter), change.cursor),
  );
  const end = { epoch: page.epoch, cursor: page.cursor };
  return { messages, source: "feed", superseded: [], end, complete: page.complete };
}

/** Messages from `start` on that may be under way together: `sizeMax` at most, and of a memory only one. */
export function windowFrom(messages: readonly Outgoing[], start: number, sizeMax: number): readonly Outgoing[] {
  const memories = new Set<string>();
  const window: Outgoing[] = [];
  for (const message of messages.slice(start, start + sizeMax)) {
    const key = message.change === null ? message.id : keyText(message.change);
    if (memories.has(key)) break;
    memories.add(key);
    window.push(message);
  }
  return window;
}

async function queuedBatch(
  feed: OutgoingParts["feed"],
  row: SubscriptionRow,
  queued: readonly MessageRow[],
  signal: AbortSignal,
): Promise<Batch> {
  const filter = filterOf(row);
  const messages: Outgoing[] = [];
  const superseded: string[] = [];
  for (const { id, topic, payload, change } of queued) {
    if (payload !== null) {
      messages.push({ id, type: topic, body: () => payload, change: null });
      continue;
    }
    const found = change === null ? null : await readAgain(feed, row, filter, change, signal);
    if (found === null || change === null) superseded.push(id);
    else messages.push({ id, type: memoryType(found.kind), body: () => changeBody(found, row.embeddings), change });
  }
  return { messages, source: "queue", superseded, end: null, complete: false };
}

/** The change of a dead letter; null where there is nothing left to tell of it. */
async function readAgain(
  feed: OutgoingParts["feed"],
  row: SubscriptionRow,
  filter: FeedFilter,
  change: ChangeReference,
  signal: AbortSignal,
): Promise<ChangeEvent | null> {
  const latest = await changeAt(feed, row, { filter, reading: "changes" }, change, signal);
  if (latest !== null || filter.reading === "changes") return latest;
  // A later version was told. An ending or a withdrawal before it is no news, and content must not come back to a receiver that
  // was told to forget it.
  const older = await changeAt(feed, row, { filter, reading: filter.reading }, change, signal);
  return older?.kind === "put" && (await feed.tellsWhole(change, filter, signal)) ? older : null;
}

/** The change at its place in the feed; null where that is the place of another one now, or of another history. */
async function changeAt(
  feed: OutgoingParts["feed"],
  row: SubscriptionRow,
  { filter, reading }: { filter: FeedFilter; reading: FeedReading },
  { namespace, memoryId, version, epoch, xid, seq }: ChangeReference,
  signal: AbortSignal,
): Promise<ChangeEvent | null> {
  const place = { epoch, cursor: { xid, seq: String(BigInt(seq) - 1n) } };
  try {
    const page = await feed.read({ place, filter: { ...filter, reading }, parts: partsOf(row), limit: 1 }, {}, signal);
    const [first] = page.changes;
    const isSame = first?.namespace === namespace && first.memoryId === memoryId && first.version === version;
    return first !== undefined && isSame ? toEvent(first, page.epoch, filter) : null;
  } catch (error) {
    if (error instanceof EpochChangedError) return null;
    throw error;
  }
}

function outgoing(row: SubscriptionRow, epoch: string, event: ChangeEvent, at: { xid: string; seq: string }): Outgoing {
  const { namespace, memoryId, version, kind } = event;
  return {
    id: changeMessageId(row.id, epoch, event),
    type: memoryType(kind),
    body: () => changeBody(event, row.embeddings),
    change: { namespace, memoryId, version, epoch, ...at },
  };
}

function partsOf({ embeddings }: SubscriptionRow): "documents" | "memories" {
  return embeddings ? "memories" : "documents";
}
