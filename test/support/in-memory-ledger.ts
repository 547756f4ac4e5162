import { BucketDigests, type BucketSet } from "../../src/domain/buckets.ts";
import type { FeedCursor, FeedPage } from "../../src/domain/change-source.ts";
import { checksumOf } from "../../src/domain/checksum.ts";
import { compareKeys, keyText, type MemoryKey, parseKeyText } from "../../src/domain/keys.ts";
import type { MemoryChange } from "../../src/domain/memory.ts";
import type { StoreId, StoreIdentity } from "../../src/domain/store-id.ts";
import type { Backend } from "../../src/drivers/postgres/postgres-access.ts";
import type { LockedForConfirm } from "../../src/ledger/check-statements.ts";
import type { CommittedVersion, HistoricVersion } from "../../src/ledger/history-statements.ts";
import type { LedgerStore } from "../../src/ledger/ledger.ts";
import type { LedgerTransaction } from "../../src/ledger/ledger-transaction.ts";
import type { PrunedHistory } from "../../src/ledger/prune-statements.ts";
import type { Claimant, QueuedMemory, QueueName, Release } from "../../src/ledger/queue-statements.ts";
import type { QueueEntry } from "../../src/ledger/queue-view.ts";
import type { DigestedMemories, KeyPosition, LedgerFlaw, LedgerVersion } from "../../src/ledger/read-statements.ts";
import type { PrunedPage } from "../../src/ledger/retention-statements.ts";
import type { NamespaceStatistics, SyncStatistics } from "../../src/ledger/status-statements.ts";
import type { RegisteredStore, StoreRegistration } from "../../src/ledger/store-statements.ts";
import type { ProjectionHealth } from "../../src/stores/projection.ts";
import {
  type LedgerState,
  MemoryTransaction,
  type QueueRow,
  queueText,
  type VersionRow,
} from "./in-memory-ledger-state.ts";
import type { Interruption } from "./in-memory-projection.ts";

/** One node's view of a ledger in maps, for property tests. Passes the conformance suite of the real one. */
export class InMemoryLedger implements LedgerStore {
  readonly nodeId: string;
  readonly knownEpoch = undefined;
  /** Transactions of this node that run: they end with it. */
  readonly open = new Set<MemoryTransaction>();
  readonly #state: LedgerState;
  readonly #interrupt: Interruption;

  constructor(state: LedgerState, nodeId: string, interrupt: Interruption = async () => undefined) {
    this.#state = state;
    this.nodeId = nodeId;
    this.#interrupt = interrupt;
  }

  async migrate(): Promise<{ applied: string[]; version: number }> {
    return { applied: [], version: 0 };
  }

  async health(): Promise<ProjectionHealth> {
    return { state: "healthy" };
  }

  async readVersions(keys: readonly MemoryKey[], signal: AbortSignal): Promise<Map<string, LedgerVersion>> {
    return await this.#call("readVersions", signal, () => new Map(this.#rows(keys).map((row) => [keyText(row), row])));
  }

  async readErasedKeys(keys: readonly MemoryKey[], signal: AbortSignal): Promise<MemoryKey[]> {
    return await this.#call("readErasedKeys", signal, () =>
      this.#rows(keys)
        .filter(({ endedBy }) => endedBy === "erased")
        .map(plainKey),
    );
  }

  async listVersions(
    after: KeyPosition | null,
    buckets: BucketSet | null,
    limit: number,
    signal: AbortSignal,
  ): Promise<(LedgerVersion & KeyPosition)[]> {
    return await this.#call("listVersions", signal, () =>
      [...this.#state.versions.values()]
        .filter((row) => buckets === null || buckets.has(row.bucket))
        .filter((row) => after === null || comparePositions(row, after) > 0)
        .sort(comparePositions)
        .slice(0, limit),
    );
  }

  async readChanges(keys: readonly MemoryKey[], signal: AbortSignal): Promise<Map<string, MemoryChange>> {
    return await this.#call(
      "readChanges",
      signal,
      () => new Map(this.#rows(keys).map((row) => [keyText(row), change(row)])),
    );
  }

  async listChanges(after: MemoryKey | null, limit: number, signal: AbortSignal): Promise<MemoryChange[]> {
    return await this.#call("listChanges", signal, () =>
      [...this.#state.versions.values()]
        .filter((row) => after === null || compareKeys(row, after) > 0)
        .sort(compareKeys)
        .slice(0, limit)
        .map(change),
    );
  }

  async readDigests(of: DigestedMemories, signal: AbortSignal): Promise<BucketDigests> {
    return await this.#call("readDigests", signal, () => {
      const digests = new BucketDigests();
      for (const row of this.#state.versions.values()) {
        const held = of === "all" || row.hasEmbedding;
        if (row.digest !== null && held) digests.addHex(row.bucket, row.digest);
      }
      return digests;
    });
  }

  async readFlaws(keys: readonly MemoryKey[], signal: AbortSignal): Promise<LedgerFlaw[]> {
    return await this.#call("readFlaws", signal, () =>
      this.#rows(keys).flatMap((row) => {
        const found = row.documentJson === null ? null : checksumOf(row.documentJson, row.embedding);
        if (found === row.checksum) return [];
        const { namespace, memoryId, version } = row;
        const reason = "the document or embedding does not fit the checksum";
        return [{ namespace, memoryId, version, part: "content" as const, reason }];
      }),
    );
  }

  async namespaceStatistics(
    namespaces: readonly string[],
    overdueMs: number,
    signal: AbortSignal,
  ): Promise<NamespaceStatistics> {
    return await this.#call("namespaceStatistics", signal, () =>
      this.#state.namespaceStatistics(namespaces, overdueMs),
    );
  }

  async statistics(overdueMs: number, signal: AbortSignal): Promise<SyncStatistics> {
    return await this.#call("statistics", signal, () => this.#state.statistics(overdueMs));
  }

  async readHistory(key: MemoryKey, limit: number, signal: AbortSignal): Promise<HistoricVersion[]> {
    return await this.readHistoryPage(key, null, limit, signal);
  }

  async readHistoryPage(
    key: MemoryKey,
    before: number | null,
    limit: number,
    signal: AbortSignal,
  ): Promise<HistoricVersion[]> {
    return await this.#call("readHistory", signal, () => {
      const current = this.#state.versions.get(keyText(key));
      const rows = [...(this.#state.history.get(keyText(key)) ?? []), ...(current === undefined ? [] : [current])];
      return rows
        .toReversed()
        .filter(({ version }) => before === null || version < before)
        .slice(0, limit);
    });
  }

  async readHistoryVersions(key: MemoryKey, limit: number, signal: AbortSignal): Promise<number[]> {
    return (await this.readHistory(key, limit, signal)).map(({ version }) => version);
  }

  async pruneHistoryPage(): Promise<PrunedPage> {
    return { pruned: 0, last: null }; // By age and by namespace: of PostgreSQL alone.
  }

  async pruneEvidence(): Promise<number> {
    return 0; // It keeps no conflicts.
  }

  async pruneHistory(historyVersionsMax: number, _limit: number, signal: AbortSignal): Promise<PrunedHistory> {
    return await this.#call("pruneHistory", signal, () => {
      let pruned = 0;
      for (const [text, versions] of this.#state.history) {
        const beyond = Math.max(0, versions.length - historyVersionsMax);
        this.#state.history.set(text, versions.slice(beyond));
        pruned += beyond;
      }
      return { pruned, more: false };
    });
  }

  async readCommitted(
    versions: readonly (MemoryKey & { version: number })[],
    signal: AbortSignal,
  ): Promise<(CommittedVersion | null)[]> {
    return await this.#call("readCommitted", signal, () =>
      versions.map((wanted) => {
        const text = keyText(wanted);
        const rows = [this.#state.versions.get(text), ...(this.#state.history.get(text) ?? [])];
        const row = rows.find((candidate) => candidate?.version === wanted.version);
        if (row === undefined) return null;
        const { version, checksum } = row;
        return { version, checksum, hasEmbedding: checksum !== null && row.hasEmbedding };
      }),
    );
  }

  async readTransaction(
    transactionId: string,
    signal: AbortSignal,
  ): Promise<readonly (MemoryKey & { version: number })[] | null> {
    return await this.#call("readTransaction", signal, () => {
      const row = this.#state.transactions.get(transactionId);
      return row === undefined || row.state === "rolled_back" ? null : row.writes;
    });
  }

  async listExpired(limit: number, signal: AbortSignal): Promise<(MemoryKey & { version: number })[]> {
    return await this.#call("listExpired", signal, () =>
      [...this.#state.versions.values()]
        .filter((row) => row.checksum !== null && row.expiresAt !== null && row.expiresAt <= this.#state.now())
        .slice(0, limit),
    );
  }

  async pruneTransactions(retentionMs: number, limit: number, signal: AbortSignal): Promise<number> {
    return await this.#call("pruneTransactions", signal, () => {
      const old = [...this.#state.transactions].filter(
        ([, row]) => row.state !== "committed" && row.createdAt < this.#state.now() - retentionMs,
      );
      for (const [transactionId] of old.slice(0, limit)) this.#state.transactions.delete(transactionId);
      return Math.min(old.length, limit);
    });
  }

  async epoch(): Promise<string> {
    return "in-memory";
  }

  async changesAfter(cursor: FeedCursor, limit: number, signal: AbortSignal): Promise<FeedPage> {
    return await this.#call("changesAfter", signal, () => {
      const rows = [...this.#state.versions.values()]
        .filter((row) => row.seq > Number(cursor.seq))
        .sort((a, b) => a.seq - b.seq)
        .slice(0, limit);
      const last = rows.at(-1);
      return {
        headers: rows.map((row) => ({ ...plainKey(row), version: row.version, deleted: row.checksum === null })),
        cursor: last === undefined ? cursor : { xid: "0", seq: String(last.seq) },
      };
    });
  }

  async currentChanges(keys: readonly MemoryKey[], signal: AbortSignal): Promise<(MemoryChange | null)[]> {
    const found = await this.readChanges(keys, signal);
    return keys.map((key) => found.get(keyText(key)) ?? null);
  }

  async transaction<T>(signal: AbortSignal, work: (transaction: LedgerTransaction) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const transaction = this.#begin();
    try {
      return await work(transaction);
    } finally {
      this.#end(transaction);
    }
  }

  async outcomeOf(
    transactionId: string,
    backend: Backend,
    signal: AbortSignal,
  ): Promise<"committed" | "aborted" | "running"> {
    return await this.#call("outcomeOf", signal, () => {
      this.#state.endBackend(backend.pid);
      return this.#state.transactions.has(transactionId) ? "committed" : "aborted";
    });
  }

  async markPublished(transactionIds: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#call("markPublished", signal, () => this.#state.markPublished(transactionIds));
  }

  async recordRollback(
    transaction: { transactionId: string; keys: readonly MemoryKey[]; reason: string },
    signal: AbortSignal,
  ): Promise<void> {
    await this.#call("recordRollback", signal, () => this.#state.recordRollback(transaction, this.nodeId));
  }

  async registerStores(registrations: readonly StoreRegistration[], signal: AbortSignal): Promise<RegisteredStore[]> {
    return await this.#call("registerStores", signal, () => {
      const { stores, versions } = this.#state;
      for (const { id, holds } of registrations) {
        const filled = stores.get(id)?.filled ?? versions.size === 0;
        stores.set(id, { id, documents: holds.includes("documents"), filled });
      }
      return [...stores.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    });
  }

  async listStores(signal: AbortSignal): Promise<RegisteredStore[]> {
    return await this.registerStores([], signal);
  }

  async markStoreFilled(id: StoreId, signal: AbortSignal): Promise<void> {
    await this.#call("markStoreFilled", signal, () => {
      const store = this.#state.stores.get(id);
      if (store !== undefined) this.#state.stores.set(id, { ...store, filled: true });
    });
  }

  async forgetStore(id: StoreId, signal: AbortSignal): Promise<boolean> {
    return await this.#call("forgetStore", signal, () => {
      for (const [text, { queue }] of this.#state.queue) {
        if (queue.store === id && queue.nodeId === "") this.#state.queue.delete(text);
      }
      return this.#state.stores.delete(id);
    });
  }

  queueOf(store: StoreIdentity): QueueName {
    return { store: store.id, nodeId: store.scope === "node" ? this.nodeId : "" };
  }

  async queuePending(
    transactionId: string,
    pending: readonly { store: StoreIdentity; keys: readonly MemoryKey[]; reason: string }[],
    signal: AbortSignal,
  ): Promise<void> {
    await this.#call("queuePending", signal, () => {
      for (const { store, keys, reason } of pending) this.#state.enqueue(this.queueOf(store), keys, reason);
      this.#state.markPublished([transactionId]);
    });
  }

  async readPendingStores(
    transactionId: string,
    keys: readonly MemoryKey[],
    stores: readonly StoreId[],
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    return await this.#call("readPendingStores", signal, () => this.#state.pendingStores(transactionId, keys, stores));
  }

  async pruneIdempotencyKeys(retentionMs: number, limit: number, signal: AbortSignal): Promise<number> {
    return await this.#call("pruneIdempotencyKeys", signal, () => {
      const old = [...this.#state.keys].filter(([, key]) => key.createdAt < this.#state.now() - retentionMs);
      for (const [text] of old.slice(0, limit)) this.#state.keys.delete(text);
      return Math.min(old.length, limit);
    });
  }

  async enqueue(name: QueueName, keys: readonly MemoryKey[], reason: string, signal: AbortSignal): Promise<void> {
    await this.#call("enqueue", signal, () => this.#state.enqueue(name, keys, reason));
  }

  async bury(name: QueueName, keys: readonly MemoryKey[], reason: string, signal: AbortSignal): Promise<void> {
    await this.#call("bury", signal, () => {
      this.#state.enqueue(name, keys, reason);
      for (const key of keys) {
        const row = this.#state.queue.get(queueText(name, key));
        if (row !== undefined) row.dead = true;
      }
    });
  }

  async claim(
    name: QueueName,
    claimant: Claimant,
    limit: number,
    leaseMs: number,
    signal: AbortSignal,
  ): Promise<QueuedMemory[]> {
    return await this.#call("claim", signal, () => this.#state.claim(name, claimant, limit, leaseMs));
  }

  async readQueued(name: QueueName, keys: readonly MemoryKey[], signal: AbortSignal): Promise<QueuedMemory[]> {
    return await this.#call("readQueued", signal, () =>
      keys.flatMap((key) => {
        const row = this.#state.queue.get(queueText(name, key));
        return row === undefined ? [] : [{ ...row }];
      }),
    );
  }

  async settle(name: QueueName, memories: readonly QueuedMemory[], signal: AbortSignal): Promise<void> {
    await this.#call("settle", signal, () => {
      for (const memory of memories) if (this.#claimed(name, memory)) this.#state.queue.delete(queueText(name, memory));
    });
  }

  async release(name: QueueName, memories: readonly QueuedMemory[], end: Release, signal: AbortSignal): Promise<void> {
    await this.#call("release", signal, () => {
      for (const memory of memories) {
        const row = this.#claimed(name, memory);
        if (row !== undefined) this.#state.release(row, end);
      }
    });
  }

  async queueOverdue(
    deadlineMs: number,
    limit: number,
    signal: AbortSignal,
    ownStores: readonly StoreId[],
  ): Promise<{ transactions: number; memories: number }> {
    return await this.#call("queueOverdue", signal, () =>
      this.#state.queueOverdue(this.nodeId, ownStores, deadlineMs, limit),
    );
  }

  async listQueue(limit: number, signal: AbortSignal): Promise<QueueEntry[]> {
    return await this.#call("listQueue", signal, () => this.#state.listQueue().slice(0, limit));
  }

  async retryDead(signal: AbortSignal): Promise<number> {
    return await this.#call("retryDead", signal, () => {
      const dead = [...this.#state.queue.values()].filter((row) => row.dead);
      for (const row of dead)
        Object.assign(row, { dead: false, attempts: 0, dueAt: this.#state.now(), claimedUntil: 0 });
      return dead.length;
    });
  }

  async pauseBacklog(signal: AbortSignal): Promise<void> {
    await this.#call("pauseBacklog", signal, () => {
      this.#state.held = true;
    });
  }

  async resumeBacklog(signal: AbortSignal): Promise<void> {
    await this.#call("resumeBacklog", signal, () => {
      this.#state.held = false;
    });
  }

  async isBacklogPaused(signal: AbortSignal): Promise<boolean> {
    return await this.#call("isBacklogPaused", signal, () => this.#state.held);
  }

  async dropDead(signal: AbortSignal): Promise<number> {
    return await this.#call("dropDead", signal, () => {
      const dead = [...this.#state.queue].filter(([, row]) => row.dead);
      for (const [text] of dead) this.#state.queue.delete(text);
      return dead.length;
    });
  }

  async confirming<T>(
    keys: readonly MemoryKey[],
    overdueMs: number,
    signal: AbortSignal,
    work: (locked: LockedForConfirm) => Promise<T>,
  ): Promise<T> {
    const transaction = this.#begin();
    try {
      const locked = await this.#call("confirming", signal, () =>
        this.#state.lockForConfirm(transaction, keys, this.nodeId, overdueMs),
      );
      return await work(locked);
    } finally {
      this.#end(transaction);
    }
  }

  async restoreDocument(
    key: MemoryKey,
    version: number,
    documentJson: string,
    embedding: Buffer | null,
    signal: AbortSignal,
  ): Promise<boolean> {
    return await this.#call("restoreDocument", signal, () =>
      this.#state.restoreDocument(key, version, documentJson, embedding),
    );
  }

  async restoreDigest(key: MemoryKey, version: number, signal: AbortSignal): Promise<boolean> {
    // Digests are never damaged here.
    return await this.#call("restoreDigest", signal, () => this.#state.versions.get(keyText(key))?.version === version);
  }

  async restoreChecksum(key: MemoryKey, version: number, checksum: string, signal: AbortSignal): Promise<boolean> {
    return await this.#call("restoreChecksum", signal, () => this.#state.restoreChecksum(key, version, checksum));
  }

  async removeStrayDocument(key: MemoryKey, signal: AbortSignal): Promise<boolean> {
    return await this.#call("removeStrayDocument", signal, () => this.#state.removeStrayDocument(key));
  }

  #begin(): MemoryTransaction {
    const transaction = new MemoryTransaction(this.#state, this.#interrupt);
    this.open.add(transaction);
    return transaction;
  }

  #end(transaction: MemoryTransaction): void {
    transaction.disconnect();
    this.open.delete(transaction);
  }

  async #call<T>(name: string, signal: AbortSignal, work: () => T): Promise<T> {
    signal.throwIfAborted();
    await this.#interrupt(`ledger ${name}`);
    const result = work();
    await this.#interrupt(`ledger ${name} answered`);
    return result;
  }

  #rows(keys: readonly MemoryKey[]): VersionRow[] {
    return keys.flatMap((key) => this.#state.versions.get(keyText(key)) ?? []);
  }

  #claimed(name: QueueName, memory: QueuedMemory): QueueRow | undefined {
    const row = this.#state.queue.get(queueText(name, memory));
    return row?.seq === memory.seq ? row : undefined;
  }
}

function change(row: VersionRow): MemoryChange {
  const { version, modifiedAt } = row;
  if (row.checksum === null || row.documentJson === null)
    return { kind: "tombstone", ...plainKey(row), version, modifiedAt };
  return {
    kind: "put",
    ...plainKey(row),
    version,
    checksum: row.checksum,
    digest: row.digest ?? "",
    versionVector: row.versionVector,
    modifiedAt,
    documentJson: row.documentJson,
    embedding: row.embedding,
    embeddingModel: (JSON.parse(row.documentJson) as { embeddingModel?: string }).embeddingModel ?? null,
    expiresAt: row.expiresAt,
  };
}

function plainKey(key: MemoryKey): MemoryKey {
  return parseKeyText(keyText(key));
}

function comparePositions(a: KeyPosition, b: KeyPosition): number {
  return a.bucket - b.bucket || compareKeys(a, b);
}
