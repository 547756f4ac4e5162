import type { PostgresAccess, PostgresConnection } from "../connection/postgres-pool.ts";
import { deadlineSignal } from "../lifecycle/deadline.ts";
import type { BucketDigests, BucketSet } from "../memory/buckets.ts";
import { keyText, type MemoryKey } from "../memory/keys.ts";
import type { MemoryChange } from "../memory/memory.ts";
import type { ChangeSource, FeedCursor, FeedPage } from "../projections/change-source.ts";
import type { ProjectionHealth, ProjectionName } from "../projections/projection.ts";
import * as checks from "./check-statements.ts";
import * as feed from "./feed-statements.ts";
import { type MigrationReport, migrate } from "./migrate.ts";
import * as queue from "./queue-statements.ts";
import * as reads from "./read-statements.ts";
import { readStatistics, type SyncStatistics } from "./status-statements.ts";
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
    this.#callTimeoutMs = options.callTimeoutMs ?? 60_000;
  }

  /** Runs `work` on a connection of its own, within the deadline of a call. */
  async connection<T>(signal: AbortSignal, work: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    return await this.#postgres.use(deadlineSignal(this.#callTimeoutMs, signal), work);
  }

  async migrate(signal: AbortSignal): Promise<MigrationReport> {
    return await migrate(this.#postgres, signal);
  }

  /** Never rejects. A server that is a standby, or read-only, is `degraded`. */
  async health(signal: AbortSignal): Promise<ProjectionHealth> {
    try {
      const readOnly = await this.connection(signal, async ({ sql }) => {
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
    return await this.connection(signal, ({ sql }) => reads.readVersions(sql, keys));
  }

  async listVersions(
    after: reads.KeyPosition | null,
    buckets: BucketSet | null,
    limit: number,
    signal: AbortSignal,
  ): Promise<(reads.LedgerVersion & reads.KeyPosition)[]> {
    return await this.connection(signal, ({ sql }) => reads.listVersions(sql, after, buckets, limit));
  }

  async readChanges(keys: readonly MemoryKey[], signal: AbortSignal): Promise<Map<string, MemoryChange>> {
    return await this.connection(signal, ({ sql }) => reads.readChanges(sql, keys));
  }

  async readDigests(store: ProjectionName, signal: AbortSignal): Promise<BucketDigests> {
    return await this.connection(signal, ({ sql }) => reads.readDigests(sql, store));
  }

  async readFlaws(keys: readonly MemoryKey[], signal: AbortSignal): Promise<reads.LedgerFlaw[]> {
    return await this.connection(signal, ({ sql }) => reads.readFlaws(sql, keys));
  }

  async statistics(signal: AbortSignal): Promise<SyncStatistics> {
    return await this.connection(signal, ({ sql }) => readStatistics(sql));
  }

  // The change feed

  async epoch(signal: AbortSignal): Promise<string> {
    return await this.connection(signal, ({ sql }) => feed.readEpoch(sql));
  }

  async changesAfter(cursor: FeedCursor, limit: number, signal: AbortSignal): Promise<FeedPage> {
    return await this.connection(signal, ({ sql }) => feed.readFeed(sql, cursor, limit));
  }

  async currentChanges(keys: readonly MemoryKey[], signal: AbortSignal): Promise<(MemoryChange | null)[]> {
    const found = await this.readChanges(keys, signal);
    return keys.map((key) => found.get(keyText(key)) ?? null);
  }

  // Transactions and the queue

  async markPublished(transactionIds: readonly string[], signal: AbortSignal): Promise<void> {
    await this.connection(signal, ({ sql }) => transactions.markPublished(sql, transactionIds));
  }

  async recordRollback(
    transaction: { transactionId: string; keys: readonly MemoryKey[]; reason: string },
    signal: AbortSignal,
  ): Promise<void> {
    const row = { ...transaction, nodeId: this.nodeId };
    await this.connection(signal, ({ sql }) => transactions.recordRollback(sql, row));
  }

  /** Queue of a store, as this node has to work it. */
  queueOf(store: ProjectionName): queue.QueueName {
    return { store, nodeId: store === "faiss" ? this.nodeId : "" };
  }

  /** Queues memories for the stores that lack them and confirms their transaction, both or neither. */
  async queuePending(
    transactionId: string,
    pending: readonly { store: ProjectionName; keys: readonly MemoryKey[]; reason: string }[],
    signal: AbortSignal,
  ): Promise<void> {
    await this.connection(signal, async ({ sql }) => {
      await sql`begin`;
      for (const { store, keys, reason } of pending) await queue.enqueue(sql, this.queueOf(store), keys, reason);
      await transactions.markPublished(sql, [transactionId]);
      await sql`commit`;
    });
  }

  /** Runs one of the queue's statements. */
  async onQueue<T>(signal: AbortSignal, work: (sql: PostgresConnection["sql"]) => Promise<T>): Promise<T> {
    return await this.connection(signal, ({ sql }) => work(sql));
  }

  // Checks and repairs

  /** Runs `work` while the rows of `keys` are locked; nothing is written. Rows that others hold are reported as busy. */
  async confirming<T>(
    keys: readonly MemoryKey[],
    overdueMs: number,
    signal: AbortSignal,
    work: (locked: checks.LockedForConfirm) => Promise<T>,
  ): Promise<T> {
    return await this.connection(signal, async ({ sql }) => {
      await sql`begin`;
      const result = await work(await checks.lockForConfirm(sql, keys, this.nodeId, overdueMs));
      await sql`rollback`;
      return result;
    });
  }

  async keepEvidence(records: readonly checks.EvidenceRecord[], signal: AbortSignal): Promise<string[]> {
    return await this.connection(signal, async ({ sql }) => {
      await sql`begin`;
      const ids: string[] = [];
      for (const record of records) ids.push(await checks.keepEvidence(sql, record));
      await sql`commit`;
      return ids;
    });
  }

  async settleEvidence(
    ids: readonly string[],
    state: "resolved" | "failed",
    resolution: string,
    signal: AbortSignal,
  ): Promise<void> {
    await this.connection(signal, ({ sql }) => checks.settleEvidence(sql, ids, state, resolution));
  }

  async restoreDocument(
    key: MemoryKey,
    version: number,
    documentJson: string,
    embedding: Buffer | null,
    signal: AbortSignal,
  ): Promise<boolean> {
    return await this.connection(signal, ({ sql }) =>
      checks.restoreDocument(sql, key, version, documentJson, embedding),
    );
  }

  async removeStrayDocument(key: MemoryKey, signal: AbortSignal): Promise<boolean> {
    return await this.connection(signal, ({ sql }) => checks.removeStrayDocument(sql, key));
  }

  async recordCheck(
    check: { scope: string; checked: number; findings: number; startedAt: number },
    signal: AbortSignal,
  ): Promise<void> {
    await this.connection(signal, ({ sql }) => checks.recordCheck(sql, { ...check, nodeId: this.nodeId }));
  }
}
