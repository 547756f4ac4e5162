import type { MemoryKey } from "../domain/keys.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import type { Log } from "../runtime/log.ts";
import { callSide } from "./call.ts";
import type { Fence } from "./cursor-statements.ts";
import { FencedError } from "./fenced-error.ts";
import * as lost from "./lost-statements.ts";
import type { PrimaryProof } from "./primary-proof.ts";

/*
 * Finds what a primary that was put back has lost below the current versions of memories. A memory that was made anew begins above its
 * version floor, so none of its numbers need to meet those of before, and they would stand in the replica's history for good.
 */

export interface LostVersionSides {
  readonly primary: PostgresAccess;
  readonly replica: PostgresAccess;
  readonly callTimeoutMs: number;
}

export interface LostVersionParts extends LostVersionSides {
  readonly proof: Pick<PrimaryProof, "assert">;
  readonly log: Log;
}

/** Transactions that are looked up at a time. */
const TRANSACTIONS_MAX = 10_000;
/** Versions that are moved at a time. */
const VERSIONS_MAX = 1_000;

/**
 * Moves lost versions of `keys` to `diverged`. What was written so long ago that the primary may have pruned its transaction is
 * not told from what it pruned, and stays.
 * @throws {StoreRefusedError} The replica refuses to move some. What was moved before them stays moved.
 * @throws {FencedError} {StoreUnavailableError} @throws {EpochChangedError} What is lacking may be lost since `fence.epoch` began.
 */
export async function divertLost(
  parts: LostVersionParts,
  fence: Fence,
  keys: readonly MemoryKey[],
  signal: AbortSignal,
): Promise<void> {
  const { replica, proof, log } = parts;
  for await (const versions of lostVersions(parts, keys, signal)) {
    await proof.assert(fence.epoch, signal);
    const diverged = await callSide(parts, replica, signal, (sql) => lost.divertVersions(sql, fence, versions));
    if (diverged === null) throw new FencedError();
    if (diverged > 0) log.warn({ diverged, ended: 0 }, "replica.rows_diverged");
  }
}

/** The versions below the current ones of `keys` that the primary lost, some at a time, in no order. See `divertLost`. */
export async function* lostVersions(
  parts: LostVersionSides,
  keys: readonly MemoryKey[],
  signal: AbortSignal,
): AsyncGenerator<readonly lost.PastVersion[]> {
  const { primary, replica } = parts;
  let after = await callSide(parts, primary, signal, lost.readPrunedThrough);
  for (let isCut = true; isCut; ) {
    const place = after;
    const transactions = await callSide(parts, replica, signal, (sql) =>
      lost.listPastTransactions(sql, keys, place, TRANSACTIONS_MAX),
    );
    if (transactions.length === 0) return;
    // Asked later than the replica: what it has of the present history, the primary has too.
    const gone = await goneOf(parts, transactions, signal);
    if (gone.length > 0) yield* versionsOf(parts, keys, gone, signal);
    after = transactions.at(-1) ?? after;
    isCut = transactions.length === TRANSACTIONS_MAX;
  }
}

/**
 * A transaction of which the replica has data, and which the primary lost; null: none is found among the newest data.
 * @param limit versions that are looked at.
 */
export async function lostTransaction(
  parts: LostVersionSides,
  limit: number,
  signal: AbortSignal,
): Promise<string | null> {
  const newest = await callSide(parts, parts.replica, signal, (sql) => lost.listNewestTransactions(sql, limit));
  if (newest.length === 0) return null;
  return (await goneOf(parts, newest, signal))[0] ?? null;
}

/** Those of the transactions that the primary lost. */
async function goneOf(
  parts: LostVersionSides,
  transactions: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const lacking = await callSide(parts, parts.primary, signal, (sql) =>
    lost.readLackingTransactions(sql, transactions),
  );
  if (lacking.length === 0) return [];
  // Asked later still: those that were pruned meanwhile are not lost.
  const pruned = await callSide(parts, parts.primary, signal, lost.readPrunedThrough);
  return lacking.filter((transactionId) => transactionId > pruned);
}

/** Versions below the current ones that these transactions wrote, and that the primary has not. */
async function* versionsOf(
  parts: LostVersionSides,
  keys: readonly MemoryKey[],
  transactions: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<readonly lost.PastVersion[]> {
  const { primary, replica } = parts;
  for (let after: lost.PastVersion | null = null; ; ) {
    const place: lost.PastVersion | null = after;
    const versions: lost.PastVersion[] = await callSide(parts, replica, signal, (sql) =>
      lost.listPastVersions(sql, keys, transactions, place, VERSIONS_MAX),
    );
    const last = versions.at(-1);
    if (last === undefined) return;
    const lacking = await callSide(parts, primary, signal, (sql) => lost.readLackingVersions(sql, versions));
    if (lacking.length > 0) yield lacking;
    after = last;
  }
}
