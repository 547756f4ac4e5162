import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { listVersions } from "../ledger/read-statements.ts";
import type { Log } from "../runtime/log.ts";
import { callSide } from "./call.ts";
import {
  type ListedRow,
  type MisfitRow,
  misfits,
  type PrimarySide,
  readPrimarySide,
  rowBesidePrimary,
  settleMisfits,
} from "./compare-statements.ts";
import { type Comparing, type Fence, keepCompared, type ReplicaCursor } from "./cursor-statements.ts";
import { FencedError } from "./fenced-error.ts";
import { divertLost } from "./lost-versions.ts";
import type { PrimaryProof } from "./primary-proof.ts";
import { isRefusal, type Refusals, refusedMisfit } from "./refusals.ts";
import { mendMemory } from "./resend.ts";

export interface ComparisonParts {
  readonly primary: PostgresAccess;
  readonly replica: PostgresAccess;
  readonly refusals: Refusals;
  readonly proof: Pick<PrimaryProof, "assert">;
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
   * @throws {FencedError} {EpochChangedError} {StoreUnavailableError}
   */
  async run(fence: Fence, { compares, compared }: ReplicaCursor, signal: AbortSignal): Promise<void> {
    if (compares === null) return;
    const { primary, replica, proof, onCompared } = this.#parts;
    for (let after = compared; ; ) {
      // The replica first: a version that it has and the primary, asked later, has not, is one that the primary lost.
      const rows = await callSide(this.#parts, replica, signal, (sql) => listVersions(sql, after, null, PAGE_SIZE));
      const last = rows.at(-1);
      if (last === undefined) return;
      const found = await callSide(this.#parts, primary, signal, (sql) => readPrimarySide(sql, rows));
      // Rows that were compared before may be ones that the primary has lost by now: then all of them are compared again.
      await proof.assert(fence.epoch, signal);
      const wrong = misfits(rows, found);
      if (wrong.length > 0) await this.#settle(fence, wrong, compares, signal);
      if (compares === "epoch") await this.#divert(fence, rows, found, compares, signal);
      if (!(await callSide(this.#parts, replica, signal, (sql) => keepCompared(sql, fence, last))))
        throw new FencedError();
      if (!(await onCompared(rows.length, signal))) throw new FencedError();
      const { bucket, namespace, memoryId } = last;
      after = { bucket, namespace, memoryId };
    }
  }

  async #settle(fence: Fence, wrong: readonly MisfitRow[], why: Comparing, signal: AbortSignal): Promise<void> {
    for (const row of await this.#settleTogether(fence, wrong, why, signal)) {
      await this.#unlessRefused(fence, row, why, signal, () => mendMemory(this.#parts, fence, row, why, signal));
    }
  }

  /** @returns those that are to be sent again first; all of them where the replica refuses one. */
  async #settleTogether(
    fence: Fence,
    wrong: readonly MisfitRow[],
    why: Comparing,
    signal: AbortSignal,
  ): Promise<readonly MisfitRow[]> {
    try {
      const settled = await callSide(this.#parts, this.#parts.replica, signal, (sql) =>
        settleMisfits(sql, fence, wrong, why),
      );
      if (settled === null) throw new FencedError();
      const { diverged, ended } = settled;
      if (diverged + ended > 0) this.#parts.log.warn({ diverged, ended }, "replica.rows_diverged");
      return settled.unsettled;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return wrong;
    }
  }

  /** Of all rows together; one by one where the replica refuses one. */
  async #divert(
    fence: Fence,
    rows: readonly ListedRow[],
    found: PrimarySide,
    why: Comparing,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await divertLost(this.#parts, fence, rows, signal);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      for (const row of rows) {
        const own = rowBesidePrimary(row, found);
        await this.#unlessRefused(fence, own, why, signal, () => divertLost(this.#parts, fence, [row], signal));
      }
    }
  }

  /** The others go on: a letter says that the row does not fit, and has it mended later. */
  async #unlessRefused(
    fence: Fence,
    row: MisfitRow,
    why: Comparing,
    signal: AbortSignal,
    work: () => Promise<void>,
  ): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await this.#parts.refusals.keep(fence, [refusedMisfit(row, why, error)], error, signal);
    }
  }
}
