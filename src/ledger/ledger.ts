import type { BucketDigests, BucketSet } from "../domain/buckets.ts";
import type { ChangeSource, FeedCursor, FeedPage } from "../domain/change-source.ts";
import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { MemoryChange } from "../domain/memory.ts";
import type { ProjectionHealth, StoreId, StoreIdentity } from "../domain/store-id.ts";
import type { Backend, PostgresAccess, PostgresConnection } from "../drivers/postgres/postgres-access.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { withSharedDeadline } from "../runtime/shared-deadline.ts";
import * as checks from "./check-statements.ts";
import * as feed from "./feed-statements.ts";
import * as history from "./history-statements.ts";
import { type LedgerTransaction, PostgresTransaction } from "./ledger-transaction.ts";
import { listChanges } from "./list-changes.ts";
import { type MigrationReport, migrate } from "./migrate.ts";
import * as queue from "./queue-statements.ts";
import * as reads from "./read-statements.ts";
import { LEDGER_DEFAULTS } from "./settings.ts";
import { readStatistics, type SyncStatistics } from "./status-statements.ts";
import * as stores from "./store-statements.ts";
import * as transactions from "./transaction-statements.ts";

export interface LedgerOptions {
  readonly nodeId: string;
  /** Milliseconds that one call to Postgres may take. @default 60_000 */
  readonly callTimeoutMs?: number;
}

/**
 * Postgres as the source of truth. Every call is one statement (or one short transaction) on a connection of its own and
 * has a deadline; transactions that write memories are run by `write/`, through `connection`.
 */
export class Ledger implements ChangeSource {
  readonly nodeId: string;
  readonly #postgres: PostgresAccess;
  readonly #callTimeoutMs: number;

  constructor(postgres: PostgresAccess, options: LedgerOptions) {
    this.#postgres = postgres;
    this.nodeId = options.nodeId;
    this.#callTimeoutMs = options.callTimeoutMs ?? LEDGER_DEFAULTS.callTimeoutMs;
  }

  async migrate(signal: AbortSignal): Promise<MigrationReport> {
    return await withDeadline(this.#callTimeoutMs, signal, (deadline) => migrate(this.#postgres, deadline));
  }

  /** Never rejects. A server that is a standby, or read-only, is `degraded`. */
  async health(signal: AbortSignal): Promise<ProjectionHealth> {
    try {
      const readOnly = await this.#connection(signal, async ({ sql }) => {
        const [row] = await sql<{ read_only: string }[]>`select current_setting('transaction_read_only') as read_only`;
        return row?.read_only === "on";
      });
      return readOnly ? { state: "degraded", reason: "the server takes no writes" } : { state: "healthy" };
    } catch (error) {
      return { state: "down", reason: (error as Error).message };
    }
  }

  // Reading

  async readVersions(keys: readonly MemoryKey[], signal: AbortSignal): Promise<Map<string, reads.LedgerVersion>> {
    return await this.#connection(signal, ({ sql }) => reads.readVersions(sql, keys));
  }

  async listVersions(
    after: reads.KeyPosition | null,
    buckets: BucketSet | null,
    limit: number,
    signal: AbortSignal,
  ): Promise<(reads.LedgerVersion & reads.KeyPosition)[]> {
    return await this.#connection(signal, ({ sql }) => reads.listVersions(sql, after, buckets, limit));
  }

  async readChanges(keys: readonly MemoryKey[], signal: AbortSignal): Promise<Map<string, MemoryChange>> {
    return await this.#connection(signal, ({ sql }) => reads.readChanges(sql, keys));
  }

  async listChanges(after: MemoryKey | null, limit: number, signal: AbortSignal): Promise<MemoryChange[]> {
    return await this.#connection(signal, ({ sql }) => listChanges(sql, after, limit));
  }

  async readDigests(of: reads.DigestedMemories, signal: AbortSignal): Promise<BucketDigests> {
    return await this.#connection(signal, ({ sql }) => reads.readDigests(sql, of));
  }

  async readFlaws(keys: readonly MemoryKey[], signal: AbortSignal): Promise<reads.LedgerFlaw[]> {
    return await this.#connection(signal, ({ sql }) => reads.readFlaws(sql, keys));
  }

  async statistics(signal: AbortSignal): Promise<SyncStatistics> {
    return await this.#connection(signal, ({ sql }) => readStatistics(sql));
  }

  /** Versions of a memory, newest first: the current one and those kept in the history. */
  async readHistory(key: MemoryKey, limit: number, signal: AbortSignal): Promise<history.HistoricVersion[]> {
    return await this.#connection(signal, ({ sql }) => history.readHistory(sql, key, limit));
  }

  /** What the ledger says of given versions, in order; null for one that it never gave out, or keeps no more. */
  async readCommitted(
    versions: readonly (MemoryKey & { readonly version: number })[],
    signal: AbortSignal,
  ): Promise<(history.CommittedVersion | null)[]> {
    return await this.#connection(signal, ({ sql }) => history.readCommitted(sql, versions));
  }

  /** The memories that a transaction wrote, each with the version it gave them; null for an unknown transaction. */
  async readTransaction(
    transactionId: string,
    signal: AbortSignal,
  ): Promise<readonly (MemoryKey & { version: number })[] | null> {
    return await this.#connection(signal, ({ sql }) => history.readTransaction(sql, transactionId));
  }

  /** Live memories whose time is over. */
  async listExpired(limit: number, signal: AbortSignal): Promise<(MemoryKey & { version: number })[]> {
    return await this.#connection(signal, ({ sql }) => history.listExpired(sql, limit));
  }

  /** Forgets transactions that ended longer ago than `retentionMs`. @returns how many. */
  async pruneTransactions(retentionMs: number, limit: number, signal: AbortSignal): Promise<number> {
    return await this.#connection(signal, ({ sql }) => history.pruneTransactions(sql, retentionMs, limit));
  }

  // The change feed

  async epoch(signal: AbortSignal): Promise<string> {
    return await this.#connection(signal, ({ sql }) => feed.readEpoch(sql));
  }

  async changesAfter(cursor: FeedCursor, limit: number, signal: AbortSignal): Promise<FeedPage> {
    return await this.#connection(signal, ({ sql }) => feed.readFeed(sql, cursor, limit));
  }

  async currentChanges(keys: readonly MemoryKey[], signal: AbortSignal): Promise<(MemoryChange | null)[]> {
    const found = await this.readChanges(keys, signal);
    return keys.map((key) => found.get(keyText(key)) ?? null);
  }

  // The shared stores of the deployment

  /** Makes shared stores known to all nodes. @returns all of the deployment. */
  async registerStores(
    registrations: readonly stores.StoreRegistration[],
    signal: AbortSignal,
  ): Promise<stores.RegisteredStore[]> {
    return await this.#connection(signal, ({ sql }) => stores.registerStores(sql, registrations));
  }

  async listStores(signal: AbortSignal): Promise<stores.RegisteredStore[]> {
    return await this.#connection(signal, ({ sql }) => stores.listStores(sql));
  }

  async markStoreFilled(id: StoreId, signal: AbortSignal): Promise<void> {
    await this.#connection(signal, ({ sql }) => stores.markFilled(sql, id));
  }

  /** Takes a shared store out of the deployment, with its backlog. @returns whether it was there. */
  async forgetStore(id: StoreId, signal: AbortSignal): Promise<boolean> {
    return await this.#connection(signal, ({ sql }) => stores.forgetStore(sql, id));
  }

  // Transactions and the queue

  /** Runs `work` with a transaction of its own. A transaction that `work` leaves open ends with its connection. */
  async transaction<T>(signal: AbortSignal, work: (transaction: LedgerTransaction) => Promise<T>): Promise<T> {
    return await this.#connection(signal, (connection) => work(new PostgresTransaction(connection)));
  }

  /**
   * What became of a transaction whose connection was lost. Ends the old server process first: until it is gone, the
   * transaction might still commit. Then its row tells. (`pg_xact_status` would not do: a transaction id can be given out
   * twice across a crash.)
   */
  async outcomeOf(
    transactionId: string,
    backend: Backend,
    signal: AbortSignal,
  ): Promise<"committed" | "aborted" | "running"> {
    return await this.#connection(signal, async ({ sql }) => {
      if (!(await transactions.fence(sql, backend))) return "running";
      return (await transactions.isCommitted(sql, transactionId)) ? "committed" : "aborted";
    });
  }

  async markPublished(transactionIds: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#connection(signal, ({ sql }) => transactions.markPublished(sql, transactionIds));
  }

  async recordRollback(
    transaction: { transactionId: string; keys: readonly MemoryKey[]; reason: string },
    signal: AbortSignal,
  ): Promise<void> {
    const row = { ...transaction, nodeId: this.nodeId };
    await this.#connection(signal, ({ sql }) => transactions.recordRollback(sql, row));
  }

  /** Queue of a store, as this node has to work it. */
  queueOf(store: StoreIdentity): queue.QueueName {
    return { store: store.id, nodeId: store.scope === "node" ? this.nodeId : "" };
  }

  /** Queues memories for the stores that lack them and confirms their transaction, both or neither. */
  async queuePending(
    transactionId: string,
    pending: readonly { store: StoreIdentity; keys: readonly MemoryKey[]; reason: string }[],
    signal: AbortSignal,
  ): Promise<void> {
    await this.#connection(signal, async ({ sql }) => {
      await sql`begin`;
      for (const { store, keys, reason } of pending) await queue.enqueue(sql, this.queueOf(store), keys, reason);
      await transactions.markPublished(sql, [transactionId]);
      await sql`commit`;
    });
  }

  /** The first answer under an idempotency key; null when the key was not used. */
  async firstAnswer(
    idempotencyKey: string,
    stores: readonly StoreId[],
    signal: AbortSignal,
  ): Promise<transactions.FirstAnswer | null> {
    return await this.#connection(signal, ({ sql }) => transactions.readFirstAnswer(sql, idempotencyKey, stores));
  }

  /** Queues memories for a store. */
  async enqueue(name: queue.QueueName, keys: readonly MemoryKey[], reason: string, signal: AbortSignal): Promise<void> {
    await this.#connection(signal, ({ sql }) => queue.enqueue(sql, name, keys, reason));
  }

  async claim(
    name: queue.QueueName,
    workerId: string,
    limit: number,
    leaseMs: number,
    signal: AbortSignal,
  ): Promise<queue.QueuedMemory[]> {
    return await this.#connection(signal, ({ sql }) => queue.claim(sql, name, workerId, limit, leaseMs));
  }

  async settle(name: queue.QueueName, memories: readonly queue.QueuedMemory[], signal: AbortSignal): Promise<void> {
    await this.#connection(signal, ({ sql }) => queue.settle(sql, name, memories));
  }

  async release(
    name: queue.QueueName,
    memories: readonly queue.QueuedMemory[],
    end: queue.Release,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#connection(signal, ({ sql }) => queue.release(sql, name, memories, end));
  }

  /** Queues transactions that are overdue for all shared stores, and this node's own for `ownStores` too. */
  async queueOverdue(
    deadlineMs: number,
    limit: number,
    signal: AbortSignal,
    ownStores: readonly StoreId[],
  ): Promise<{ transactions: number; memories: number }> {
    return await this.#connection(signal, ({ sql }) =>
      queue.queueOverdue(sql, this.nodeId, ownStores, deadlineMs, limit),
    );
  }

  async listQueue(limit: number, signal: AbortSignal): Promise<queue.QueueEntry[]> {
    return await this.#connection(signal, ({ sql }) => queue.listQueue(sql, limit));
  }

  async replayDead(signal: AbortSignal): Promise<number> {
    return await this.#connection(signal, ({ sql }) => queue.replayDead(sql));
  }

  async dropDead(signal: AbortSignal): Promise<number> {
    return await this.#connection(signal, ({ sql }) => queue.dropDead(sql));
  }

  async holdBacklog(signal: AbortSignal): Promise<void> {
    await this.#connection(signal, ({ sql }) => queue.holdBacklog(sql));
  }

  async releaseBacklog(signal: AbortSignal): Promise<void> {
    await this.#connection(signal, ({ sql }) => queue.releaseBacklog(sql));
  }

  async isBacklogHeld(signal: AbortSignal): Promise<boolean> {
    return await this.#connection(signal, ({ sql }) => queue.isBacklogHeld(sql));
  }

  // Checks and repairs

  /** Runs `work` while the rows of `keys` are locked; nothing is written. Rows that others hold are reported as busy. */
  async confirming<T>(
    keys: readonly MemoryKey[],
    overdueMs: number,
    signal: AbortSignal,
    work: (locked: checks.LockedForConfirm) => Promise<T>,
  ): Promise<T> {
    return await this.#connection(signal, async ({ sql }) => {
      await sql`begin`;
      const result = await work(await checks.lockForConfirm(sql, keys, this.nodeId, overdueMs));
      await sql`rollback`;
      return result;
    });
  }

  async restoreDocument(
    key: MemoryKey,
    version: number,
    documentJson: string,
    embedding: Buffer | null,
    signal: AbortSignal,
  ): Promise<boolean> {
    return await this.#connection(signal, ({ sql }) =>
      checks.restoreDocument(sql, key, version, documentJson, embedding),
    );
  }

  async restoreDigest(key: MemoryKey, version: number, signal: AbortSignal): Promise<boolean> {
    return await this.#connection(signal, ({ sql }) => checks.restoreDigest(sql, key, version));
  }

  async restoreChecksum(key: MemoryKey, version: number, checksum: string, signal: AbortSignal): Promise<boolean> {
    return await this.#connection(signal, ({ sql }) => checks.restoreChecksum(sql, key, version, checksum));
  }

  async removeStrayDocument(key: MemoryKey, signal: AbortSignal): Promise<boolean> {
    return await this.#connection(signal, ({ sql }) => checks.removeStrayDocument(sql, key));
  }

  async #connection<T>(signal: AbortSignal, work: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    return await withSharedDeadline(this.#callTimeoutMs, signal, (deadline) => this.#postgres.use(deadline, work));
  }
}

/** What the rest of the program sees of the ledger: also what stand-ins for property tests implement. */
export type LedgerStore = Pick<Ledger, keyof Ledger>;
