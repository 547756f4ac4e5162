import { type FeedCursor, isLater } from "../domain/change-source.ts";
import { EpochChangedError, NotFoundError } from "../domain/errors.ts";
import { type FeedFilter, parseFilter } from "../feed/feed-filter.ts";
import type { NamedCursors } from "../feed/named-cursors.ts";
import { REPLICA_CURSORS } from "../ledger/replica-marker.ts";

export interface HintParts {
  readonly cursors: NamedCursors;
  /** Name of the replica. */
  readonly name: string;
  /** Names this process. */
  readonly holder: string;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
}

/** Milliseconds that the lease lasts after its last sign of life. */
const LEASE_MS = 30_000;
/** Milliseconds between two signs of life, and between two moves. */
const SIGN_MS = 1_000;

/** How the primary's cursor of a replica is called. */
export function hintName(replica: string): string {
  return REPLICA_CURSORS + replica;
}

/**
 * The primary's side of a replica: a named cursor. Its place is a hint, for the retention of tombstones: what counts is the place
 * that the replica keeps with its data. Its lease says which process replicates.
 */
export class Hint {
  readonly #parts: HintParts;
  readonly #name: string;
  readonly #filter: FeedFilter = parseFilter({ reading: "versions", privacy: "applied" });
  #leasedAt = Number.NEGATIVE_INFINITY;
  #movedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: HintParts) {
    this.#parts = parts;
    this.#name = hintName(parts.name);
  }

  /** Takes the lease, or prolongs it; once a second at most. @returns false: another process has it. */
  async lease(signal: AbortSignal): Promise<boolean> {
    const { cursors, holder, now } = this.#parts;
    const askedAt = now();
    if (askedAt - this.#leasedAt < SIGN_MS) return true;
    try {
      if (!(await cursors.lease(this.#name, holder, LEASE_MS, signal))) return false;
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      await this.#open(signal);
      if (!(await cursors.lease(this.#name, holder, LEASE_MS, signal))) return false;
    }
    this.#leasedAt = askedAt;
    return true;
  }

  /**
   * Keeps the lease, and has the hint follow the replica's place; once a second at most. Never back: a replica that was put back
   * needs tombstones that may be pruned already, and finds out by itself.
   * @returns false: another process has the lease.
   */
  async follow(epoch: string, place: FeedCursor, signal: AbortSignal): Promise<boolean> {
    const { cursors, holder, now } = this.#parts;
    if (!(await this.lease(signal))) return false;
    if (now() - this.#movedAt < SIGN_MS) return true;
    this.#movedAt = now();
    const kept = await cursors.read(this.#name, signal);
    if (kept === null) return false;
    if (kept.epoch !== epoch || !kept.isCurrent) {
      await cursors.restart(this.#name, { holder, contents: null }, signal);
      return true;
    }
    if (isLater(place, kept.cursor)) {
      await cursors.advance(this.#name, { from: kept.cursor, to: { epoch, cursor: place }, holder }, signal);
    }
    return true;
  }

  /** Lets another process replicate. */
  async release(signal: AbortSignal): Promise<void> {
    this.#leasedAt = Number.NEGATIVE_INFINITY;
    await this.#parts.cursors.release(this.#name, this.#parts.holder, signal);
  }

  async #open(signal: AbortSignal): Promise<void> {
    try {
      await this.#parts.cursors.open(this.#name, { filter: this.#filter }, signal);
    } catch (error) {
      if (!(error instanceof EpochChangedError)) throw error; // It is there: `follow` restarts it.
    }
  }
}
