import type { ChangeSource } from "../domain/change-source.ts";
import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { MemoryChange } from "../domain/memory.ts";
import type { ProjectionHealth, StoreId, StoreIdentity } from "../domain/store-id.ts";
import type { Backend, PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { bindStatements, LedgerCalls } from "./bound-statements.ts";
import { readChangesInFlight } from "./change-flights.ts";
import * as checks from "./check-statements.ts";
import * as feed from "./feed-statements.ts";
import * as history from "./history-statements.ts";
import * as idempotency from "./idempotency-statements.ts";
import { type LedgerTransaction, PostgresTransaction } from "./ledger-transaction.ts";
import { listChanges } from "./list-changes.ts";
import { type MigrationReport, migrate } from "./migrate.ts";
import * as prune from "./prune-statements.ts";
import * as queue from "./queue-statements.ts";
import { listQueue } from "./queue-view.ts";
import * as reads from "./read-statements.ts";
import { refuseReplica } from "./replica-marker.ts";
import * as retention from "./retention-statements.ts";
import { readErasedKeys } from "./scrub-statements.ts";
import { LEDGER_DEFAULTS } from "./settings.ts";
import { readNamespaceStatistics, readStatistics } from "./status-statements.ts";
import * as stores from "./store-statements.ts";
import * as transactions from "./transaction-statements.ts";

export interface LedgerOptions {
  readonly nodeId: string;
  /** Milliseconds that one call to Postgres may take. @default 60_000 */
  readonly callTimeoutMs?: number;
  /** The epoch as last proven in this process. @default not known */
  readonly knownEpoch?: () => string | undefined;
}

/** Calls that are one statement each. The statement documents its behaviour and arguments. */
const Statements = bindStatements({
  readVersions: reads.readVersions,
  listVersions: reads.listVersions,
  listChanges,
  readDigests: reads.readDigests,
  readFlaws: reads.readFlaws,
  statistics: readStatistics,
  namespaceStatistics: readNamespaceStatistics,

  /** Versions of a memory, newest first: the current one and those kept in the history. */
  readHistory: history.readHistory,
  readHistoryPage: history.readHistoryPage,
  readHistoryVersions: history.readHistoryVersions,
  /** Facts of given versions, in order; null for one that the ledger never gave out, or keeps no more. */
  readCommitted: history.readCommitted,
  /** The memories that a transaction wrote, each with the version it gave them; null for an unknown transaction. */
  readTransaction: history.readTransaction,
  /** Live memories whose time is over. */
  listExpired: history.listExpired,
  /** Deletes a batch of replaced versions beyond the number that is kept. */
  pruneHistory: prune.pruneHistory,
  /** Prunes what the rules of namespaces no longer keep, page by page. */
  pruneHistoryPage: retention.pruneHistoryPage,
  pruneEvidence: retention.pruneEvidence,
  /** Forgets transactions that ended longer ago than `retentionMs`. @returns how many. */
  pruneTransactions: history.pruneTransactions,

  changesAfter: feed.readFeed,

  /** Makes shared stores known to all nodes. @returns all of the deployment. */
  registerStores: stores.registerStores,
  listStores: stores.listStores,
  markStoreFilled: stores.markFilled,
  /** Takes a shared store out of the deployment, with its backlog. @returns whether it was there. */
  forgetStore: stores.forgetStore,

  markPublished: transactions.markPublished,
  /** How far the stores are with memories of a committed transaction. */
  readPendingStores: idempotency.readPendingStores,
  /** Forgets idempotency keys that were claimed longer ago than `retentionMs`. @returns how many rows. */
  pruneIdempotencyKeys: idempotency.pruneIdempotencyKeys,
  /** The keys whose memories were erased, of `keys`. */
  readErasedKeys,
  /** Queues memories for a store. */
  enqueue: queue.enqueue,
  bury: queue.bury,
  claim: queue.claim,
  readQueued: queue.readQueued,
  settle: queue.settle,
  release: queue.release,
  listQueue,
  retryDead: queue.retryDead,
  dropDead: queue.dropDead,
  pauseBacklog: queue.pauseBacklog,
  resumeBacklog: queue.resumeBacklog,
  isBacklogPaused: queue.isBacklogPaused,

  restoreDocument: checks.restoreDocument,
  restoreDigest: checks.restoreDigest,
  restoreChecksum: checks.restoreChecksum,
  removeStrayDocument: checks.removeStrayDocument,
});

/**
 * Postgres as the source of truth. Every call is one statement (or one short transaction) on a connection of its own and
 * has a deadline; transactions that write memories are run by `write/`, through `transaction`.
 */
export class Ledger extends Statements implements ChangeSource {
  readonly nodeId: string;
  readonly #postgres: PostgresAccess;
  readonly #callTimeoutMs: number;
  readonly #calls: LedgerCalls;
  readonly #knownEpoch: () => string | undefined;

  constructor(postgres: PostgresAccess, options: LedgerOptions) {
    const { nodeId, callTimeoutMs = LEDGER_DEFAULTS.callTimeoutMs, knownEpoch = () => undefined } = options;
    const calls = new LedgerCalls(postgres, callTimeoutMs);
    super(calls);
    this.#calls = calls;
    this.#postgres = postgres;
    this.nodeId = nodeId;
    this.#callTimeoutMs = callTimeoutMs;
    this.#knownEpoch = knownEpoch;
  }

  /**
   * The epoch as last proven in this process, to be taken before versions are written or read, and told to the stores in
   * which these are published. Undefined: not known, so that stores do not compare it.
   */
  get knownEpoch(): string | undefined {
    return this.#knownEpoch();
  }

  /** The epoch as it stands. `PastLedger` proves it, by what its caller has seen; nothing is proven here. */
  async epoch(signal: AbortSignal): Promise<string> {
    return await this.#calls.use(signal, ({ sql }) => feed.readEpoch(sql));
  }

  async migrate(signal: AbortSignal): Promise<MigrationReport> {
    return await withDeadline(this.#callTimeoutMs, signal, async (deadline) => {
      const report = await migrate(this.#postgres, deadline);
      await refuseReplica(this.#postgres, deadline);
      return report;
    });
  }

  /** Never rejects. A server that is a standby, or read-only, is `degraded`. */
  async health(signal: AbortSignal): Promise<ProjectionHealth> {
    try {
      const readOnly = await this.#calls.use(signal, async ({ sql }) => {
        const [row] = await sql<{ read_only: string }[]>`select current_setting('transaction_read_only') as read_only`;
        return row?.read_only === "on";
      });
      return readOnly ? { state: "degraded", reason: "the server takes no writes" } : { state: "healthy" };
    } catch (error) {
      return { state: "down", reason: (error as Error).message };
    }
  }

  /** The current versions of `keys` with their documents, by key text. */
  async readChanges(keys: readonly MemoryKey[], signal: AbortSignal): Promise<Map<string, MemoryChange>> {
    return await this.#calls.use(signal, ({ sql, flights }) =>
      flights === undefined ? reads.readChanges(sql, keys) : readChangesInFlight(flights, keys),
    );
  }

  async currentChanges(keys: readonly MemoryKey[], signal: AbortSignal): Promise<(MemoryChange | null)[]> {
    const found = await this.readChanges(keys, signal);
    return keys.map((key) => found.get(keyText(key)) ?? null);
  }

  /** Runs `work` with a transaction of its own. A transaction that `work` leaves open is rolled back. */
  async transaction<T>(signal: AbortSignal, work: (transaction: LedgerTransaction) => Promise<T>): Promise<T> {
    return await this.#calls.use(signal, async (connection) => {
      const transaction = new PostgresTransaction(connection);
      const result = await work(transaction);
      if (transaction.isOpen) await transaction.rollback();
      return result;
    });
  }

  /**
   * The outcome of a transaction whose connection was lost. Ends the old server process first: until it is gone, the
   * transaction might still commit. Then its row decides, confirmed by a commit of our own. (`pg_xact_status` would not do: a
   * transaction id can be given out twice across a crash.) One that waits for a synchronous standby is `running`.
   */
  async outcomeOf(
    transactionId: string,
    backend: Backend,
    signal: AbortSignal,
  ): Promise<"committed" | "aborted" | "running"> {
    return await this.#calls.use(signal, async ({ sql }) => {
      if (!(await transactions.fence(sql, backend))) return "running";
      return (await transactions.confirmCommitted(sql, transactionId)) ? "committed" : "aborted";
    });
  }

  async recordRollback(
    transaction: { transactionId: string; keys: readonly MemoryKey[]; reason: string },
    signal: AbortSignal,
  ): Promise<void> {
    const row = { ...transaction, nodeId: this.nodeId };
    await this.#calls.use(signal, ({ sql }) => transactions.recordRollback(sql, row));
  }

  /** Name of the queue of a store that this node works. */
  queueOf(store: StoreIdentity): queue.QueueName {
    return { store: store.id, nodeId: store.scope === "node" ? this.nodeId : "" };
  }

  /** Queues memories for the stores that lack them and confirms their transaction, both or neither. */
  async queuePending(
    transactionId: string,
    pending: readonly { store: StoreIdentity; keys: readonly MemoryKey[]; reason: string }[],
    signal: AbortSignal,
  ): Promise<void> {
    await this.#calls.use(signal, async ({ sql }) => {
      await sql`begin`;
      for (const { store, keys, reason } of pending) await queue.enqueue(sql, this.queueOf(store), keys, reason);
      await transactions.markPublished(sql, [transactionId]);
      await sql`commit`;
    });
  }

  /** Queues transactions that are overdue for all shared stores, and this node's own for `ownStores` too. */
  async queueOverdue(
    deadlineMs: number,
    limit: number,
    signal: AbortSignal,
    ownStores: readonly StoreId[],
  ): Promise<{ transactions: number; memories: number }> {
    return await this.#calls.use(signal, ({ sql }) =>
      queue.queueOverdue(sql, this.nodeId, ownStores, deadlineMs, limit),
    );
  }

  /** Runs `work` while the rows of `keys` are locked; nothing is written. Rows that others hold are reported as busy. */
  async confirming<T>(
    keys: readonly MemoryKey[],
    overdueMs: number,
    signal: AbortSignal,
    work: (locked: checks.LockedForConfirm) => Promise<T>,
  ): Promise<T> {
    return await this.#calls.use(signal, async ({ sql }) => {
      await sql`begin`;
      const result = await work(await checks.lockForConfirm(sql, keys, this.nodeId, overdueMs));
      await sql`rollback`;
      return result;
    });
  }
}

/** The ledger's interface to the rest of the program. Stand-ins for property tests implement it too. */
export type LedgerStore = Pick<Ledger, keyof Ledger>;
