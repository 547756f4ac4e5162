import { MnemosyncError, StoreEpochError } from "../domain/errors.ts";
import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { MemoryChange } from "../domain/memory.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { QueuedMemory, QueueName } from "../ledger/queue-statements.ts";
import type { QueueEntry } from "../ledger/queue-view.ts";
import { backoffMs } from "../runtime/backoff.ts";
import { withDeadline } from "../runtime/deadline.ts";
import type { Log } from "../runtime/log.ts";
import { NEVER } from "../runtime/shared-deadline.ts";
import { identityOf, withoutForeignVector } from "../stores/traits.ts";
import { correctLate, LATE_MS } from "./late-publish.ts";
import { judgeStale } from "./stale.ts";
import { countsAgainstProjection, countsAgainstStore, type StoreGate } from "./store-gate.ts";

export interface BacklogParts {
  readonly ledger: LedgerStore;
  readonly gates: readonly StoreGate[];
  readonly log: Log;
  /** Names this worker in leases: one process, and no process after it. */
  readonly workerId: string;
  /** Milliseconds after which an unpublished transaction is taken over. */
  readonly publishDeadlineMs: number;
  /** Milliseconds that a projection may take to publish a batch. */
  readonly publishTimeoutMs: number;
  /** Attempts per memory before it becomes a dead letter. Attempts while the store is away do not count. */
  readonly attemptsMax: number;
  /**
   * Settles memories of which a store holds something that the ledger never gave out: publishing them again cannot help,
   * and overwriting unseen would destroy evidence. Absent: they are tried again, and become dead letters.
   */
  readonly settleUnproven?: SettleUnproven | undefined;
  /** 0 … 1. @default Math.random */
  readonly random?: (() => number) | undefined;
}

/** @returns why a memory is not settled, by key text; those that are settled, or await a person's decision, are not in it. */
export type SettleUnproven = (
  store: StoreId,
  keys: readonly MemoryKey[],
  signal: AbortSignal,
) => Promise<ReadonlyMap<string, string>>;

/** Counts of one pass. */
export interface BacklogPass {
  /** Transactions that were overdue and are queued now. */
  readonly takenOver: number;
  /** Memories claimed from the queue. */
  readonly claimed: number;
  /** Of these, those whose store is up to date now. */
  readonly published: number;
  /** Whether a queue gave a full batch, so that more may be waiting. */
  readonly more: boolean;
}

/** Memories claimed at a time. */
const BATCH_SIZE = 500;

/** Overdue transactions taken over at a time. */
const TRANSACTIONS_MAX = 100;

/**
 * Milliseconds that a claim is honoured before another worker may take the row: longer than reading and publishing a
 * batch may take. A shorter value repeats work, which is harmless.
 */
const LEASE_MS = 60_000;

/** Milliseconds until the next look at a memory whose store was away. */
const STORE_AWAY_DELAY_MS = 500;

/** Milliseconds, at most, between two attempts at a memory that its store refuses. */
const DELAY_MAX_MS = 300_000;

interface SignalOption {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Brings stores up to date with what was committed and not published. It publishes the ledger's current version, so
 * duplicates coalesce and stale entries are harmless. Many nodes may work it at once.
 */
export class Backlog {
  readonly #parts: BacklogParts;
  /** Numbers of the passes over a queue that are under way, in ascending order. */
  readonly #turns = new Set<number>();
  #turn = 0;

  /** @internal Callers get the one of their synchronizer. */
  constructor(parts: BacklogParts) {
    this.#parts = parts;
  }

  /** One look at the overdue transactions and at each store's queue. Has no timers. @throws {StoreUnavailableError} Postgres is away. */
  async runOnce({ signal = NEVER }: SignalOption = {}): Promise<BacklogPass> {
    const { ledger, gates, publishDeadlineMs } = this.#parts;
    const own = gates.filter(({ target }) => target.traits.scope === "node").map(({ target }) => target.id);
    const { transactions } = await ledger.queueOverdue(publishDeadlineMs, TRANSACTIONS_MAX, signal, own);
    const passes = await Promise.all(gates.map((gate) => this.#workQueue(gate, signal)));
    return {
      takenOver: transactions,
      claimed: passes.reduce((sum, pass) => sum + pass.claimed, 0),
      published: passes.reduce((sum, pass) => sum + pass.published, 0),
      more: transactions === TRANSACTIONS_MAX || passes.some((pass) => pass.published === BATCH_SIZE),
    };
  }

  /** Runs passes until one finds no due work. @returns memories brought up to date. */
  async drain({ signal = NEVER }: SignalOption = {}): Promise<number> {
    let published = 0;
    for (;;) {
      const pass = await this.runOnce({ signal });
      published += pass.published;
      if (pass.published === 0 && pass.takenOver === 0) return published;
    }
  }

  /** Entries of the queue, dead letters first. @param options.limit at most so many. @default 100 */
  async list({
    limit = 100,
    signal = NEVER,
  }: SignalOption & { limit?: number | undefined } = {}): Promise<QueueEntry[]> {
    return await this.#parts.ledger.listQueue(limit, signal);
  }

  /** Makes dead letters due again. @returns how many. */
  async retry({ signal = NEVER }: SignalOption = {}): Promise<number> {
    return await this.#parts.ledger.retryDead(signal);
  }

  /** Forgets dead letters: their stores stay behind until a check finds them. @returns how many. */
  async drop({ signal = NEVER }: SignalOption = {}): Promise<number> {
    return await this.#parts.ledger.dropDead(signal);
  }

  /**
   * Makes passes do nothing on every node, until `resume`. What is committed meanwhile stays queued. Kept in the ledger:
   * it outlives this process.
   */
  async pause({ signal = NEVER }: SignalOption = {}): Promise<void> {
    await this.#parts.ledger.pauseBacklog(signal);
  }

  /** Ends `pause`, on every node. */
  async resume({ signal = NEVER }: SignalOption = {}): Promise<void> {
    await this.#parts.ledger.resumeBacklog(signal);
  }

  async isPaused({ signal = NEVER }: SignalOption = {}): Promise<boolean> {
    return await this.#parts.ledger.isBacklogPaused(signal);
  }

  async #workQueue(gate: StoreGate, signal: AbortSignal): Promise<{ claimed: number; published: number }> {
    if (!gate.allows()) return { claimed: 0, published: 0 };
    const turn = ++this.#turn;
    this.#turns.add(turn);
    try {
      return await this.#workTurn(gate, turn, signal);
    } finally {
      this.#turns.delete(turn);
    }
  }

  async #workTurn(gate: StoreGate, turn: number, signal: AbortSignal): Promise<{ claimed: number; published: number }> {
    const { ledger, workerId } = this.#parts;
    const queue = ledger.queueOf(identityOf(gate.target));
    const [oldestTurn = turn] = this.#turns;
    const memories = await ledger.claim(queue, { workerId, turn, oldestTurn }, BATCH_SIZE, LEASE_MS, signal);
    if (memories.length === 0) return { claimed: 0, published: 0 };
    const readAt = performance.now();
    const { knownEpoch: epoch } = ledger;
    const changes = await ledger.readChanges(memories, signal);
    const published = await this.#publish(gate, queue, memories, { changes, epoch, readAt }, signal);
    return { claimed: memories.length, published };
  }

  /** Publishes a batch. When its data makes it fail, halves it until each memory at fault is alone. */
  async #publish(
    gate: StoreGate,
    queue: QueueName,
    memories: readonly QueuedMemory[],
    read: {
      readonly changes: ReadonlyMap<string, MemoryChange>;
      readonly epoch: string | undefined;
      readonly readAt: number;
    },
    signal: AbortSignal,
  ): Promise<number> {
    const { changes, epoch, readAt } = read;
    const { ledger, log, publishTimeoutMs } = this.#parts;
    const known = memories
      .flatMap((memory) => changes.get(keyText(memory)) ?? [])
      // Another node may take vectors that do not fit here. The refusal of one would count against the store.
      .map((change) => withoutForeignVector(gate.target.traits, change));
    let unproven: ReadonlyMap<string, string> = new Map();
    const begun = gate.begin();
    try {
      if (known.length > 0) {
        unproven = await withDeadline(publishTimeoutMs, signal, async (deadline) => {
          const answers = await gate.target.publish(known, deadline, undefined, epoch);
          if (performance.now() - readAt >= LATE_MS) await correctLate(this.#parts, gate, known, answers, deadline);
          const stale = known.filter((_, index) => answers[index] === "stale");
          return await judgeStale(ledger, gate.target, stale, deadline);
        });
      }
      gate.succeeded();
    } catch (error) {
      if (signal.aborted) throw error; // The next pass of this process takes the rows, or another one's after the lease.
      const { id: store } = gate.target;
      const reason = error instanceof MnemosyncError ? error.message : String(error);
      if (countsAgainstStore(error) || error instanceof StoreEpochError) {
        // The next pass reads the memories again, in the epoch that this process knows by then.
        if (countsAgainstProjection(error)) gate.failed(error, begun);
        log.warn({ store, memories: memories.length, error: reason }, "backlog.store_away");
        const delayMs = STORE_AWAY_DELAY_MS * (0.5 + this.#random());
        await ledger.release(queue, memories, { delayMs, counts: false, error: reason }, signal);
        return 0;
      }
      if (memories.length > 1) {
        const middle = memories.length >> 1;
        const first = await this.#publish(gate, queue, memories.slice(0, middle), read, signal);
        return first + (await this.#publish(gate, queue, memories.slice(middle), read, signal));
      }
      await this.#giveBack(queue, memories, reason, signal);
      return 0;
    }
    const open = unproven.size === 0 ? unproven : await this.#settleUnproven(gate, memories, unproven, signal);
    const settled = memories.filter((memory) => !open.has(keyText(memory)));
    await ledger.settle(queue, settled, signal);
    for (const memory of memories) {
      const reason = open.get(keyText(memory));
      if (reason !== undefined) await this.#giveBack(queue, [memory], reason, signal);
    }
    return settled.length;
  }

  /** @returns why a memory stays in the queue, by key text. */
  async #settleUnproven(
    gate: StoreGate,
    memories: readonly QueuedMemory[],
    unproven: ReadonlyMap<string, string>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, string>> {
    const { settleUnproven, log } = this.#parts;
    const store = gate.target.id;
    const [reason] = unproven.values();
    log.warn({ store, memories: unproven.size, reason }, "backlog.stale_unproven");
    if (settleUnproven === undefined) return unproven;
    const keys = memories.filter((memory) => unproven.has(keyText(memory)));
    try {
      return await settleUnproven(store, keys, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      log.warn({ store, error: (error as Error).message }, "backlog.settle_failed");
      return unproven;
    }
  }

  async #giveBack(
    queue: QueueName,
    memories: readonly QueuedMemory[],
    error: string,
    signal: AbortSignal,
  ): Promise<void> {
    const attempts = memories[0]?.attempts ?? 1;
    const dead = attempts >= this.#parts.attemptsMax;
    const delayMs = dead
      ? null
      : backoffMs(attempts, { baseMs: 2_000, maxMs: DELAY_MAX_MS, random: () => this.#random() });
    this.#parts.log.warn({ store: queue.store, attempts, dead, error }, "backlog.memory_refused");
    await this.#parts.ledger.release(queue, memories, { delayMs, counts: true, error }, signal);
  }

  #random(): number {
    return (this.#parts.random ?? Math.random)();
  }
}
