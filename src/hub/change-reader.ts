import { FEED_START, type FeedCursor } from "../domain/change-source.ts";
import { EpochChangedError } from "../domain/errors.ts";
import { keyText } from "../domain/keys.ts";
import type { Feed } from "../feed/feed.ts";
import { parseFilter } from "../feed/feed-filter.ts";
import type { FeedChanges } from "../feed/feed-page.ts";
import type { HubLedger } from "../ledger/hub-ledger.ts";
import { pause } from "../runtime/deadline.ts";
import type { HubCaller } from "./caller.ts";
import { toldChange } from "./hub-changes.ts";
import { decodeHubCursor, encodeHubCursor, type HubCursor, isBefore, nextReading } from "./hub-cursor.ts";
import type { ChangesOptions, ChangesPage } from "./protocol/changes.ts";
import { HubError, type ResyncReason } from "./protocol/codes.ts";

export interface ChangeReaderParts {
  readonly feed: Pick<Feed, "read">;
  readonly ledger: Pick<HubLedger, "readWriters" | "keepDevicePlace" | "readTombstonesPruned">;
}

/** Namespaces that a device can read, at most: a cursor names each of them. */
const NAMESPACES_MAX = 100;

/** A device that reads, as the hub has met it. */
export interface ReadingDevice {
  readonly device: string;
  readonly ledgerEpoch: string;
  /** The hub's clock, in milliseconds since 1970. */
  readonly now: number;
}

/** Reads the change feed for devices. */
export class ChangeReader {
  readonly #parts: ChangeReaderParts;

  constructor(parts: ChangeReaderParts) {
    this.#parts = parts;
  }

  /** @throws {HubError} `RESYNC_REQUIRED`, `SYNC_BATCH`. @throws {QueueFullError} Too many wait. */
  async read(
    met: ReadingDevice,
    caller: Pick<HubCaller, "namespaces">,
    text: string | null,
    options: ChangesOptions,
    signal: AbortSignal,
  ): Promise<ChangesPage> {
    const { ledger } = this.#parts;
    const namespaces = allowed(caller, options.namespaces);
    const pruned = await ledger.readTombstonesPruned(signal);
    const cursor = cursorOf(text, met.ledgerEpoch, pruned);
    // The place counts as durable at the device: it is where it asks to go on.
    if (text !== null) await ledger.keepDevicePlace(met.device, cursor.epoch, cursor.place, text, signal);
    if (namespaces?.length === 0) {
      await pause(options.waitMs, signal);
      signal.throwIfAborted();
      return page(met, [], { namespaces, cursor: encodeHubCursor(cursor), complete: true });
    }
    const reading = nextReading(restarted(cursor, pruned, namespaces), namespaces);
    const found = await this.#page(cursor.epoch, reading.namespaces, reading.place, options, signal);
    // Behind the page: a deletion that was pruned before it was read is not on it.
    await this.#checkPruned(cursor, met.ledgerEpoch, signal);
    const writers = found.changes.length === 0 ? [] : await ledger.readWriters(found.changes, signal);
    const byKey = new Map(writers.map((writer) => [keyText(writer), writer]));
    const next = reading.after(found.cursor, found.complete);
    return page(
      met,
      found.changes.map((change) => toldChange(change, byKey, met.device)),
      {
        namespaces,
        cursor: encodeHubCursor(next),
        complete: found.complete && next.filling === null && isSame(reading.namespaces, namespaces),
      },
    );
  }

  async #page(
    epoch: string,
    namespaces: readonly string[] | null,
    place: FeedCursor,
    { limit, waitMs }: ChangesOptions,
    signal: AbortSignal,
  ): Promise<FeedChanges> {
    const filter = parseFilter({ ...(namespaces !== null && { namespaces }), privacy: "applied" });
    const query = { place: { epoch, cursor: place }, filter, parts: "memories", limit } as const;
    try {
      return await this.#parts.feed.read(query, { waitMs }, signal);
    } catch (error) {
      if (error instanceof EpochChangedError) throw resync("epoch", error.foundEpoch);
      throw error;
    }
  }

  /** @throws {HubError} Tombstones were pruned that the device has not been told of. */
  async #checkPruned({ place, pruned: before }: HubCursor, epoch: string, signal: AbortSignal): Promise<void> {
    const pruned = await this.#parts.ledger.readTombstonesPruned(signal);
    if (pruned === null || (before !== null && !isBefore(before, pruned))) return;
    if (isBefore(place, pruned)) throw resync("tombstones", epoch);
  }
}

/** The namespaces that a device reads; null: all. @throws {HubError} They are too many. */
function allowed({ namespaces: own }: Pick<HubCaller, "namespaces">, asked: readonly string[] | null) {
  if (own === null && asked === null) return null;
  const names = asked === null ? [...(own ?? [])] : asked.filter((name) => own === null || own.has(name));
  const distinct = [...new Set(names)].sort();
  if (distinct.length <= NAMESPACES_MAX) return distinct;
  const message = `the device would read ${distinct.length} namespaces, and ${NAMESPACES_MAX} is the limit: name some`;
  throw new HubError("SYNC_BATCH", message);
}

function cursorOf(text: string | null, epoch: string, pruned: FeedCursor | null): HubCursor {
  if (text === null) return { epoch, place: FEED_START, read: [], filling: null, pruned };
  const cursor = decodeHubCursor(text);
  if (cursor === null)
    throw new HubError("SYNC_BATCH", "the cursor is none of this hub: read from the start, without one");
  if (cursor.epoch !== epoch) throw resync("epoch", epoch);
  return cursor;
}

/** One that begins anew has missed nothing that was pruned until now. */
function restarted(cursor: HubCursor, pruned: FeedCursor | null, namespaces: readonly string[] | null): HubCursor {
  const next = nextReading(cursor, namespaces);
  const isAnew = next.place === FEED_START && next.after(FEED_START, false).filling === null;
  return isAnew ? { ...cursor, pruned } : cursor;
}

function resync(reason: ResyncReason, epoch: string): HubError {
  const why =
    reason === "epoch"
      ? "the hub's ledger went back, or another one has its place"
      : "the device stayed away for so long that deletions were forgotten which it was not told of";
  return new HubError("RESYNC_REQUIRED", `${why}: read everything anew, without a cursor`, {
    resync: { reason, epoch },
  });
}

function page(
  { ledgerEpoch: epoch, now }: ReadingDevice,
  changes: ChangesPage["changes"],
  rest: { namespaces: readonly string[] | null; cursor: string; complete: boolean },
): ChangesPage {
  const { namespaces, cursor, complete } = rest;
  return { epoch, now, namespaces: namespaces === null ? null : [...namespaces], changes, cursor, complete };
}

function isSame(a: readonly string[] | null, b: readonly string[] | null): boolean {
  return a === b || (a !== null && b !== null && a.length === b.length);
}
