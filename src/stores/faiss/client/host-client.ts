import { setTimeout as delay } from "node:timers/promises";
import { ClosedError, StoreUnavailableError } from "../../../domain/errors.ts";
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
   * Fills a fresh process. `first`: nobody waits but the opener, who wants to know of any failure. The signal fires
   * when the process ends or the client closes.
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
/** A process that was ready for this long had recovered for good: the next crash is a first one again. */
const HEALTHY_MS = 60_000;
/** Until its first sign of life a process is starting, which a busy machine can draw out. */
const START_MS = 30_000;
/** One more than the crashes after which a snapshot is set aside. */
const FIRST_STARTS_MAX = 3;

/** The process ended by itself while it was filled. */
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
 *        │                         └──ends, or fails────┤ ends, or gives no sign of life and is killed
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

  /** How the last process ended, or why it could not be filled; null while the first one runs. */
  get lastFailure(): string | null {
    return this.#lastFailure;
  }

  /** The process that there is, in whatever state; null when there is none. */
  get connection(): HostConnection | null {
    return this.#connection;
  }

  get pid(): number | null {
    return this.#connection?.pid ?? null;
  }

  /** Starts the first process. Once only. Rejects, leaving nothing behind, when it cannot be filled. */
  async start(signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#supervision = this.#supervise(await this.#bringUp(true, signal));
        return;
      } catch (error) {
        // A snapshot on which the process dies is set aside after some attempts: the opener need not make them himself.
        if (!(error instanceof HostEndedError) || attempt === FIRST_STARTS_MAX || this.#closing.signal.aborted)
          throw error;
        this.#options.log.warn({ reason: error.message, attempt }, "host.start_failed");
        this.#restarts++;
      }
    }
  }

  /** The process that serves calls. @throws {StoreUnavailableError} There was none until the signal fired. */
  async ready(signal: AbortSignal): Promise<HostConnection> {
    if (this.#state === "closed") throw new ClosedError("the FAISS index");
    if (this.#state === "ready" && this.#connection?.usable === true) return this.#connection;
    // The supervision may not have had its turn yet. Until then a caller that tries again at once would get the dead
    // process again and again, and keep the event loop from that very turn.
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

  /** Ends the process, so that the next one is filled anew. */
  restart(reason: string): void {
    this.#options.log.warn({ reason }, "host.restarted");
    this.#connection?.kill();
  }

  /** No process and no timer is left afterwards. Safe twice. */
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
    exited.catch(() => undefined); // Taken up by the supervision, through `exited` of the connection.
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
      await delay(waitMs, undefined, { signal: this.#closing.signal }).catch(() => undefined); // Only by our own close.
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

  /** Asks for a sign of life at intervals and kills a process that gives none. @returns what ends it. */
  #ping(connection: HostConnection): () => void {
    const { pingIntervalMs, stallMs, log } = this.#options;
    // Missed intervals are counted rather than time: when this process was itself suspended, the host is not to blame.
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
      connection.request("ping", null).then(answered, () => undefined); // Rejects with the end, which ends this timer.
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
  promise.catch(() => undefined); // Nobody may be waiting.
  return { promise, resolve, reject };
}
