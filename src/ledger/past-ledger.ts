import type { SeenHistory } from "../domain/change-source.ts";
import type { EpochBegun, HistoryFlaw } from "../domain/history.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { PostgresAccess, Sql } from "../drivers/postgres/postgres-access.ts";
import type { Log } from "../runtime/log.ts";
import { withSharedDeadline } from "../runtime/shared-deadline.ts";
import * as past from "./past-statements.ts";

export interface PastOptions {
  /** Milliseconds that one call may take. */
  readonly callTimeoutMs: number;
  readonly log: Log;
}

/** Names a ledger and the history in which it is. */
export interface LedgerName {
  /** Stays the same for good. */
  readonly ledger: string;
  readonly epoch: string;
}

/** Whether the ledger went back, and what shared stores are known to hold. */
export class PastLedger {
  readonly #postgres: PostgresAccess;
  readonly #options: PastOptions;
  /** Transactions that this process committed last, in the epoch that it knew then. */
  #committed: { readonly epoch: string; readonly transactionId: string } | null = null;
  #known: LedgerName | null = null;

  constructor(postgres: PostgresAccess, options: PastOptions) {
    this.#postgres = postgres;
    this.#options = options;
  }

  /** The ledger's name as last proven; null before the first time. */
  get known(): LedgerName | null {
    return this.#known;
  }

  /** Remembers a committed transaction: it must be there at the next proof. */
  noteCommitted(transactionId: string): void {
    if (this.#known !== null) this.#committed = { epoch: this.#known.epoch, transactionId };
  }

  /**
   * Looks for everything that proves the history: what this process committed, the cluster and its timeline, rows of the
   * future, and what the caller has seen. Where it is broken, a new epoch begins: one node of all makes it.
   * @returns the epoch that holds now.
   */
  async prove(signal: AbortSignal, seen: readonly SeenHistory[] = []): Promise<LedgerName> {
    return await this.#connection(signal, async (sql) => {
      for (;;) {
        const [history, cluster] = await Promise.all([past.readHistory(sql), past.readCluster(sql)]);
        const flaw = history.inRecovery ? null : await this.#flaw(sql, history, cluster, seen);
        if (flaw === null) {
          if (history.recorded === null && cluster !== null && !history.inRecovery) {
            await past.recordCluster(sql, history.epoch, cluster);
          }
          return this.#settle(history);
        }
        const begun = await past.beginEpoch(sql, history.epoch, flaw, cluster);
        if (begun === null) continue; // Another node was first: what it began is read now.
        const event: EpochBegun = { before: history.epoch, reason: flaw, ...begun };
        this.#options.log.warn({ ...event }, "ledger.epoch_begun");
        return this.#settle({ ledger: history.ledger, epoch: begun.epoch });
      }
    });
  }

  /** A random mark, committed. */
  async mark(signal: AbortSignal): Promise<string> {
    return await this.#connection(signal, past.makeMark);
  }

  async storeRecords(signal: AbortSignal): ReturnType<typeof past.readStoreRecords> {
    return await this.#connection(signal, past.readStoreRecords);
  }

  async confirmStore(id: StoreId, record: past.StoreRecord, signal: AbortSignal): Promise<void> {
    await this.#connection(signal, (sql) => past.confirmStore(sql, id, record));
  }

  async #flaw(
    sql: Sql,
    history: past.LedgerHistory,
    cluster: past.ClusterIdentity | null,
    seen: readonly SeenHistory[],
  ): Promise<HistoryFlaw | null> {
    const { epoch, recorded, xmax } = history;
    if (history.hasRowsOfTheFuture) return "rows_of_the_future";
    if (recorded !== null && cluster !== null) {
      if (recorded.systemIdentifier !== cluster.systemIdentifier) return "other_cluster";
      if (recorded.timeline !== cluster.timeline) return "other_timeline";
    }
    // What was seen in an earlier epoch proves nothing: that the ledger went back since is known.
    const current = seen.filter((witness) => witness.epoch === epoch);
    if (current.some(({ cursor }) => cursor !== undefined && past.isBeyond(cursor, xmax))) return "cursor_ahead";
    const marks = current.flatMap((witness) => witness.marks ?? []);
    if (marks.length > 0 && (await past.lacksMark(sql, marks))) return "mark_lost";
    const committed = this.#committed;
    const transactions = current.flatMap(({ transaction }) => (transaction === undefined ? [] : [transaction]));
    if (committed?.epoch === epoch) transactions.push(committed.transactionId);
    if (transactions.length > 0 && (await past.lacksTransaction(sql, transactions))) return "transaction_lost";
    return null;
  }

  #settle({ ledger, epoch }: LedgerName): LedgerName {
    if (this.#known?.epoch !== epoch) {
      this.#known = { ledger, epoch };
      this.#committed = null;
    }
    return { ledger, epoch };
  }

  async #connection<T>(signal: AbortSignal, work: (sql: Sql) => Promise<T>): Promise<T> {
    return await withSharedDeadline(this.#options.callTimeoutMs, signal, (deadline) =>
      this.#postgres.use(deadline, ({ sql }) => work(sql)),
    );
  }
}
