import type { SeenHistory } from "../domain/change-source.ts";
import { EpochChangedError } from "../domain/errors.ts";
import type { PastLedger } from "../ledger/past-ledger.ts";
import type { ReplicaCursor } from "./cursor-statements.ts";

/** What the replica keeps beside its data. */
export type KeptProof = Pick<ReplicaCursor, "feedEpoch" | "cursor" | "mark" | "seen">;

export interface PrimaryProofParts {
  readonly past: Pick<PastLedger, "prove" | "mark">;
  /** See `readOldestRunning` in `primary-statements.ts`. */
  readonly oldestRunning: (signal: AbortSignal) => Promise<number>;
  /** See `lostTransaction` in `lost-versions.ts`. */
  readonly lostTransaction: (signal: AbortSignal) => Promise<string | null>;
}

/**
 * Proves that the primary still has all that the replica was told. A primary that was put back lacks one of these: the mark and the
 * transaction that the replica keeps beside its place; the mark that this process made last; the last transactions of the pages that
 * it has read since; or one of the newest versions in the replica, some of which may stand beyond its place.
 */
export class PrimaryProof {
  readonly #parts: PrimaryProofParts;
  #mark: SeenHistory | null = null;
  /** Transactions below `xid` had ended before `mark` was made. */
  #covered: { readonly mark: string; readonly xid: number } | null = null;
  /** Of pages, in order: the last one that a proof has found, and those behind it. A later page proves nothing of an earlier one. */
  #read: readonly SeenHistory[] = [];

  constructor(parts: PrimaryProofParts) {
    this.#parts = parts;
  }

  /** Whether a primary that has the mark of the replica has this transaction, too, which was committed there. */
  covers({ mark }: Pick<KeptProof, "mark">, xid: number): boolean {
    return this.#covered !== null && this.#covered.mark === mark && xid < this.#covered.xid;
  }

  /** A page of this epoch was read, and this is its last transaction, or one that it stands on. */
  note(epoch: string, transaction: string): void {
    this.#read = [...this.#read, { epoch, transaction }];
  }

  /** @returns the primary's epoch: a new one where it went back. @throws {StoreUnavailableError} */
  async prove(kept: KeptProof | null, signal: AbortSignal): Promise<string> {
    return await this.#prove(kept === null ? [] : [witnessOf(kept)], signal);
  }

  /**
   * As `prove`, for work on one epoch.
   * @param kept for a process that may not have read the primary itself. @default null: what this one has read is asked for
   * @throws {EpochChangedError} The primary is in another one. @throws {StoreUnavailableError}
   */
  async assert(epoch: string, signal: AbortSignal, kept: KeptProof | null = null): Promise<void> {
    const found = await this.prove(kept, signal);
    if (found !== epoch) throw new EpochChangedError(epoch, found);
  }

  /**
   * As `prove`, and asks for what stands beyond the replica's place; then there is a mark that proves all of this from now on. For
   * once in a while: it writes to the primary.
   * @returns the mark; null: the primary is in another epoch than the replica. @throws {StoreUnavailableError}
   */
  async renew(kept: KeptProof, signal: AbortSignal): Promise<{ epoch: string; mark: string | null }> {
    const { past, lostTransaction } = this.#parts;
    const { feedEpoch } = kept;
    const xid = await this.#parts.oldestRunning(signal);
    // The mark first: whenever the primary is put back, it lacks the mark, or is asked later for what it lost.
    const mark = await past.mark(signal);
    const lost = await lostTransaction(signal);
    const marked = { epoch: feedEpoch, marks: [mark] };
    const beyond = lost === null ? [] : [{ epoch: feedEpoch, transaction: lost }];
    const epoch = await this.#prove([witnessOf(kept), marked, ...beyond], signal);
    this.#mark = epoch === feedEpoch ? marked : null;
    this.#covered = epoch === feedEpoch ? { mark, xid } : null;
    return { epoch, mark: epoch === feedEpoch ? mark : null };
  }

  /** As `renew`, for work on the replica's epoch. @throws {EpochChangedError} {StoreUnavailableError} */
  async assertRenewed(kept: KeptProof, signal: AbortSignal): Promise<string> {
    const { epoch, mark } = await this.renew(kept, signal);
    if (mark === null) throw new EpochChangedError(kept.feedEpoch, epoch);
    return mark;
  }

  async #prove(seen: readonly SeenHistory[], signal: AbortSignal): Promise<string> {
    const read = this.#read;
    const last = read.at(-1);
    const own = this.#mark === null ? [] : [this.#mark];
    const { epoch } = await this.#parts.past.prove(signal, [...seen, ...own, ...read]);
    this.#read = this.#read.filter((witness) => witness === last || !read.includes(witness));
    return epoch;
  }
}

function witnessOf({ feedEpoch, cursor, mark, seen }: KeptProof): SeenHistory {
  return {
    epoch: feedEpoch,
    cursor,
    marks: mark === null ? [] : [mark],
    ...(seen !== null && { transaction: seen }),
  };
}
