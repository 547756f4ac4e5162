import type { MemoryKey } from "../domain/keys.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import type { Log } from "../runtime/log.ts";
import { callSide } from "./call.ts";
import type { Fence } from "./cursor-statements.ts";
import { FencedError } from "./fenced-error.ts";
import * as lost from "./lost-statements.ts";
import { isRefusal } from "./refusals.ts";

export interface LostVersionParts {
  readonly primary: PostgresAccess;
  readonly replica: PostgresAccess;
  readonly callTimeoutMs: number;
  readonly log: Log;
}

/** Transactions that are looked up at a time. */
const TRANSACTIONS_MAX = 10_000;
/** Versions that are moved at a time. */
const VERSIONS_MAX = 1_000;

/**
 * Finds what a primary that was put back has lost below the current versions of memories. A memory that was made anew begins above its
 * version floor, so none of its numbers need to meet those of before, and they would stand in the replica's history for good.
 */
export class LostVersions {
  readonly #parts: LostVersionParts;

  constructor(parts: LostVersionParts) {
    this.#parts = parts;
  }

  /**
   * Moves lost versions of `keys` to `diverged`. What was written so long ago that the primary may have pruned its transaction is
   * not told from what it pruned, and stays.
   * @throws {FencedError} {StoreUnavailableError}
   */
  async divert(fence: Fence, keys: readonly MemoryKey[], signal: AbortSignal): Promise<void> {
    const { primary, replica } = this.#parts;
    let after = await callSide(this.#parts, primary, signal, lost.readPrunedThrough);
    for (let isCut = true; isCut; ) {
      const place = after;
      const transactions = await callSide(this.#parts, replica, signal, (sql) =>
        lost.listPastTransactions(sql, keys, place, TRANSACTIONS_MAX),
      );
      if (transactions.length === 0) return;
      // Asked later than the replica: what it has of the present history, the primary has too.
      const lacking = await callSide(this.#parts, primary, signal, (sql) =>
        lost.readLackingTransactions(sql, transactions),
      );
      // Those that were pruned meanwhile are not lost.
      const pruned = await callSide(this.#parts, primary, signal, lost.readPrunedThrough);
      const gone = lacking.filter((transactionId) => transactionId > pruned);
      if (gone.length > 0) await this.#divertThose(fence, keys, gone, signal);
      after = transactions.at(-1) ?? after;
      isCut = transactions.length === TRANSACTIONS_MAX;
    }
  }

  /**
   * A transaction of which the replica has data, and which the primary lost; null: none is found among the newest data.
   * @param limit versions that are looked at.
   */
  async lostTransaction(limit: number, signal: AbortSignal): Promise<string | null> {
    const { primary, replica } = this.#parts;
    const newest = await callSide(this.#parts, replica, signal, (sql) => lost.listNewestTransactions(sql, limit));
    if (newest.length === 0) return null;
    const lacking = await callSide(this.#parts, primary, signal, (sql) => lost.readLackingTransactions(sql, newest));
    if (lacking.length === 0) return null;
    const pruned = await callSide(this.#parts, primary, signal, lost.readPrunedThrough);
    return lacking.find((transactionId) => transactionId > pruned) ?? null;
  }

  async #divertThose(
    fence: Fence,
    keys: readonly MemoryKey[],
    transactions: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    const { primary, replica, log } = this.#parts;
    let diverged = 0;
    for (let after: lost.PastVersion | null = null; ; ) {
      const place: lost.PastVersion | null = after;
      const versions: lost.PastVersion[] = await callSide(this.#parts, replica, signal, (sql) =>
        lost.listPastVersions(sql, keys, transactions, place, VERSIONS_MAX),
      );
      const last = versions.at(-1);
      if (last === undefined) break;
      const lacking = await callSide(this.#parts, primary, signal, (sql) => lost.readLackingVersions(sql, versions));
      if (lacking.length > 0) diverged += await this.#move(fence, lacking, signal);
      after = last;
    }
    if (diverged > 0) log.warn({ diverged, ended: 0 }, "replica.rows_diverged");
  }

  /** One that the replica refuses to move does not hold up the others. @returns how many were moved. */
  async #move(fence: Fence, versions: readonly lost.PastVersion[], signal: AbortSignal): Promise<number> {
    try {
      const diverged = await callSide(this.#parts, this.#parts.replica, signal, (sql) =>
        lost.divertVersions(sql, fence, versions),
      );
      if (diverged === null) throw new FencedError();
      return diverged;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const [first, ...others] = versions;
      if (first !== undefined && others.length > 0) {
        let moved = 0;
        for (const version of versions) moved += await this.#move(fence, [version], signal);
        return moved;
      }
      const { namespace, memoryId } = first ?? { namespace: "", memoryId: "" };
      this.#parts.log.warn({ namespace, memoryId, error: error.message }, "replica.memory_refused");
      return 0;
    }
  }
}
