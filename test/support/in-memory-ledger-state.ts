import { embeddingFromBytes } from "../../src/domain/checksum.ts";
import type { Ending } from "../../src/domain/ending.ts";
import { StoreUnavailableError } from "../../src/domain/errors.ts";
import { compareKeys, keyText, type MemoryKey } from "../../src/domain/keys.ts";
import type { StoreId } from "../../src/domain/store-id.ts";
import type { VersionVector } from "../../src/domain/version-vector.ts";
import type { Backend } from "../../src/drivers/postgres/postgres-access.ts";
import type { LockedForConfirm } from "../../src/ledger/check-statements.ts";
import type { NewlyWritten } from "../../src/ledger/copy-flights.ts";
import type { Flown } from "../../src/ledger/guarded-writes.ts";
import type { KeyClaim, TakenKey } from "../../src/ledger/idempotency-statements.ts";
import type { Claiming, LedgerTransaction } from "../../src/ledger/ledger-transaction.ts";
import type { Claimant, QueuedMemory, QueueName, Release } from "../../src/ledger/queue-statements.ts";
import type { QueueEntry } from "../../src/ledger/queue-view.ts";
import type { LedgerVersion } from "../../src/ledger/read-statements.ts";
import type { NamespaceStatistics, SyncStatistics } from "../../src/ledger/status-statements.ts";
import type { RegisteredStore } from "../../src/ledger/store-statements.ts";
import type { GuardedAnswer, GuessedWrite } from "../../src/ledger/version-write.ts";
import type {
  Begun,
  LockedRow,
  TransactionToken,
  VersionWrite,
  WriteAnswer,
} from "../../src/ledger/write-statements.ts";
import type { Interruption } from "./in-memory-projection.ts";

/** A memory's narrow and wide row in one. */
export interface VersionRow extends LedgerVersion {
  readonly bucket: number;
  readonly digest: string | null;
  readonly versionVector: VersionVector;
  readonly endedBy: Ending | null;
  readonly seq: number;
  documentJson: string | null;
  embedding: Float32Array | null;
}

export interface TransactionRow {
  state: "committed" | "published" | "rolled_back";
  readonly nodeId: string;
  readonly writes: readonly (MemoryKey & { version: number })[];
  readonly createdAt: number;
  readonly reason: string | null;
}

export interface QueueRow extends MemoryKey {
  readonly queue: QueueName;
  seq: string;
  attempts: number;
  readonly enqueuedAt: number;
  dueAt: number;
  claimedUntil: number;
  claimedBy?: Pick<Claimant, "workerId" | "turn">;
  dead: boolean;
  lastError: string | null;
}

export function queueText(queue: QueueName, key: MemoryKey): string {
  return `${queue.store} ${queue.nodeId} ${keyText(key)}`;
}

/** Names the rows of a claim: one in each namespace. */
function keysOf({ namespaces, caller, key, part }: KeyClaim): string[] {
  return namespaces.map((namespace) => JSON.stringify(["idempotency key", namespace, caller, key, part]));
}

/** What outlives every node: all that is committed, and the locks of the transactions that run. */
export class LedgerState {
  /** Of the backlog of all nodes. */
  held = false;
  /** Shared stores of the deployment, by id. */
  readonly stores = new Map<StoreId, RegisteredStore>();
  readonly versions = new Map<string, VersionRow>();
  readonly history = new Map<string, VersionRow[]>();
  readonly transactions = new Map<string, TransactionRow>();
  readonly queue = new Map<string, QueueRow>();
  /** Claimed idempotency keys, by `keysOf`. */
  readonly keys = new Map<string, TakenKey & { readonly createdAt: number }>();
  readonly running = new Map<number, MemoryTransaction>();
  readonly locks = new Map<string, MemoryTransaction>();
  /** Locks of checks, which keep writers off and leave each other alone. */
  readonly sharedLocks = new Map<string, Set<MemoryTransaction>>();
  readonly now: () => number;
  lastCleanCheckAt: number | null = null;
  #lastSeq = 0;
  #lastPid = 0;

  /** @param now milliseconds since 1970. */
  constructor(now: () => number = Date.now) {
    this.now = now;
  }

  nextSeq(): number {
    return ++this.#lastSeq;
  }

  nextPid(): number {
    return ++this.#lastPid;
  }

  /** Ends a server process: what it had not committed is gone. */
  endBackend(pid: number): void {
    this.running.get(pid)?.end();
  }

  markPublished(transactionIds: readonly string[]): void {
    for (const transactionId of transactionIds) {
      const row = this.transactions.get(transactionId);
      if (row?.state === "committed") row.state = "published";
    }
  }

  recordRollback(
    { transactionId, keys, reason }: { transactionId: string; keys: readonly MemoryKey[]; reason: string },
    nodeId: string,
  ): void {
    if (this.transactions.has(transactionId)) return;
    const writes = keys.map((key) => ({ ...key, version: 0 }));
    const row = { nodeId, writes, createdAt: this.now(), reason };
    this.transactions.set(transactionId, { state: "rolled_back", ...row });
  }

  /** Keys of transactions that hold the claim's key in any of its namespaces. */
  takenKeys(claim: KeyClaim): TakenKey[] {
    const taken = keysOf(claim).flatMap((text) => this.keys.get(text) ?? []);
    return [...new Map(taken.map((key) => [key.transactionId, key])).values()];
  }

  pendingStores(transactionId: string, keys: readonly MemoryKey[], stores: readonly StoreId[]): ReadonlySet<string> {
    const isCommitted = this.transactions.get(transactionId)?.state === "committed";
    return new Set(
      keys.flatMap((key) =>
        stores.flatMap((store) => {
          const queued = [...this.queue.values()].some(
            (entry) => entry.queue.store === store && keyText(entry) === keyText(key),
          );
          return isCommitted || queued ? [`${store} ${keyText(key)}`] : [];
        }),
      ),
    );
  }

  enqueue(queue: QueueName, keys: readonly MemoryKey[], reason: string | null): void {
    for (const { namespace, memoryId } of keys) {
      const text = queueText(queue, { namespace, memoryId });
      const before = this.queue.get(text);
      const fresh = { seq: String(this.nextSeq()), attempts: 0, dueAt: this.now(), claimedUntil: 0, dead: false };
      const lastError = reason ?? before?.lastError ?? null;
      if (before !== undefined) Object.assign(before, fresh, { lastError });
      else this.queue.set(text, { queue, namespace, memoryId, enqueuedAt: this.now(), lastError, ...fresh });
    }
  }

  claim(queue: QueueName, { workerId, turn, oldestTurn }: Claimant, limit: number, leaseMs: number): QueuedMemory[] {
    if (this.held) return [];
    const now = this.now();
    const due = [...this.queue.values()].filter(
      (row) =>
        row.queue.store === queue.store &&
        row.queue.nodeId === queue.nodeId &&
        !row.dead &&
        row.dueAt <= now &&
        (row.claimedUntil <= now || (row.claimedBy?.workerId === workerId && row.claimedBy.turn < oldestTurn)),
    );
    return due.slice(0, limit).map((row) => {
      row.claimedUntil = now + leaseMs;
      row.claimedBy = { workerId, turn };
      row.attempts++;
      return { namespace: row.namespace, memoryId: row.memoryId, seq: row.seq, attempts: row.attempts };
    });
  }

  release(row: QueueRow, { delayMs, counts, error }: Release): void {
    row.claimedUntil = 0;
    row.lastError = error;
    if (!counts) row.attempts = Math.max(0, row.attempts - 1);
    row.dueAt = this.now() + (delayMs ?? 0);
    row.dead = delayMs === null;
  }

  queueOverdue(
    nodeId: string,
    ownStores: readonly StoreId[],
    deadlineMs: number,
    limit: number,
  ): { transactions: number; memories: number } {
    if (this.held) return { transactions: 0, memories: 0 };
    const overdue = [...this.transactions.values()].filter(
      (row) => row.state === "committed" && row.createdAt < this.now() - deadlineMs,
    );
    const keys = new Set<string>();
    for (const row of overdue.slice(0, limit)) {
      for (const store of this.stores.keys()) this.enqueue({ store, nodeId: "" }, row.writes, null);
      if (row.nodeId === nodeId) for (const store of ownStores) this.enqueue({ store, nodeId }, row.writes, null);
      for (const write of row.writes) keys.add(keyText(write));
      row.state = "published";
    }
    return { transactions: Math.min(overdue.length, limit), memories: keys.size };
  }

  listQueue(): QueueEntry[] {
    const rows = [...this.queue.values()].map((row) => ({
      store: row.queue.store,
      nodeId: row.queue.nodeId,
      namespace: row.namespace,
      memoryId: row.memoryId,
      state: row.dead ? ("dead" as const) : row.claimedUntil > this.now() ? ("claimed" as const) : ("pending" as const),
      attempts: row.attempts,
      enqueuedAt: row.enqueuedAt,
      nextAttemptAt: row.dueAt,
      lastError: row.lastError,
    }));
    return rows.sort((a, b) => Number(b.state === "dead") - Number(a.state === "dead") || a.enqueuedAt - b.enqueuedAt);
  }

  lockForConfirm(
    transaction: MemoryTransaction,
    keys: readonly MemoryKey[],
    nodeId: string,
    overdueMs: number,
  ): LockedForConfirm {
    const locked: LockedForConfirm = { rows: new Map(), busy: new Set() };
    for (const key of keys) {
      const text = keyText(key);
      const row = this.versions.get(text);
      if (row === undefined) continue;
      if (!transaction.tryShare(text)) {
        locked.busy.add(text);
        continue;
      }
      const written = this.transactions.get(row.transactionId);
      const recent = (time: number): boolean => time > this.now() - overdueMs;
      const fresh = written !== undefined && recent(written.createdAt);
      const unpublished = fresh && written.state === "committed";
      const followed = fresh && written.nodeId !== nodeId;
      const queuedFor = [...this.queue.values()]
        .filter((waiting) => keyText(waiting) === text && ["", nodeId].includes(waiting.queue.nodeId))
        .filter((waiting) => !waiting.dead && recent(waiting.enqueuedAt))
        .map(({ queue }) => queue.store);
      locked.rows.set(text, { ...row, underway: { unpublished, followed, queuedFor } });
    }
    return locked;
  }

  restoreDocument(key: MemoryKey, version: number, documentJson: string, embedding: Buffer | null): boolean {
    const row = this.versions.get(keyText(key));
    if (row?.version !== version || row.checksum === null) return false;
    row.documentJson = documentJson;
    row.embedding = embedding === null ? null : embeddingFromBytes(embedding);
    return true;
  }

  restoreChecksum(key: MemoryKey, version: number, checksum: string): boolean {
    const row = this.versions.get(keyText(key));
    if (row?.version !== version || row.checksum === null) return false;
    this.versions.set(keyText(key), { ...row, checksum });
    return true;
  }

  removeStrayDocument(key: MemoryKey): boolean {
    const row = this.versions.get(keyText(key));
    if (row === undefined || row.checksum !== null || row.documentJson === null) return false;
    row.documentJson = null;
    row.embedding = null;
    return true;
  }

  namespaceStatistics(namespaces: readonly string[], overdueMs: number): NamespaceStatistics {
    const own = ({ namespace }: { readonly namespace: string }) => namespaces.includes(namespace);
    const queued = [...this.queue.values()].filter(own);
    const waiting = queued.filter((row) => !row.dead);
    const unpublished = [...this.transactions.values()].filter((row) => row.state === "committed");
    return {
      memories: [...this.versions.values()].filter((row) => own(row) && row.checksum !== null).length,
      transactionsOverdue: unpublished.filter((row) => row.writes.some(own) && this.now() - row.createdAt > overdueMs)
        .length,
      queuePending: waiting.length,
      queueFailed: waiting.filter((row) => row.attempts > 0).length,
      queueDead: queued.length - waiting.length,
    };
  }

  statistics(overdueMs: number): SyncStatistics {
    const now = this.now();
    const rows = [...this.versions.values()];
    const unpublished = [...this.transactions.values()].filter((row) => row.state === "committed");
    const queued = [...this.queue.values()];
    const waiting = queued.filter((row) => !row.dead);
    const age = (times: number[]): number | null => (times.length === 0 ? null : (now - Math.min(...times)) / 1_000);
    return {
      memories: rows.filter((row) => row.checksum !== null).length,
      tombstones: rows.filter((row) => row.checksum === null).length,
      historyVersions: [...this.history.values()].reduce((sum, versions) => sum + versions.length, 0),
      transactionsUnpublished: unpublished.length,
      transactionsOverdue: unpublished.filter((row) => now - row.createdAt > overdueMs).length,
      oldestUnpublishedAgeSeconds: age(unpublished.map((row) => row.createdAt)),
      queuePending: waiting.length,
      queueFailed: waiting.filter((row) => row.attempts > 0).length,
      queueDead: queued.length - waiting.length,
      oldestQueuedAgeSeconds: age(waiting.map((row) => row.enqueuedAt)),
      conflictsPending: 0,
      lastCleanCheckAt: this.lastCleanCheckAt === null ? null : new Date(this.lastCleanCheckAt).toISOString(),
    };
  }
}

/** A transaction: its writes are seen by nobody until it commits, and its locks are held until it ends. */
export class MemoryTransaction implements LedgerTransaction {
  readonly backend: Backend;
  readonly #state: LedgerState;
  readonly #interrupt: Interruption;
  readonly #held = new Set<string>();
  readonly waiters: (() => void)[] = [];
  #pending: { writes: readonly VersionWrite[]; token: TransactionToken } | null = null;
  #kept: (Claiming & { answer: readonly unknown[] }) | null = null;
  #ended = false;
  #orphaned = false;

  constructor(state: LedgerState, interrupt: Interruption) {
    this.#state = state;
    this.#interrupt = interrupt;
    this.backend = { pid: state.nextPid(), startedAt: "0" };
    state.running.set(this.backend.pid, this);
  }

  async begin(keys: readonly MemoryKey[], claiming?: Claiming): Promise<Begun & { readonly facts: readonly never[] }> {
    await this.#interrupt("ledger begin");
    for (const text of claiming === undefined ? [] : keysOf(claiming.claim)) await this.#lock(text);
    const isKeyTaken = claiming !== undefined && this.#state.takenKeys(claiming.claim).length > 0;
    // As in Postgres: rows that exist are locked, in key order; a key without a row cannot be.
    for (const key of keys.toSorted(compareKeys))
      if (this.#state.versions.has(keyText(key))) await this.#lock(keyText(key));
    const locked = new Map<string, LockedRow>();
    for (const key of keys) {
      const row = this.#state.versions.get(keyText(key));
      if (row !== undefined && this.#held.has(keyText(key)))
        locked.set(keyText(key), { ...row, txId: row.transactionId });
    }
    await this.#interrupt("ledger begin answered");
    return { locked, floors: new Map(), now: this.#state.now(), isKeyTaken, facts: [] };
  }

  async isReplicated(): Promise<boolean> {
    return false;
  }

  async scrub(): Promise<never> {
    throw new TypeError("the ledger in memory keeps no devices");
  }

  async queueForStores(): Promise<never> {
    throw new TypeError("the ledger in memory is written by nodes that run its stores");
  }

  async beginWith(
    guesses: readonly GuessedWrite[],
    keys: readonly MemoryKey[],
    token: TransactionToken,
    claiming?: Claiming,
  ): Promise<Flown> {
    const begun = await this.begin(keys, claiming);
    const writes: VersionWrite[] = [];
    for (const { write, knownTx } of guesses.toSorted((a, b) => compareKeys(a.write, b.write))) {
      const text = keyText(write);
      if (knownTx !== (begun.locked.get(text)?.txId ?? null)) continue;
      if (knownTx === null) {
        await this.#lock(text); // Waits for another one that is inserting it.
        if (this.#state.versions.has(text)) continue;
      }
      writes.push({ ...write, modifiedAt: begun.now });
    }
    const hits = new Set(writes.map(keyText));
    const raced = keys.some((key) => {
      const text = keyText(key);
      return !hits.has(text) && !begun.locked.has(text) && this.#state.versions.has(text);
    });
    if (!raced && writes.length > 0) await this.write(writes, token);
    return { ...begun, hits, writtenAt: begun.now, raced };
  }

  readonly flies = true;

  async beginWithNew(writes: readonly VersionWrite[], token: TransactionToken): Promise<NewlyWritten> {
    await this.#interrupt("ledger begin");
    const writtenAt = this.#state.now();
    for (const write of writes.toSorted(compareKeys)) {
      await this.#lock(keyText(write)); // Waits for another one that is inserting it.
      if (this.#state.versions.has(keyText(write))) return { answer: "guessed_wrong", writtenAt: 0 };
    }
    const timed = writes.map((write) => ({ ...write, modifiedAt: writtenAt }));
    return { answer: await this.write(timed, token), writtenAt };
  }

  async beginWithPushed(): Promise<never> {
    throw new TypeError("the ledger in memory keeps no devices");
  }

  async commitAlone(guess: GuessedWrite, token: TransactionToken): Promise<GuardedAnswer> {
    await this.#interrupt("ledger commit");
    this.#assertRunning();
    try {
      await this.#interrupt("ledger commit underway");
    } catch (error) {
      // As in `commit`: nothing of it has been carried out yet.
      this.#orphaned = true;
      const later = this.#interrupt("ledger commit by the server").then(() => this.#carryOut(guess, token));
      later.catch(() => undefined); // It was ended before.
      throw error;
    }
    const answer = await this.#carryOut(guess, token);
    await this.#interrupt("ledger commit answered");
    return answer;
  }

  /** The row's lock, the guard, the write and COMMIT. */
  async #carryOut({ write, knownTx }: GuessedWrite, token: TransactionToken): Promise<GuardedAnswer> {
    const text = keyText(write);
    this.#assertRunning();
    await this.#lock(text);
    const holds = (this.#state.versions.get(text)?.transactionId ?? null) === knownTx;
    const writtenAt = this.#state.now();
    if (!holds) {
      this.#unlock();
      return { hits: new Set(), writtenAt };
    }
    this.#pending = { writes: [{ ...write, modifiedAt: writtenAt }], token };
    this.#commit();
    return { hits: new Set([text]), writtenAt };
  }

  async takenKeys({ claim }: Claiming): Promise<TakenKey[]> {
    return this.#state.takenKeys(claim);
  }

  async keepAnswer(claiming: Claiming, answer: readonly unknown[]): Promise<void> {
    this.#kept = { ...claiming, answer };
  }

  async write(writes: readonly VersionWrite[], token: TransactionToken): Promise<WriteAnswer> {
    await this.#interrupt("ledger write");
    this.#assertRunning();
    // An insert of a key that another transaction is inserting waits for it.
    for (const write of writes.toSorted(compareKeys)) await this.#lock(keyText(write));
    const fitting = writes.filter(
      (write) => (this.#state.versions.get(keyText(write))?.version ?? 0) === (write.inserts ? 0 : write.version - 1),
    );
    const before = token.appends === true ? (this.#pending?.writes ?? []) : [];
    this.#pending = { writes: [...before, ...writes], token };
    await this.#interrupt("ledger write answered");
    return fitting.length === writes.length ? "written" : "raced";
  }

  async commit(): Promise<void> {
    await this.#interrupt("ledger commit");
    this.#assertRunning();
    try {
      await this.#interrupt("ledger commit underway");
    } catch (error) {
      // The link is lost with COMMIT on its way: the server carries it out some time later, unless it is ended before.
      this.#orphaned = true;
      void this.#interrupt("ledger commit by the server").then(() => this.#commit());
      throw error;
    }
    this.#commit();
    await this.#interrupt("ledger commit answered");
  }

  #commit(): void {
    if (!this.#ended && this.#pending !== null) this.#apply(this.#pending.writes, this.#pending.token);
    this.end();
  }

  async rollback(): Promise<void> {
    await this.#interrupt("ledger rollback");
    this.end();
  }

  /** The client lets go of its connection: the transaction ends with it, unless the server has yet to notice. */
  disconnect(): void {
    if (!this.#orphaned) this.end();
  }

  /** Gives the locks free. What was not committed is gone. Safe twice. */
  end(): void {
    this.#ended = true;
    this.#pending = null;
    this.#state.running.delete(this.backend.pid);
    this.#unlock();
  }

  #unlock(): void {
    for (const text of this.#held) {
      if (this.#state.locks.get(text) === this) this.#state.locks.delete(text);
      this.#state.sharedLocks.get(text)?.delete(this);
    }
    this.#held.clear();
    for (const waiter of this.waiters.splice(0)) waiter();
  }

  tryShare(text: string): boolean {
    const holder = this.#state.locks.get(text);
    if (holder !== undefined && holder !== this) return false;
    const sharing = this.#state.sharedLocks.get(text) ?? new Set();
    this.#state.sharedLocks.set(text, sharing.add(this));
    this.#held.add(text);
    return true;
  }

  tryLock(text: string): boolean {
    if (this.#holderOf(text) !== undefined) return false;
    this.#state.locks.set(text, this);
    this.#held.add(text);
    return true;
  }

  /** Another transaction that keeps this one from writing. */
  #holderOf(text: string): MemoryTransaction | undefined {
    const holders = [this.#state.locks.get(text), ...(this.#state.sharedLocks.get(text) ?? [])];
    return holders.find((holder) => holder !== undefined && holder !== this);
  }

  async #lock(text: string): Promise<void> {
    while (!this.tryLock(text)) {
      await new Promise<void>((resolve) => this.#holderOf(text)?.waiters.push(resolve));
      this.#assertRunning();
    }
  }

  #assertRunning(): void {
    if (this.#ended) throw new StoreUnavailableError("postgres", "the connection was lost");
  }

  #apply(writes: readonly VersionWrite[], token: TransactionToken): void {
    for (const write of writes) {
      const text = keyText(write);
      const before = this.#state.versions.get(text);
      if (before !== undefined) {
        this.#state.history.set(text, [...(this.#state.history.get(text) ?? []), before]);
      }
      this.#state.versions.set(text, { ...write, seq: this.#state.nextSeq(), transactionId: token.transactionId });
    }
    this.#state.transactions.set(token.transactionId, {
      state: "committed",
      nodeId: token.nodeId,
      writes: writes.map(({ namespace, memoryId, version }) => ({ namespace, memoryId, version })),
      createdAt: this.#state.now(),
      reason: null,
    });
    if (this.#kept === null) return;
    const { claim, transactionId, answer } = this.#kept;
    const row = { transactionId, fingerprint: claim.fingerprint, answer, createdAt: this.#state.now() };
    for (const text of keysOf(claim)) this.#state.keys.set(text, row);
  }
}
