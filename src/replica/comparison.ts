import { EpochChangedError } from "../domain/errors.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { readEpoch } from "../ledger/feed-statements.ts";
import { listVersions } from "../ledger/read-statements.ts";
import type { Log } from "../runtime/log.ts";
import { callSide } from "./call.ts";
import { type MisfitRow, misfits, readPrimarySide, type Settled, settleMisfits } from "./compare-statements.ts";
import { type Comparing, type Fence, keepCompared, type ReplicaCursor } from "./cursor-statements.ts";
import { FencedError } from "./fenced-error.ts";
import { resendMemory } from "./resend.ts";

export interface ComparisonParts {
  readonly primary: PostgresAccess;
  readonly replica: PostgresAccess;
  readonly callTimeoutMs: number;
  readonly log: Log;
  /** Told of rows as they are compared. @returns false: another process replicates now. */
  readonly onCompared: (rows: number, signal: AbortSignal) => Promise<boolean>;
}

/** Rows that are compared at a time. */
const PAGE_SIZE = 1_000;

/**
 * Compares the rows that a replica had before it began at the start again with the primary: what the primary does not have is
 * moved to `diverged`, or has ended. It goes on where it was.
 */
export class Comparison {
  readonly #parts: ComparisonParts;

  constructor(parts: ComparisonParts) {
    this.#parts = parts;
  }

  /**
   * @returns false where the feed must be followed first: the primary wrote a memory meanwhile that does not fit.
   * @throws {FencedError} {EpochChangedError} {StoreUnavailableError}
   */
  async run(fence: Fence, { compares, compared }: ReplicaCursor, signal: AbortSignal): Promise<boolean> {
    if (compares === null) return true;
    const { primary, replica, onCompared } = this.#parts;
    for (let after = compared; ; ) {
      // The replica first: a version that it has and the primary, asked later, has not, is one that the primary lost.
      const rows = await callSide(this.#parts, replica, signal, (sql) => listVersions(sql, after, null, PAGE_SIZE));
      const last = rows.at(-1);
      if (last === undefined) return true;
      const found = await callSide(this.#parts, primary, signal, async (sql) => {
        const side = await readPrimarySide(sql, rows);
        const epoch = await readEpoch(sql);
        if (epoch !== fence.epoch) throw new EpochChangedError(fence.epoch, epoch);
        return side;
      });
      const wrong = misfits(rows, found);
      if (wrong.length > 0 && !(await this.#settle(fence, wrong, compares, signal))) return false;
      if (!(await callSide(this.#parts, replica, signal, (sql) => keepCompared(sql, fence, last))))
        throw new FencedError();
      if (!(await onCompared(rows.length, signal))) throw new FencedError();
      const { bucket, namespace, memoryId } = last;
      after = { bucket, namespace, memoryId };
    }
  }

  /** @returns whether all of them fit now. */
  async #settle(fence: Fence, wrong: readonly MisfitRow[], why: Comparing, signal: AbortSignal): Promise<boolean> {
    const settled = await this.#settleOnce(fence, wrong, why, false, signal);
    for (const key of settled.emptied) await resendMemory(this.#parts, fence, key, signal, true);
    if (settled.emptied.length > 0) await this.#settleOnce(fence, settled.emptied, why, true, signal);
    return settled.later.length === 0;
  }

  async #settleOnce(
    fence: Fence,
    wrong: readonly MisfitRow[],
    why: Comparing,
    takesEmptied: boolean,
    signal: AbortSignal,
  ): Promise<Settled> {
    const settled = await callSide(this.#parts, this.#parts.replica, signal, (sql) =>
      settleMisfits(sql, fence, wrong, why, takesEmptied),
    );
    if (settled === null) throw new FencedError();
    const { diverged, ended } = settled;
    if (diverged + ended > 0) this.#parts.log.warn({ diverged, ended }, "replica.rows_diverged");
    return settled;
  }
}
