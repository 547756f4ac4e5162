import { type MnemosyncError, StoreUnavailableError } from "../domain/errors.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { PastLedger } from "../ledger/past-ledger.ts";
import { withDeadline } from "../runtime/deadline.ts";
import type { Log } from "../runtime/log.ts";
import type { StoreGuard } from "../stores/guarded-store.ts";
import type { Projection, StoreStanding } from "../stores/projection.ts";
import { judgeStore } from "./store-brand.ts";
import { countsAgainstProjection } from "./store-gate.ts";
import { isSameBrand, NO_RECORD, ownerOf, seenOf, type Verdict } from "./store-verdict.ts";
import { isWatched, type WatchedProjection } from "./watched-projection.ts";

interface Known {
  readonly verdict: Verdict;
  /** The ledger's epoch in which it was judged. */
  readonly epoch: string;
  /** Losses of the store's link when it was asked. */
  readonly links: number;
  /** Whether it was ever compared as a whole. */
  readonly compared: boolean;
}

export interface StandingParts {
  readonly past: Pick<PastLedger, "known" | "prove" | "storeRecords" | "confirmStore" | "mark">;
  /** Those of scope `shared` that have `standing` are watched. */
  readonly projections: readonly Projection[];
  readonly log: Log;
  /**
   * Milliseconds after which the last proof of the ledger's history is too old for a read to rely on the next pass of the
   * background work alone: passes rest longer and longer while the ledger is away. @default 5_000
   */
  readonly proofAgeMaxMs?: number;
  /** Milliseconds on a clock that never goes back. @default performance.now */
  readonly now?: () => number;
}

/** Milliseconds between two looks that reads cause. */
const LOOK_INTERVAL_MS = 250;
/** Milliseconds that such a look may take. */
const LOOK_TIMEOUT_MS = 10_000;
/** Milliseconds that a store has to say how it stands: one that hangs must not delay the proof of the ledger's history. */
const STANDING_TIMEOUT_MS = 2_000;

/**
 * Whether each shared store is the copy of this ledger, and as new as when it was compared last. Where it may have gone
 * back, reads go to the ledger until the leader has compared it as a whole; where it is another ledger's, it is not used.
 *
 *     trusted ──other life, older mark, emptied, epoch──► doubted ──compared, confirmed──► trusted
 *        └──another ledger's brand──► foreign ──brand removed──► trusted
 *
 * A verdict holds for the epoch in which it was given. Once any part of the process has proven another one, no verdict of an
 * earlier one counts, though the store may not have answered since: what it holds may have been taken back.
 */
export class StoreStandings {
  readonly #parts: StandingParts;
  readonly #now: () => number;
  /** Called when a store begins to be doubted: it should be compared as a whole, at once. */
  onDoubt: () => void = () => undefined;
  readonly #known = new Map<StoreId, Known>();
  #refreshing: Promise<void> | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #provenAt = Number.NEGATIVE_INFINITY;

  constructor(parts: StandingParts) {
    this.#parts = parts;
    this.#now = parts.now ?? (() => performance.now());
  }

  /** Shared stores that can tell how they stand. */
  get watched(): readonly WatchedProjection[] {
    return this.#parts.projections.filter(isWatched);
  }

  /** Null: not looked at yet, or it cannot tell. */
  verdictOf(id: StoreId): Verdict | null {
    return this.#known.get(id)?.verdict ?? null;
  }

  /** For `guardedStore`. */
  guardOf(projection: Projection): StoreGuard {
    return {
      refusal: () => this.refusalOf(projection),
      look: (signal) => this.look(projection, signal),
      epochDiffers: () => this.#lookSoon(),
    };
  }

  /** Why a store must not be used; null where it may be. One that cannot refuse by itself is not used unseen. */
  refusalOf(projection: Projection): MnemosyncError | null {
    if (!isWatched(projection)) return null;
    const verdict = this.verdictOf(projection.id);
    if (verdict?.state === "foreign") return verdict.error;
    if (verdict !== null || projection.admit !== undefined) return null;
    return new StoreUnavailableError(projection.id, "whose copy it is was not seen yet");
  }

  /** Ids of those that are another ledger's. */
  get foreign(): readonly StoreId[] {
    return [...this.#known].filter(([, { verdict }]) => verdict.state === "foreign").map(([id]) => id);
  }

  /**
   * Whether reads may show what the store holds. Sends nothing; where the answer may have changed (the link was
   * lost, the store is doubted, or the last proof is old), a look begins in the background.
   */
  isTrusted(projection: Projection): boolean {
    const trusted = this.#isTrusted(projection);
    const { proofAgeMaxMs = 5_000 } = this.#parts;
    if (!trusted || (isWatched(projection) && this.#now() - this.#provenAt > proofAgeMaxMs)) this.#lookSoon();
    return trusted;
  }

  /** Begins a look in the background, at most one per `LOOK_INTERVAL_MS`. */
  #lookSoon(): void {
    if (this.#refreshing === null && this.#now() - this.#lookedAt >= LOOK_INTERVAL_MS) {
      this.refresh(AbortSignal.timeout(LOOK_TIMEOUT_MS)).catch((error: Error) =>
        this.#parts.log.debug({ error: error.message }, "store.standing_unknown"),
      );
    }
  }

  /** Asks again where a store is not known to be trusted. Never rejects: where it does not answer, nothing changes. */
  async look(projection: Projection, signal: AbortSignal): Promise<void> {
    if (this.#isTrusted(projection)) return;
    await this.refresh(signal).catch((error: Error) =>
      this.#parts.log.debug({ store: projection.id, error: error.message }, "store.standing_unknown"),
    );
  }

  /**
   * Asks every store. A store without a brand gets this ledger's, so that no other ledger takes it meanwhile.
   * @throws {StoreUnavailableError} One of them, or the ledger, did not answer. The others were asked all the same.
   */
  refresh(signal: AbortSignal): Promise<void> {
    this.#refreshing ??= this.#refresh(signal).finally(() => {
      this.#refreshing = null;
      this.#lookedAt = this.#now();
    });
    return this.#refreshing;
  }

  /** Whether a store was compared as a whole in this epoch, and has not given a reason for doubt since. */
  isConfirmed(id: StoreId): boolean {
    const known = this.#known.get(id);
    return known?.compared === true && known.verdict.state === "trusted" && this.#isOfThisEpoch(known);
  }

  /**
   * Asks for the first time. A store that is away is asked again later.
   * @throws {StoreForeignError} A store belongs to another ledger. @throws {StoreUnavailableError} The ledger is away.
   */
  async begin(signal: AbortSignal): Promise<void> {
    try {
      await this.refresh(signal);
    } catch (error) {
      if (signal.aborted || !countsAgainstProjection(error)) throw error;
      this.#parts.log.warn({ error: error.message }, "store.standing_unknown");
    }
    for (const { verdict } of this.#known.values()) if (verdict.state === "foreign") throw verdict.error;
  }

  /** What a store says now, for `confirm`. Null: it cannot tell. */
  async standingOf(projection: Projection, signal: AbortSignal): Promise<StoreStanding | null> {
    return isWatched(projection) ? await projection.standing(signal) : null;
  }

  /**
   * The store agrees with the ledger: it was compared as a whole, or there was no reason to. Leaves a new mark in both.
   * @param seen what it said before it was compared.
   * @returns false where it says something else now, so that it may have gone back meanwhile, or where it takes no mark.
   */
  async confirm(projection: Projection, seen: StoreStanding, signal: AbortSignal): Promise<boolean> {
    if (!isWatched(projection)) return true;
    try {
      return await this.#confirm(projection, seen, signal);
    } catch (error) {
      // The comparison stays true, so the check must not fail: a Redis out of memory is compared and takes no mark. The next
      // check confirms the store.
      if (signal.aborted || !countsAgainstProjection(error)) throw error;
      this.#parts.log.warn({ store: projection.id, error: error.message }, "store.brand_failed");
      return false;
    }
  }

  async #confirm(projection: WatchedProjection, seen: StoreStanding, signal: AbortSignal): Promise<boolean> {
    const { past } = this.#parts;
    const links = projection.links ?? 0;
    const now = await projection.standing(signal);
    const name = await past.prove(signal, seenOf(now));
    if (now.life !== seen.life || !isSameBrand(seen.brand, now.brand, name)) return false;
    if (now.brand !== null && now.brand.owner.epoch !== name.epoch) {
      // It was compared while it took publishes of an earlier epoch.
      await this.refresh(signal);
      return false;
    }
    const mark = await past.mark(signal);
    // The ledger's record last: a crash in between leaves a newer mark in the store, which is no reason for doubt.
    if (!(await projection.brand(now.brand?.owner ?? null, { owner: ownerOf(name), mark }, signal))) return false;
    await past.confirmStore(projection.id, { life: seen.life, mark, compared: true }, signal);
    this.#know(projection, { state: "trusted" }, { links, epoch: name.epoch, compared: true });
    return true;
  }

  #isTrusted(projection: Projection): boolean {
    if (!isWatched(projection)) return true;
    const known = this.#known.get(projection.id);
    return known?.verdict.state === "trusted" && known.links === (projection.links ?? 0) && this.#isOfThisEpoch(known);
  }

  #isOfThisEpoch({ epoch }: Known): boolean {
    return epoch === this.#parts.past.known?.epoch;
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    const { past } = this.#parts;
    const answers = await Promise.allSettled(
      this.watched.map(async (projection) => {
        const links = projection.links ?? 0;
        const standing = await withDeadline(STANDING_TIMEOUT_MS, signal, (deadline) => projection.standing(deadline));
        return { projection, links, standing };
      }),
    );
    const asked = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    // The stores before the ledger: a mark that one of them bears was committed by then.
    const name = await past.prove(
      signal,
      asked.flatMap(({ standing }) => seenOf(standing)),
    );
    this.#provenAt = this.#now();
    for (const projection of this.watched) projection.admit?.(name.ledger);
    if (asked.length > 0) {
      const { epochs, records } = await past.storeRecords(signal);
      for (const { projection, links, standing } of asked) {
        const record = records.get(projection.id) ?? NO_RECORD;
        const judge = (now: StoreStanding) =>
          judgeStore(projection, now, { name, epochs, record }, this.#parts, signal);
        let verdict = await judge(standing);
        // A check may have left a newer mark in the store, and then in the ledger, since the store was asked: only a mark
        // that is read after the ledger's record of it can be too old.
        if (isOlderMark(verdict)) verdict = await judge(await projection.standing(signal));
        this.#know(projection, verdict, { links, epoch: name.epoch, compared: record.compared });
      }
    }
    for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
  }

  #know(projection: Projection, verdict: Verdict, judged: Omit<Known, "verdict">): void {
    const { id: store } = projection;
    const before = this.#known.get(store)?.verdict;
    this.#known.set(store, { verdict, ...judged });
    if ((before?.state ?? "trusted") === verdict.state) return;
    const { log } = this.#parts;
    if (verdict.state === "doubted") {
      log.warn({ store, doubt: verdict.doubt }, "store.doubted");
      this.onDoubt();
    } else if (verdict.state === "foreign") {
      log.error({ store, error: verdict.error.message }, "store.foreign");
    } else log.info({ store }, "store.trusted");
  }
}

function isOlderMark(verdict: Verdict): boolean {
  return verdict.state === "doubted" && verdict.doubt === "older_mark";
}
