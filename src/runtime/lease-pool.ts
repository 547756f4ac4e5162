import { ClosedError, StoreUnavailableError } from "../domain/errors.ts";
import type { StoreId } from "../domain/store-id.ts";
import { storeAbortError, untilAborted } from "./deadline.ts";
import { onAbort } from "./on-abort.ts";

/** How a pool treats the connections that it hands out. */
export interface LeasedConnections<Connection> {
  /** Makes one. Rejects with the driver's errors, or with the reason of the signal. */
  open(signal: AbortSignal): Promise<Connection>;
  /** False once it is lost. */
  isUsable(connection: Connection): boolean;
  /** Drops it without waiting for the server; calls that use it fail. Safe twice. */
  destroy(connection: Connection): void;
  /** Ends an idle one in good order. */
  end(connection: Connection): Promise<void>;
  /** The error that callers see when no connection could be made. */
  openError(error: unknown): unknown;
  /** The error that callers see when their work failed. */
  workError(error: unknown): unknown;
}

export interface LeasePoolOptions {
  /** For messages and errors. */
  readonly store: StoreId;
  /** Connections that `maintain` keeps open, however idle they are. */
  readonly min: number;
  /** Connections at most. */
  readonly max: number;
  /** Calls that may wait for a connection; more are refused at once. */
  readonly waitingMax: number;
  /** Milliseconds after which a connection is replaced by a new one, when idle. */
  readonly lifetimeMs: number;
  /** Milliseconds after which `maintain` closes an idle connection beyond `min`. */
  readonly idleTimeoutMs: number;
  /** Called after each piece of work, and after each failure to get a connection: whether the server answered. */
  readonly onUsed?: (answered: boolean) => void;
}

/** What happened to connections so far. */
export interface PoolCounts {
  readonly opened: number;
  /** Closed because of their age, or because they were idle. */
  readonly recycled: number;
  /** Given up after a failure, or found dead. */
  readonly lost: number;
}

/** Connections by state, and calls that wait for one. */
export interface PoolStatistics {
  idle: number;
  busy: number;
  waiting: number;
}

interface Lease<Connection> {
  readonly connection: Connection;
  readonly openedAt: number;
  idleSince: number;
}

/**
 * A bounded pool that leases each connection to one piece of work at a time. A connection is destroyed when the deadline
 * of its work passes or its work fails. The pool never swaps a connection during a lease: only the next piece of work gets
 * another one.
 */
export class LeasePool<Connection> {
  readonly #connections: LeasedConnections<Connection>;
  readonly #options: LeasePoolOptions;
  /** The one that has been idle for longest first. */
  readonly #idle: Lease<Connection>[] = [];
  readonly #busy = new Set<Lease<Connection>>();
  /** Each takes a lease; or null, when there is room for a new one, or the pool was closed. */
  readonly #waiters: ((lease: Lease<Connection> | null) => void)[] = [];
  readonly #counts = { opened: 0, recycled: 0, lost: 0 };
  #opening = 0;
  #closed = false;

  constructor(connections: LeasedConnections<Connection>, options: LeasePoolOptions) {
    this.#connections = connections;
    this.#options = options;
  }

  /**
   * Runs `work` on a connection that nothing else uses meanwhile. When `signal` fires, the connection is destroyed: what
   * was sent may or may not have happened.
   * @throws {StoreUnavailableError} {AbortedError} {ClosedError}, or the error of `work` as `workError` has it.
   */
  async use<T>(signal: AbortSignal, work: (connection: Connection) => Promise<T>): Promise<T> {
    let lease: Lease<Connection>;
    try {
      lease = await this.#acquire(signal);
    } catch (error) {
      this.#noticeFailure(error);
      throw error;
    }
    const { connection } = lease;
    let failed = true;
    const forget = onAbort(signal, () => this.#connections.destroy(connection));
    try {
      if (signal.aborted) this.#connections.destroy(connection);
      // Raced: a driver may never settle a call that was queued on a lost connection.
      const result = await untilAborted(work(connection), signal);
      failed = false;
      this.#options.onUsed?.(true);
      return result;
    } catch (error) {
      const reason = signal.aborted
        ? storeAbortError(this.#options.store, signal, error)
        : this.#connections.workError(error);
      this.#noticeFailure(reason);
      throw reason;
    } finally {
      forget();
      this.#release(lease, failed);
    }
  }

  statistics(): PoolStatistics {
    return { idle: this.#idle.length, busy: this.#busy.size + this.#opening, waiting: this.#waiters.length };
  }

  counts(): PoolCounts {
    return { ...this.#counts };
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /**
   * Closes idle connections that are dead, too old or too many, and opens new ones up to `min`. The owner calls it from
   * time to time. @throws {StoreUnavailableError} The server takes no connection.
   */
  async maintain(signal: AbortSignal): Promise<void> {
    const { min, max, idleTimeoutMs } = this.#options;
    const now = performance.now();
    for (const lease of [...this.#idle]) {
      const tooMany = now - lease.idleSince >= idleTimeoutMs && this.#size > min;
      if (this.#isFresh(lease) && !tooMany) continue;
      this.#idle.splice(this.#idle.indexOf(lease), 1);
      this.#drop(lease);
    }
    while (this.#size < Math.min(min, max) && !this.#closed && !signal.aborted) {
      this.#release(await this.#open(signal), false);
    }
  }

  /** Ends idle connections and destroys the busy ones, whose work fails. Safe twice. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const give of this.#waiters.splice(0)) give(null);
    for (const { connection } of this.#busy) this.#connections.destroy(connection);
    await Promise.all(this.#idle.splice(0).map(({ connection }) => this.#connections.end(connection)));
  }

  get #size(): number {
    return this.#idle.length + this.#busy.size + this.#opening;
  }

  #noticeFailure(error: unknown): void {
    if (error instanceof StoreUnavailableError) this.#options.onUsed?.(false);
  }

  #isFresh({ connection, openedAt }: Lease<Connection>): boolean {
    return this.#connections.isUsable(connection) && performance.now() - openedAt < this.#options.lifetimeMs;
  }

  async #acquire(signal: AbortSignal): Promise<Lease<Connection>> {
    for (let wasWoken = false; ; wasWoken = true) {
      if (this.#closed) throw this.#closedError();
      if (signal.aborted) {
        // Race: this call was told of free room, and gave up before it took it. The next one waits for the same room.
        if (wasWoken) this.#wakeOne();
        throw storeAbortError(this.#options.store, signal);
      }
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

  /** The connection that was used last: it is the likeliest to be warm, and the others may age out. */
  #takeIdle(): Lease<Connection> | undefined {
    for (let lease = this.#idle.pop(); lease !== undefined; lease = this.#idle.pop()) {
      if (this.#isFresh(lease)) return lease;
      this.#drop(lease);
    }
    return undefined;
  }

  async #open(signal: AbortSignal): Promise<Lease<Connection>> {
    this.#opening++;
    try {
      const connection = await this.#connections.open(signal);
      this.#counts.opened++;
      if (this.#closed) {
        this.#connections.destroy(connection);
        throw this.#closedError();
      }
      const lease = { connection, openedAt: performance.now(), idleSince: 0 };
      this.#busy.add(lease);
      return lease;
    } catch (error) {
      this.#wakeOne(); // A waiting call may open a connection in its place.
      if (error instanceof ClosedError) throw error;
      throw signal.aborted ? storeAbortError(this.#options.store, signal, error) : this.#connections.openError(error);
    } finally {
      this.#opening--;
    }
  }

  /** A lease that was handed over; null when there is room for a new connection, or the pool was closed. */
  async #wait(signal: AbortSignal): Promise<Lease<Connection> | null> {
    const { store, waitingMax } = this.#options;
    if (this.#waiters.length >= waitingMax) {
      throw new StoreUnavailableError(store, `${this.#waiters.length} calls wait for a connection already`);
    }
    let give: (lease: Lease<Connection> | null) => void = () => undefined;
    const handed = new Promise<Lease<Connection> | null>((resolve) => {
      give = resolve;
      this.#waiters.push(resolve);
    });
    try {
      return await untilAborted(handed, signal);
    } catch (error) {
      const index = this.#waiters.indexOf(give);
      if (index >= 0) this.#waiters.splice(index, 1);
      // Race: this call gave up at the moment in which it was given the lease. Pass the lease on.
      else void handed.then((lease) => (lease === null ? this.#wakeOne() : this.#release(lease, false)));
      throw storeAbortError(store, signal, error);
    }
  }

  #release(lease: Lease<Connection>, failed: boolean): void {
    // Failed work may leave a transaction, a WATCH or a late reply behind; a new connection costs a few milliseconds.
    if (failed || this.#closed || !this.#connections.isUsable(lease.connection)) {
      this.#busy.delete(lease);
      this.#drop(lease, failed);
      this.#wakeOne();
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter(lease); // The connection stays busy.
      return;
    }
    this.#busy.delete(lease);
    lease.idleSince = performance.now();
    this.#idle.push(lease);
  }

  #drop({ connection }: Lease<Connection>, failed = false): void {
    this.#counts[failed || !this.#connections.isUsable(connection) ? "lost" : "recycled"]++;
    this.#connections.destroy(connection);
  }

  #wakeOne(): void {
    this.#waiters.shift()?.(null);
  }

  #closedError(): ClosedError {
    return new ClosedError(`the connection pool of ${this.#options.store}`);
  }
}
