import type { TimeWindow } from "../time-window.ts";
import { finite } from "./dialect.ts";
import type { MemorySpaceItem } from "./item.ts";
import type { ListingFacts } from "./list-reader.ts";

/** One request for a listing: gives its items as they arrive. */
export type ListPage = (window: TimeWindow, limit: number) => AsyncGenerator<MemorySpaceItem, ListingFacts>;

export interface ListingPlan {
  /** Whether the server filters by both ends of a window, so that a window can be divided. */
  readonly canDivide: boolean;
  /** Items asked for in one request. */
  readonly limit: number;
  /** Items asked for at most, where a window cannot be divided. */
  readonly limitMax: number;
}

/** How a listing ended. */
export interface ListingEnd {
  /** Whether it held every item of the window. Where it is false, an item that was not listed may exist. */
  readonly complete: boolean;
  /** Why it is not complete; null where it is. */
  readonly reason: string | null;
  readonly requests: number;
  /** Entries that are no items. */
  readonly unreadable: number;
}

/** Some servers round times to days: parts of a divided window overlap by one, so that no item falls between them. */
const OVERLAP_MS = 86_400_000;
/** Windows that are shorter overlap by a second. */
const SHORT_MS = 8 * OVERLAP_MS;
const OVERLAP_SHORT_MS = 1_000;
/** A window of this length that still holds more than a listing gives is not divided further. */
const WINDOW_MIN_MS = 4 * OVERLAP_SHORT_MS;
/** Requests of one listing, at most: a server that answers everything with a full page would be asked for ever. */
const REQUESTS_MAX = 20_000;
/** Fewer items than this are no sign of a limit that the server lowered without a word. */
const SILENT_LIMIT_MIN = 10;
/** How far behind the oldest item of an answer each look for others ends. The last two are for items of one time, and of one day. */
const LOOKS_MS = [OVERLAP_MS, OVERLAP_SHORT_MS, 0, -1, -OVERLAP_MS] as const;

/**
 * Lists a window of time whole, although each request gives a limited number of items and no token for the next ones. An answer
 * with fewer items than were asked for holds all of them. Otherwise the rest is asked for: behind the oldest item where they come
 * newest first, in two halves where they do not, and with a higher limit where the server knows no windows.
 *
 * An item may come more than once.
 */
export async function* listWindow(
  window: TimeWindow,
  plan: ListingPlan,
  page: ListPage,
): AsyncGenerator<MemorySpaceItem, ListingEnd> {
  const listing = new Listing(plan, page);
  const reason = yield* plan.canDivide ? listing.divided(window) : listing.raised(window);
  return { complete: reason === null, reason, requests: listing.requests, unreadable: listing.unreadable };
}

/** What one answer told about the window that it is of. */
interface Answer {
  readonly entries: number;
  readonly isFull: boolean;
  readonly oldest: number | null;
  readonly isDescending: boolean;
  readonly ids: ReadonlySet<string>;
  readonly limitIsKnown: boolean;
}

class Listing {
  requests = 0;
  unreadable = 0;
  readonly #plan: ListingPlan;
  readonly #page: ListPage;
  /** Items that the server gives at most, once it was caught giving fewer than asked for. */
  #silentLimit = Number.POSITIVE_INFINITY;

  constructor(plan: ListingPlan, page: ListPage) {
    this.#plan = plan;
    this.#page = page;
  }

  /** Asks for more items each time, since nothing else can be asked. @returns why it is not complete, or null. */
  async *raised(window: TimeWindow): AsyncGenerator<MemorySpaceItem, string | null> {
    for (let limit = this.#plan.limit; ; limit = Math.min(limit * 4, this.#plan.limitMax)) {
      const answer = yield* this.#ask(window, limit, new Set());
      if (!answer.isFull) return null;
      if (limit >= this.#plan.limitMax || answer.entries < limit) {
        return `the server gives ${answer.entries} items at most, and there may be more`;
      }
    }
  }

  /** @returns why it is not complete, or null. */
  async *divided(whole: TimeWindow): AsyncGenerator<MemorySpaceItem, string | null> {
    const open: { window: TimeWindow; known: ReadonlySet<string> }[] = [{ window: whole, known: new Set() }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (this.requests >= REQUESTS_MAX) return `the listing took ${REQUESTS_MAX} requests, and is not at its end`;
      const { window, known } = next;
      const answer = yield* this.#ask(window, this.#plan.limit, known);
      const older = olderThan(window, answer.oldest);
      if (!answer.isFull) {
        if (answer.limitIsKnown || answer.entries < SILENT_LIMIT_MIN) continue;
        // The server does not say its limit: looks show whether something stands behind what it gave.
        if (yield* this.#isBehind(window, answer)) open.push({ window, known: answer.ids });
      } else if (answer.isDescending && older !== null) {
        // Where it gives the same items again, the next part overlaps less.
        open.push({ window: older, known: answer.ids });
      } else {
        const halves = halvesOf(window);
        if (halves === null) return `more than ${answer.entries} items have the time ${isoOf(window)}: raise listLimit`;
        open.push(...halves.map((half) => ({ window: half, known: answer.ids })));
      }
    }
    return null;
  }

  /**
   * Whether the server has items of a window behind those that it gave; then its limit is known as well. A look that gives the same
   * items again may have been cut like the answer, so the next one goes less far. What cannot be told: whether there are more items
   * of the one time that all of them have, or of the one day at a server that rounds to days.
   */
  async *#isBehind(window: TimeWindow, { oldest, ids }: Answer): AsyncGenerator<MemorySpaceItem, boolean> {
    if (oldest === null) return false;
    const { from, to } = finite(window);
    for (const distance of LOOKS_MS) {
      const end = oldest + distance;
      if (end >= to) continue;
      if (distance < 0 && end < from) return false;
      const look = yield* this.#ask({ from: Math.min(from, end), to: end }, this.#plan.limit, ids);
      if (!hasAll(ids, look.ids)) {
        this.#silentLimit = Math.min(this.#silentLimit, ids.size);
        return true;
      }
      if (look.ids.size < ids.size) return false;
    }
    return false;
  }

  async *#ask(window: TimeWindow, limit: number, known: ReadonlySet<string>): AsyncGenerator<MemorySpaceItem, Answer> {
    this.requests++;
    const ids = new Set<string>();
    let oldest: number | null = null;
    let previous = Number.POSITIVE_INFINITY;
    let isDescending = true;
    const items = this.#page(window, limit);
    let step = await items.next();
    for (; !step.done; step = await items.next()) {
      const item = step.value;
      ids.add(item.id);
      const { createdAt } = item;
      if (createdAt === null || createdAt > previous) isDescending = false;
      if (createdAt !== null) {
        oldest = Math.min(oldest ?? createdAt, createdAt);
        previous = createdAt;
      }
      if (!known.has(item.id) && isWithin(item, window)) yield item;
    }
    const { entries, unreadable, limit: answered } = step.value;
    this.unreadable += unreadable;
    const kept = Math.min(limit, answered ?? limit, this.#silentLimit);
    const limitIsKnown = answered !== null || Number.isFinite(this.#silentLimit);
    return { entries, isFull: entries >= kept, oldest, isDescending, ids, limitIsKnown };
  }
}

/** By the newest of its times: a server that filters by changes gives items that are older. Without a time it is always in. */
function isWithin({ createdAt, updatedAt }: MemorySpaceItem, window: TimeWindow): boolean {
  if (createdAt === null) return true;
  const { from, to } = finite(window);
  return createdAt <= to && Math.max(createdAt, updatedAt ?? createdAt) >= from;
}

/** The part of a window up to its oldest item, that item included; null where that is no smaller. */
function olderThan(window: TimeWindow, oldest: number | null): TimeWindow | null {
  if (oldest === null) return null;
  const { from, to } = finite(window);
  for (const overlap of [OVERLAP_MS, OVERLAP_SHORT_MS, 0]) {
    if (oldest + overlap < to) return { from: Math.min(from, oldest), to: oldest + overlap };
  }
  return null;
}

function halvesOf(window: TimeWindow): readonly TimeWindow[] | null {
  const { from, to } = finite(window);
  const length = to - from;
  if (length < WINDOW_MIN_MS) return null;
  const middle = Math.floor(from + length / 2);
  const overlap = length > SHORT_MS ? OVERLAP_MS : OVERLAP_SHORT_MS;
  return [
    { from, to: middle + overlap },
    { from: middle, to },
  ];
}

function hasAll(known: ReadonlySet<string>, ids: ReadonlySet<string>): boolean {
  for (const id of ids) if (!known.has(id)) return false;
  return true;
}

function isoOf(window: TimeWindow): string {
  return new Date(finite(window).from).toISOString();
}
