import { FEED_START } from "../domain/change-source.ts";
import { EpochChangedError, StoreUnavailableError } from "../domain/errors.ts";
import { LEDGER_ID } from "../domain/store-id.ts";
import type { Log } from "../runtime/log.ts";
import type { FeedFilter } from "./feed-filter.ts";
import type { FeedPlace, PlaceKeeper } from "./follower.ts";
import type { NamedCursor, NamedCursors } from "./named-cursors.ts";

export interface LedgerPlaceOptions {
  readonly cursors: NamedCursors;
  readonly name: string;
  readonly filter: FeedFilter;
  /** Names this process. */
  readonly holder: string;
  /** Milliseconds that the place stays with this process after its last sign of life. @default 60_000 */
  readonly leaseMs?: number;
  /** `restart`: follow from the start of the feed; `throw`: an EpochChangedError for the user to deal with. @default "throw" */
  readonly onNewEpoch?: "restart" | "throw";
  /**
   * Names the data that the follower fills, as it is now: another name than the kept one means that the data began from
   * nothing, and the follower from the start. @default the kept name
   */
  readonly contents?: (kept: NamedCursor, signal: AbortSignal) => Promise<string | null>;
  readonly log: Log;
  /** Milliseconds on a clock that never goes back. @default performance.now */
  readonly now?: () => number;
}

const LEASE_MS = 60_000;

/** A follower's place under a name in the ledger: for data that keeps none itself. One process at a time has it. */
export class LedgerPlace implements PlaceKeeper {
  readonly #options: LedgerPlaceOptions;
  readonly #leaseMs: number;
  readonly #now: () => number;
  #leasedAt = Number.NEGATIVE_INFINITY;
  #isHeldElsewhere = false;

  constructor(options: LedgerPlaceOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
    this.#now = options.now ?? (() => performance.now());
  }

  async load(epoch: string, signal: AbortSignal): Promise<FeedPlace | null> {
    const { cursors, name, filter, contents, log, onNewEpoch } = this.#options;
    let cursor: NamedCursor | null;
    try {
      cursor = await cursors.open(name, { filter }, signal);
    } catch (error) {
      if (!(error instanceof EpochChangedError) || onNewEpoch !== "restart") throw error;
      log.warn({ cursor: name, from: error.expectedEpoch, to: error.foundEpoch }, "feed.epoch_changed");
      cursor = await cursors.read(name, signal);
    }
    if (cursor === null) throw moved(name);
    if (!(await this.#lease(signal))) return null;
    // From the start of the lease on nothing else moves it, so what it says now counts.
    const held = await cursors.read(name, signal);
    if (held === null) throw moved(name);
    const found = (await contents?.(held, signal)) ?? held.contents;
    if (held.isCurrent && found === held.contents) return { epoch: held.epoch, cursor: held.cursor };
    if (held.isCurrent && held.contents !== null)
      log.warn({ cursor: name, from: held.contents, to: found }, "feed.contents_changed");
    if (!(await cursors.restart(name, { holder: this.#options.holder, contents: found }, signal))) throw moved(name);
    return { epoch, cursor: FEED_START };
  }

  async save(from: FeedPlace, to: FeedPlace, signal: AbortSignal): Promise<void> {
    const { cursors, name, holder } = this.#options;
    if (this.#now() - this.#leasedAt > this.#leaseMs / 3 && !(await this.#lease(signal))) throw moved(name);
    if (!(await cursors.advance(name, { from: from.cursor, to, holder }, signal))) throw moved(name);
  }

  async release(signal: AbortSignal): Promise<void> {
    await this.#options.cursors.release(this.#options.name, this.#options.holder, signal);
  }

  async #lease(signal: AbortSignal): Promise<boolean> {
    const { cursors, name, holder, log } = this.#options;
    const askedAt = this.#now();
    const has = await cursors.lease(name, holder, this.#leaseMs, signal);
    if (has) this.#leasedAt = askedAt;
    else if (!this.#isHeldElsewhere) log.info({ cursor: name }, "feed.cursor_held_elsewhere");
    this.#isHeldElsewhere = !has;
    return has;
  }
}

/** Retried with the next pass, which finds out what there is now. */
function moved(name: string): StoreUnavailableError {
  return new StoreUnavailableError(
    LEDGER_ID,
    `feed cursor ${JSON.stringify(name)} was moved or taken by another process`,
  );
}
