import { connect as connectTcp, type Socket } from "node:net";
import postgres from "postgres";
import { AbortedError, ClosedError, StoreUnavailableError } from "../errors.ts";
import { isTimeout, untilAborted } from "../lifecycle/deadline.ts";
import { onAbort } from "../lifecycle/on-abort.ts";
import { postgresError } from "./postgres-errors.ts";

/** A tagged-template client. Inside `use` it is one connection; nothing else runs on it meanwhile. */
export type Sql = postgres.Sql;

export interface PostgresConnection {
  readonly sql: Sql;
  /** The server process behind the connection, for making sure that it is gone. */
  readonly backend: Backend;
}

/** Names a server process: process ids are given out again. */
export interface Backend {
  readonly pid: number;
  /** Seconds since 1970, as text. */
  readonly startedAt: string;
}

/** Hands out connections. The pool below is one; `borrowedPostgres` makes one of a client that the caller owns. */
export interface PostgresAccess {
  /**
   * Runs `work` on a connection of its own. When `signal` fires, the connection is destroyed, so that nothing hangs on
   * a link that is half open: what was sent may or may not have happened.
   * @throws {StoreUnavailableError} {StoreRefusedError} in place of the driver's errors
   */
  use<T>(signal: AbortSignal, work: (connection: PostgresConnection) => Promise<T>): Promise<T>;
  /** Connections by state, for metrics. */
  statistics(): PoolStatistics;
  close(): Promise<void>;
}

export interface PoolStatistics {
  idle: number;
  busy: number;
  waiting: number;
}

export interface PostgresPoolOptions {
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
  applicationName?: string;
}

interface Lane extends PostgresConnection {
  readonly openedAt: number;
  /** False once the socket is gone: a client must never reconnect by itself in the midst of a transaction. */
  usable(): boolean;
  destroy(): void;
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
  readonly #url: string;
  readonly #options: Required<PostgresPoolOptions>;
  readonly #idle: Lane[] = [];
  readonly #busy = new Set<Lane>();
  readonly #waiters: Waiter[] = [];
  #opening = 0;
  #closed = false;

  constructor(url: string, options: PostgresPoolOptions = {}) {
    this.#url = url;
    this.#options = {
      max: 20,
      waitingMax: 10_000,
      connectTimeoutMs: 5_000,
      statementTimeoutMs: 60_000,
      lockTimeoutMs: 5_000,
      idleInTransactionTimeoutMs: 60_000,
      lifetimeMs: 1_800_000,
      applicationName: "mnemosync",
      ...options,
    };
  }

  async use<T>(signal: AbortSignal, work: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    const lane = await this.#acquire(signal);
    let failed = true;
    const forget = onAbort(signal, () => lane.destroy());
    try {
      if (signal.aborted) lane.destroy();
      // Raced, since the driver may leave a queued query of a lost connection unsettled for ever.
      const result = await untilAborted(work(lane), signal);
      failed = false;
      return result;
    } catch (error) {
      if (signal.aborted) throw lostToSignal(signal, error);
      throw postgresError(error);
    } finally {
      forget();
      this.#release(lane, failed);
    }
  }

  statistics(): PoolStatistics {
    return { idle: this.#idle.length, busy: this.#busy.size + this.#opening, waiting: this.#waiters.length };
  }

  /** Ends idle connections and destroys the rest: whoever still uses one is told that it is gone. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(null);
    for (const lane of this.#busy) lane.destroy();
    await Promise.all(this.#idle.splice(0).map((lane) => endLane(lane)));
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
    for (let lane = this.#idle.pop(); lane !== undefined; lane = this.#idle.pop()) {
      if (lane.usable() && performance.now() - lane.openedAt < this.#options.lifetimeMs) return lane;
      lane.destroy();
    }
    return undefined;
  }

  async #open(signal: AbortSignal): Promise<Lane> {
    this.#opening++;
    try {
      const lane = await openLane(this.#url, this.#options, signal);
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
      lane.destroy();
      this.#wakeOne();
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve(lane); // It stays busy.
      return;
    }
    this.#busy.delete(lane);
    this.#idle.push(lane);
  }

  #wakeOne(): void {
    this.#waiters.shift()?.resolve(null);
  }
}

function lostToSignal(signal: AbortSignal, cause?: unknown): StoreUnavailableError | AbortedError {
  if (isTimeout(signal)) return new StoreUnavailableError("postgres", "no answer before the deadline", { cause });
  return new AbortedError("a call to postgres", { cause: signal.reason });
}

async function openLane(url: string, options: Required<PostgresPoolOptions>, signal: AbortSignal): Promise<Lane> {
  let socket: Socket | undefined;
  let dead = false;
  const sql = postgres(url, {
    max: 1,
    idle_timeout: 0,
    fetch_types: false, // The ledger writes arrays as text itself.
    max_lifetime: null,
    connect_timeout: options.connectTimeoutMs / 1_000,
    backoff: false,
    onnotice: () => undefined,
    connection: {
      application_name: options.applicationName,
      statement_timeout: options.statementTimeoutMs,
      lock_timeout: options.lockTimeoutMs,
      idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs,
    },
    // Ours, so that it can be destroyed, and given once: a lost connection must not come back as another one.
    socket: async (target: { host: string[]; port: number[]; path?: string | false }) => {
      if (dead || socket !== undefined)
        throw Object.assign(new Error("the connection was lost"), { code: "CONNECTION_CLOSED" });
      socket = await connectSocket(target, options.connectTimeoutMs);
      socket.once("close", () => {
        dead = true;
      });
      return socket;
    },
  } as postgres.Options<Record<string, never>>);
  const destroy = (): void => {
    dead = true;
    socket?.destroy();
    sql.end({ timeout: 0 }).catch(ignoreEndOfDestroyed);
  };
  try {
    const opened = sql<Backend[]>`
      select pid, extract(epoch from backend_start)::text as "startedAt"
      from pg_stat_activity where pid = pg_backend_pid()`.execute();
    const [row] = await untilAborted(opened, signal);
    if (row === undefined) throw new StoreUnavailableError("postgres", "the server does not know its own process");
    return {
      sql,
      backend: { pid: row.pid, startedAt: row.startedAt },
      openedAt: performance.now(),
      usable: () => !dead,
      destroy,
    };
  } catch (error) {
    destroy();
    throw error;
  }
}

function ignoreEndOfDestroyed(): void {
  // Its queries were rejected one by one; there is nobody left to tell.
}

async function endLane(lane: Lane): Promise<void> {
  try {
    await lane.sql.end({ timeout: 1 });
  } finally {
    lane.destroy();
  }
}

function connectSocket(
  target: { host: string[]; port: number[]; path?: string | false },
  timeoutMs: number,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const host = target.host[0] ?? "localhost";
    const port = target.port[0] ?? 5432;
    const socket = target.path ? connectTcp({ path: target.path }) : connectTcp({ host, port, noDelay: true });
    // The driver reads these for TLS.
    Object.assign(socket, { host, port });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(Object.assign(new Error(`no connection within ${timeoutMs} ms`), { code: "CONNECT_TIMEOUT" }));
    }, timeoutMs);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.setKeepAlive(true, 10_000);
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}
