/**
 * Why the ledger is known to have gone back:
 * - `mark_lost`, `transaction_lost`: a mark or a transaction that was committed is not there.
 * - `cursor_ahead`: a reader has read beyond the server's last transaction.
 * - `rows_of_the_future`: rows carry transaction ids that the server has not given out: a dump was loaded.
 * - `other_cluster`, `other_timeline`: another cluster, or a promoted standby.
 */
export type HistoryFlaw =
  | "mark_lost"
  | "transaction_lost"
  | "cursor_ahead"
  | "rows_of_the_future"
  | "other_cluster"
  | "other_timeline";

/** A new epoch that this process began. */
export interface EpochBegun {
  readonly before: string;
  readonly epoch: string;
  readonly reason: HistoryFlaw;
  /** Rows that came with transaction ids from the server's future, and have ids of this server now. */
  readonly stamped: number;
}

/** The number in a mark: a later mark has a higher one. Null: it is no mark of ours. */
export function markNumber(mark: string): number | null {
  const number = /^(\d{1,15})\.\S+$/.exec(mark)?.[1];
  return number === undefined ? null : Number(number);
}
