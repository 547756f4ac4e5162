import { setTimeout as delay } from "node:timers/promises";
import { ClosedError, EpochChangedError, StoreUnavailableError } from "../../../domain/errors.ts";
import { backoffMs } from "../../../runtime/backoff.ts";
import { untilAborted } from "../../../runtime/deadline.ts";
import { LinkedAbort } from "../../../runtime/linked-abort.ts";
import type { Log } from "../../../runtime/log.ts";
import { abortError } from "./abort-error.ts";
import type { HostConnection } from "./host-connection.ts";

export type HostState = "starting" | "recovering" | "ready" | "crashed" | "closed";

export interface HostClientOptions {
  /** Starts a process. */
  readonly connect: () => Promise<HostConnection>;
  /**
   * Recovers the contents of a fresh process. `first`: only `open` waits, and every failure must reject it. The signal
   * fires when the process ends or the client closes.
   */
  readonly recover: (connection: HostConnection, first: boolean, signal: AbortSignal) => Promise<void>;
  readonly pingIntervalMs: number;
  readonly stallMs: number;
  readonly backoffMaxMs: number;
  readonly closeTimeoutMs: number;
  readonly log: Log;
  /** 0 … 1. */
  readonly random: () => number;
}

const BACKOFF_MIN_MS = 50;
/** A process that was ready for this long counts as recovered: the next crash starts the backoff from its first step. */
const HEALTHY_MS = 60_000;
/** Time for the first heartbeat: a process starts slowly on a busy machine. */
const START_MS = 30_000;
/** One more than the crashes after which a snapshot is set aside. */
const FIRST_STARTS_MAX = 3;

/** The process ended on its own during recovery. */
class HostEndedError extends StoreUnavailableError {
  constructor(description: string, cause: unknown) {
    super("faiss", `its host process ended (${description})`, { cause });
  }
}

/**
 * Keeps one host process running.
 *
 *     starting ──process up──► recovering ──filled──► ready ──close()──► closed (final)
 *        ▲                         │                    │
 *        │                         └──ends, or fails────┤ ends, or misses its heartbeats and is killed
 *        └────── backoff ────── crashed ◄───────────────┘
 *
 * Callers wait in every state but ready, until their own signal fires.
 */
export class HostClient {
  readonly #options: HostClientOptions;
  readonly #closing = new AbortController();
  #state: HostState = "starting";
  #connection: HostConnection | null = null;
  #restarts = 0;
  #lastFailure: string | null = null;
  #supervision: Promise<void> | null = null;
  /** Settled by readiness and by close; replaced by a crash. */
  #readiness = deferred<HostConnection>();

  constructor(options: HostClientOptions) {
    this.#options = options;
  }

  get state(): HostState {
    return this.#state;
  }

  /** Processes started after the first one. */
  get restarts(): number {
    return this.#restarts;
  }

  /** How the last process ended, or why its recovery failed; null while the first one runs. */
  get lastFailure(): string | null {
    return this.#lastFailure;
  }

  /** The current process in any state; null when there is none. */
  get connection(): HostConnection | null {
    return this.#connection;
  }

  get pid(): number | null {
    return this.#connection?.pid ?? null;
  }

  /** Starts the first process. Call it once. Rejects when the recovery fails, and leaves nothing behind. */
  async start(signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#supervision = this.#supervise(await this.#bringUp(true, signal));
        return;
      } catch (error) {
        // A snapshot that crashes the process is set aside after some attempts. `open` makes them, not its caller. And where the
        // ledger went back between the load of a snapshot and the feed behind it, only a fresh process is of the new epoch.
        const isPassing = error instanceof HostEndedError || error instanceof EpochChangedError;
        if (!isPassing || attempt === FIRST_STARTS_MAX || this.#closing.signal.aborted) throw error;
        this.#options.log.warn({ reason: error.message, attempt }, "host.start_failed");
        this.#restarts++;
      }
    }
  }

  /** The process that serves calls. @throws {StoreUnavailableError} There was none until the signal fired. */
  async ready(signal: AbortSignal): Promise<HostConnection> {
    if (this.#state === "closed") throw new ClosedError("the FAISS index");
    if (this.#state === "ready" && this.#connection?.usable === true) return this.#connection;
    // Supervision may not have seen the exit yet. Until it does, a caller that retries at once would get the dead process
    // again and again, and would starve the event loop turn in which supervision runs.
    this.#leaveReady();
    if (signal.aborted) throw abortError("the host's recovery", signal);
    let onAbort = (): void => undefined;
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => {
        const detail = this.#lastFailure === null ? "" : ` (${this.#lastFailure})`;
        const late = abortError("the host's recovery", signal);
        const message = `its host is ${this.#state}${detail}`;
        reject(
          late instanceof StoreUnavailableError ? new StoreUnavailableError("faiss", message, { cause: late }) : late,
        );
      };
      signal.addEventListener("abort", onAbort, { once: true });
    });
    try {
      return await Promise.race([this.#readiness.promise, aborted]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Ends the process, so that its successor recovers from scratch. */
  restart(reason: string): void {
    this.#options.log.warn({ reason }, "host.restarted");
    this.#connection?.kill();
  }

  /** Leaves no process and no timer. Idempotent. */
  async close(): Promise<void> {
    if (this.#state !== "closed") {
      this.#state = "closed";
      this.#closing.abort();
      this.#readiness.reject(new ClosedError("the FAISS index"));
      await this.#connection?.stop(this.#options.closeTimeoutMs);
    }
    await this.#supervision;
  }

  async #bringUp(first: boolean, opening?: AbortSignal): Promise<HostConnection> {
    this.#enter("starting");
    const connection = await this.#options.connect();
    this.#connection = connection;
    const recovery = new LinkedAbort(opening);
    const onClose = (): void => recovery.abort();
    this.#closing.signal.addEventListener("abort", onClose, { once: true });
    const stopPinging = this.#ping(connection);
    const exited = connection.exited.then(({ description }) => {
      stopPinging();
      recovery.abort();
      throw new StoreUnavailableError("faiss", `its host process ended (${description})`);
    });
    // Supervision handles an exit, through `exited` of the connection. Where the recovery fails before the race below, nothing
    // else handles this rejection, which would end the program.
    exited.catch(() => undefined);
    try {
      this.#closing.signal.throwIfAborted();
      this.#enter("recovering");
      await Promise.race([
        exited,
        untilAborted(this.#options.recover(connection, first, recovery.signal), recovery.signal),
      ]);
      this.#closing.signal.throwIfAborted();
    } catch (error) {
      const hadEnded = !connection.usable;
      connection.kill();
      const { description } = await connection.exited;
      if (opening?.aborted === true && error === recovery.signal.reason) throw abortError("its start", opening);
      if (hadEnded || error === recovery.signal.reason) throw new HostEndedError(description, error);
      throw error;
    } finally {
      recovery.release();
      this.#closing.signal.removeEventListener("abort", onClose);
    }
    this.#enter("ready");
    this.#readiness.resolve(connection);
    return connection;
  }

  async #supervise(first: HostConnection): Promise<void> {
    const { log, backoffMaxMs, random } = this.#options;
    let connection: HostConnection | null = first;
    let failures = 0;
    while (true) {
      if (connection !== null) {
        const readySince = performance.now();
        const { description } = await connection.exited;
        if (this.#closing.signal.aborted) return;
        if (performance.now() - readySince > HEALTHY_MS) failures = 0;
        this.#leaveReady();
        this.#fail(description);
      }
      const waitMs = backoffMs(++failures, { baseMs: BACKOFF_MIN_MS, maxMs: backoffMaxMs, random });
      log.warn({ reason: this.#lastFailure, waitMs, restarts: this.#restarts }, "host.ended");
      await delay(waitMs, undefined, { signal: this.#closing.signal }).catch(() => undefined); // Rejects only on our own close.
      if (this.#closing.signal.aborted) return;
      this.#restarts++;
      try {
        connection = await this.#bringUp(false);
        log.info({ restarts: this.#restarts, pid: connection.pid }, "host.recovered");
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        connection = null;
        this.#fail((error as Error).message);
      }
    }
  }

  #enter(state: HostState): void {
    if (this.#state !== "closed") this.#state = state;
  }

  #leaveReady(): void {
    if (this.#state !== "ready") return;
    this.#enter("crashed");
    this.#readiness = deferred();
  }

  #fail(reason: string): void {
    this.#enter("crashed");
    this.#connection = null;
    this.#lastFailure = reason;
  }

  /** Sends heartbeat pings at intervals and kills a process that answers none. @returns a function that stops the pings. */
  #ping(connection: HostConnection): () => void {
    const { pingIntervalMs, stallMs, log } = this.#options;
    // Counts missed intervals, not time: when this process itself was suspended, the host is not at fault.
    let missed = 0;
    let waiting = false;
    let limitMs = Math.max(stallMs, START_MS);
    const timer = setInterval(() => {
      if (waiting) {
        missed++;
        if (missed * pingIntervalMs < limitMs) return;
        log.error({ pid: connection.pid, waitedMs: limitMs }, "host.stalled");
        connection.kill();
        return;
      }
      waiting = true;
      const answered = (): void => {
        waiting = false;
        missed = 0;
        limitMs = stallMs;
      };
      connection.request("ping", null).then(answered, () => undefined); // Rejects when the process ends, which also stops this timer.
    }, pingIntervalMs).unref();
    return () => clearInterval(timer);
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  promise.catch(() => undefined); // There may be no waiter.
  return { promise, resolve, reject };
}
