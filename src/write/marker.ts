import type { LedgerStore } from "../ledger/ledger.ts";
import type { Log } from "../runtime/log.ts";
import { withSharedDeadline } from "../runtime/shared-deadline.ts";

/** Starts a timer. @returns ends it. */
export type StartTimer = (work: () => void, milliseconds: number) => () => void;

export interface MarkerParts {
  readonly ledger: Pick<LedgerStore, "markPublished">;
  readonly log: Log;
  /** Milliseconds that one statement may take. */
  readonly markTimeoutMs: number;
  /** Called with each group that is marked. @default nothing */
  readonly onMarked?: (() => Promise<void>) | undefined;
  /** @default setTimeout */
  readonly startTimer?: StartTimer | undefined;
}

/**
 * Milliseconds after which transactions are marked if no further one came meanwhile. A check that waits for the mark of a memory which is
 * written all the time holds its row only for that moment: its lock keeps the next write away.
 */
const GATHER_MS = 20;

/**
 * How often a node that goes on writing puts the mark off. The statement takes processor time from the writes beside it: every 20 ms it
 * met one write in twenty, and made their 95th percentile. Checks look again after 20, 120 and 520 ms.
 */
const PUT_OFF_MAX = 3;

/** Transactions marked by one statement. */
const GROUP_MAX = 1_000;

/** Transactions that wait. Beyond it one is left to be taken over once it is overdue, which repeats a harmless publish. */
const WAITING_MAX = 10_000;

const startTimeout: StartTimer = (work, milliseconds) => {
  const timer = setTimeout(work, milliseconds);
  return () => clearTimeout(timer);
};

/**
 * Marks transactions as published, 20 to 80 ms after their callers were answered: no answer depends on it. In a
 * transaction of its own, since a mark within the next write would die with its rollback, and would wait crosswise with the
 * nodes that take over overdue transactions. A mark that is lost repeats a publish.
 */
export class Marker {
  readonly #parts: MarkerParts;
  #waiting: string[] = [];
  /** Whether a transaction was added since the timer was started. */
  #hasMore = false;
  #putOff = 0;
  #endTimer: (() => void) | null = null;
  /** Resolves with whether the group was marked. */
  #marking: Promise<boolean> | null = null;

  constructor(parts: MarkerParts) {
    this.#parts = parts;
  }

  /** Transactions that wait for their mark. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Marks the transaction soon. Every store has its changes, or has them queued. */
  add(transactionId: string): void {
    if (this.#waiting.length >= WAITING_MAX) {
      this.#parts.log.warn({ transactionId, waiting: WAITING_MAX }, "write.mark_left_out");
      return;
    }
    this.#waiting.push(transactionId);
    this.#hasMore = true;
    this.#plan();
  }

  /**
   * Marks all that wait, now, and leaves no timer. After a mark that fails the others are left to be taken over: a ledger that
   * gives no answer would take `markTimeoutMs` for each of ten groups, while a process waits for its end. Never rejects.
   */
  async flush(): Promise<void> {
    while (this.#marking !== null || this.#waiting.length > 0) {
      this.#stopTimer();
      this.#marking ??= this.#markGroup();
      if (await this.#marking) continue;
      this.#stopTimer();
      const left = this.#waiting.splice(0);
      if (left.length > 0) this.#parts.log.warn({ transactions: left.length }, "write.marks_left_out");
    }
  }

  #stopTimer(): void {
    this.#endTimer?.();
    this.#endTimer = null;
  }

  #plan(): void {
    if (this.#endTimer !== null || this.#marking !== null) return;
    this.#hasMore = false;
    this.#endTimer = (this.#parts.startTimer ?? startTimeout)(() => {
      this.#endTimer = null;
      if (this.#hasMore && this.#putOff < PUT_OFF_MAX) {
        this.#putOff++;
        this.#plan();
        return;
      }
      this.#marking ??= this.#markGroup();
    }, GATHER_MS);
  }

  /** One statement at a time. */
  async #markGroup(): Promise<boolean> {
    const { ledger, log, markTimeoutMs, onMarked } = this.#parts;
    this.#putOff = 0;
    const group = this.#waiting.splice(0, GROUP_MAX);
    try {
      await withSharedDeadline(markTimeoutMs, undefined, (signal) => ledger.markPublished(group, signal));
      await onMarked?.();
      return true;
    } catch (error) {
      log.warn({ transactions: group.length, error: (error as Error).message }, "write.confirm_failed");
      return false;
    } finally {
      this.#marking = null;
      if (this.#waiting.length > 0) this.#plan();
    }
  }
}
