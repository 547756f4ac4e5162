import { AbortedError, ClosedError, StoreUnavailableError } from "../../domain/errors.ts";
import { isTimeout, untilAborted } from "../../runtime/deadline.ts";
import { onAbort } from "../../runtime/on-abort.ts";
import type { FeedListener, PoolStatistics, PostgresAccess, PostgresConnection, Sql } from "./postgres-access.ts";
import { postgresError } from "./postgres-errors.ts";
import { endLane, type Lane, openLane } from "./postgres-lane.ts";
import { type PostgresTarget, parsePostgresUrl, type SessionAttributes } from "./postgres-url.ts";

export interface PostgresPoolOptions {
  /** Connections that `maintain` keeps open, however idle they are. @default 0 */
  min?: number;
  /** Connections at most. @default 20 */
  max?: number;
  /** Calls that may wait for a connection; more are refused at once. @default 10_000 */
  waitingMax?: number;
  /** Milliseconds for establishing one connection. @default 5_000 */
  connectTimeoutMs?: number;
  /** Milliseconds after which the server itself cancels a statement. @default 60_000 */
  statementTimeoutMs?: number;
  /** Milliseconds that a statement waits for a row's lock before the transaction is tried anew. @default 5_000 */
  lockTimeoutMs?: number;
  /** Milliseconds after which the server ends a transaction of ours that went silent. @default 60_000 */
  idleInTransactionTimeoutMs?: number;
  /** Milliseconds after which a connection is replaced by a new one, when idle. @default 1_800_000 (30 min) */
  lifetimeMs?: number;
  /** Milliseconds after which an idle connection beyond `min` is closed by `maintain`. @default 60_000 */
  idleTimeoutMs?: number;
  applicationName?: string;
  /** Told how each piece of work went that had a connection, or got none: whether the server answered it. */
  onUsed?: (answered: boolean) => void;
}

/** What happened to connections so far. */
export interface PoolCounts {
  readonly opened: number;
  /** Replaced for their age, or closed since nobody needed them. */
  readonly recycled: number;
  /** Given up after a failure, or found dead. */
  readonly lost: number;
}

interface IdleLane {
  readonly lane: Lane;
  readonly since: number;
}

interface Waiter {
  resolve(lane: Lane | null): void;
}

/**
 * A pool of single-connection clients. The driver's own pool can neither give up on a connection whose peer went
 * silent nor tell whether a statement of a transaction ran on a second connection after the first was lost; here a
 * connection is one socket, which is destroyed when a deadline passes and never replaced behind the caller's back.
 */
export class PostgresPool implements PostgresAccess {
  readonly #sessionAttributes: SessionAttributes;
  readonly #options: Required<PostgresPoolOptions>;
  readonly #idle: IdleLane[] = [];
  readonly #counts = { opened: 0, recycled: 0, lost: 0 };
  /** In the order in which they are tried: the one that did last time first. */
  #targets: readonly PostgresTarget[];
  readonly #busy = new Set<Lane>();
  readonly #waiters: Waiter[] = [];
  readonly #listening = new Set<Lane>();
  #opening = 0;
  #closed = false;

  /** @throws {ConfigurationError} The URL is none. */
  constructor(url: string, options: PostgresPoolOptions = {}) {
    const { targets, sessionAttributes } = parsePostgresUrl(url);
    this.#targets = targets;
    this.#sessionAttributes = sessionAttributes;
    this.#options = {
      min: 0,
      max: 20,
      waitingMax: 10_000,
      connectTimeoutMs: 5_000,
      statementTimeoutMs: 60_000,
      lockTimeoutMs: 5_000,
      idleInTransactionTimeoutMs: 60_000,
      lifetimeMs: 1_800_000,
      idleTimeoutMs: 60_000,
      applicationName: "mnemosync",
      onUsed: () => undefined,
      ...options,
    };
  }

  async use<T>(signal: AbortSignal, work: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    let lane: Lane;
    try {
      lane = await this.#acquire(signal);
    } catch (error) {
      if (error instanceof StoreUnavailableError) this.#options.onUsed(false);
      throw error;
    }
    let failed = true;
    const forget = onAbort(signal, () => lane.destroy());
    try {
      if (signal.aborted) lane.destroy();
      // Raced, since the driver may leave a queued query of a lost connection unsettled for ever.
      const result = await untilAborted(work(lane), signal);
      failed = false;
      this.#options.onUsed(true);
      return result;
    } catch (error) {
      const reason = signal.aborted ? lostToSignal(signal, error) : postgresError(error);
      if (reason instanceof StoreUnavailableError) this.#options.onUsed(false);
      throw reason;
    } finally {
      forget();
      this.#release(lane, failed);
    }
  }

  async listen(
    channel: string,
    begin: (sql: Sql) => Promise<void>,
    onSignal: () => void,
    signal: AbortSignal,
  ): Promise<FeedListener> {
    if (this.#closed) throw new ClosedError("the Postgres pool");
    const onNotification = (heard: string): void => {
      if (heard === channel) onSignal();
    };
    let lane: Lane | null = null;
    try {
      const options = { ...this.#options, onNotification };
      lane = (await openLane(this.#targets, this.#sessionAttributes, options, signal)).lane;
      await untilAborted(begin(lane.sql), signal);
    } catch (error) {
      lane?.destroy();
      throw signal.aborted ? lostToSignal(signal, error) : postgresError(error);
    }
    const opened = lane;
    this.#listening.add(opened);
    if (this.#closed) opened.destroy();
    return {
      usable: () => opened.usable(),
      close: () => {
        this.#listening.delete(opened);
        opened.destroy();
      },
    };
  }

  statistics(): PoolStatistics {
    return { idle: this.#idle.length, busy: this.#busy.size + this.#opening, waiting: this.#waiters.length };
  }

  counts(): PoolCounts {
    return { ...this.#counts };
  }

  /**
   * Closes idle connections that are too old, dead or too many, and opens new ones until `min` are there. The owner calls
   * it from time to time. @throws {StoreUnavailableError} The server takes no connection.
   */
  async maintain(signal: AbortSignal): Promise<void> {
    const { min, max, lifetimeMs, idleTimeoutMs } = this.#options;
    const now = performance.now();
    // The first ones have been idle for longest.
    for (const idle of [...this.#idle]) {
      const tooOld = now - idle.lane.openedAt >= lifetimeMs;
      const tooMany = now - idle.since >= idleTimeoutMs && this.#size > min;
      if (idle.lane.usable() && !tooOld && !tooMany) continue;
      this.#idle.splice(this.#idle.indexOf(idle), 1);
      this.#drop(idle.lane, idle.lane.usable() ? "recycled" : "lost");
    }
    while (this.#size < Math.min(min, max) && !this.#closed && !signal.aborted) {
      this.#release(await this.#open(signal), false);
    }
  }

  /** Ends idle connections and destroys the rest: whoever still uses one is told that it is gone. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(null);
    for (const lane of [...this.#busy, ...this.#listening]) lane.destroy();
    await Promise.all(this.#idle.splice(0).map(({ lane }) => endLane(lane)));
  }

  get #size(): number {
    return this.#idle.length + this.#busy.size + this.#opening;
  }

  #drop(lane: Lane, reason: "recycled" | "lost"): void {
    this.#counts[reason]++;
    lane.destroy();
  }

  async #acquire(signal: AbortSignal): Promise<Lane> {
    for (;;) {
      if (this.#closed) throw new ClosedError("the Postgres pool");
      if (signal.aborted) throw lostToSignal(signal);
      const idle = this.#takeIdle();
      if (idle !== undefined) {
        this.#busy.add(idle);
        return idle;
      }
      if (this.#busy.size + this.#opening < this.#options.max) return await this.#open(signal);
      const handed = await this.#wait(signal);
      if (handed !== null) return handed;
    }
  }

  /** The lane that was used last: it is the likeliest to be warm, and the others may age out. */
  #takeIdle(): Lane | undefined {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      const { lane } = idle;
      if (lane.usable() && performance.now() - lane.openedAt < this.#options.lifetimeMs) return lane;
      this.#drop(lane, lane.usable() ? "recycled" : "lost");
    }
    return undefined;
  }

  async #open(signal: AbortSignal): Promise<Lane> {
    this.#opening++;
    try {
      const { lane, target } = await openLane(this.#targets, this.#sessionAttributes, this.#options, signal);
      if (target !== this.#targets[0]) {
        this.#targets = [target, ...this.#targets.filter((other) => other !== target)];
      }
      this.#counts.opened++;
      if (this.#closed) {
        lane.destroy();
        throw new ClosedError("the Postgres pool");
      }
      this.#busy.add(lane);
      return lane;
    } catch (error) {
      this.#wakeOne(); // The place is free again.
      throw signal.aborted ? lostToSignal(signal, error) : postgresError(error);
    } finally {
      this.#opening--;
    }
  }

  /** A lane that was handed over; null when there is a place for a new one, or the pool was closed. */
  async #wait(signal: AbortSignal): Promise<Lane | null> {
    if (this.#waiters.length >= this.#options.waitingMax) {
      throw new StoreUnavailableError("postgres", `${this.#waiters.length} calls wait for a connection already`);
    }
    let waiter: Waiter | undefined;
    const handed = new Promise<Lane | null>((resolve) => {
      waiter = { resolve };
      this.#waiters.push(waiter);
    });
    try {
      return await untilAborted(handed, signal);
    } catch {
      const index = this.#waiters.indexOf(waiter as Waiter);
      if (index >= 0) this.#waiters.splice(index, 1);
      // Handed over in the very moment in which we gave up: pass it on.
      else void handed.then((lane) => (lane === null ? this.#wakeOne() : this.#release(lane, false)));
      throw lostToSignal(signal);
    }
  }

  #release(lane: Lane, failed: boolean): void {
    // A connection that saw a failure may be in the midst of a transaction; a new one costs a few milliseconds.
    if (failed || this.#closed || !lane.usable()) {
      this.#busy.delete(lane);
      this.#drop(lane, "lost");
      this.#wakeOne();
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve(lane); // It stays busy.
      return;
    }
    this.#busy.delete(lane);
    this.#idle.push({ lane, since: performance.now() });
  }

  #wakeOne(): void {
    this.#waiters.shift()?.resolve(null);
  }
}

function lostToSignal(signal: AbortSignal, cause?: unknown): StoreUnavailableError | AbortedError {
  if (isTimeout(signal)) return new StoreUnavailableError("postgres", "no answer before the deadline", { cause });
  return new AbortedError("a call to postgres", { cause: signal.reason });
}
