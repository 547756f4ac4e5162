import type { ChildProcess } from "node:child_process";
import { ClosedError, StoreUnavailableError } from "../domain/errors.ts";
import { pickFreePort } from "./free-port.ts";
import type { Lifeline } from "./lifeline.ts";
import { continueTree, killTree, stopTree, untilGone, untilStopped } from "./processes.ts";
import { launch, logSince, logSize, type ServerProgram } from "./server-program.ts";
import { pollUntil } from "./wait.ts";

export interface EmbeddedServerOptions {
  /** Port on 127.0.0.1. A port in use is an error. Absent: a free port is picked. */
  port?: number;
  /**
   * Milliseconds from the launch to the first answer, crash recovery included.
   * @default 60_000
   */
  startDeadlineMs?: number;
  /**
   * The folder in which the server's own folder is made; it must exist.
   * @default the system's folder for temporary files
   */
  parentFolder?: string;
}

/** Milliseconds that an orderly stop may take before the server is killed. */
const stopDeadlineMs = 15_000;
/** The same for a server whose data is discarded. */
const quitDeadlineMs = 3_000;
/** Attempts with different ports, because another process may take a port between its choice and its use. */
const portAttemptsMax = 5;

/**
 * A server in a child process, for demonstrations and tests. It neither keeps this process alive nor outlives it. Calls run
 * one after the other, in the order in which they were made.
 *
 *                 ┌──stop, kill, own end──┐   ┌──thaw───┐
 *                 ▼                       │   ▼         │
 *     (new) ─► stopped ──start, restart──► running ──freeze──► frozen ──stop, kill, restart──► as from running
 *
 *     close: from everywhere to closed (final)
 */
export class EmbeddedServer {
  readonly #program: ServerProgram;
  readonly #lifeline: Lifeline;
  readonly #startDeadlineMs: number;
  #port: number | undefined;
  #child: ChildProcess | undefined;
  #frozen = false;
  #closed = false;
  #lastCall: Promise<unknown> = Promise.resolve();

  constructor(program: ServerProgram, lifeline: Lifeline, options: EmbeddedServerOptions) {
    this.#program = program;
    this.#lifeline = lifeline;
    this.#port = options.port;
    this.#startDeadlineMs = options.startDeadlineMs ?? 60_000;
  }

  /** On 127.0.0.1; the same after every restart. */
  get port(): number {
    if (this.#port === undefined) throw new Error("the server was never started, so it has no port yet");
    return this.#port;
  }

  /** For clients, user and password included; the same after every restart. */
  get url(): string {
    return this.#program.url(this.port);
  }

  /** The temporary folder with data, log and settings. `close` removes it. */
  get folder(): string {
    return this.#lifeline.folder;
  }

  /** Undefined unless running or frozen. */
  get processId(): number | undefined {
    return this.#child?.pid;
  }

  /** The server's log since its creation; empty after `close`. */
  readLog(): string {
    return logSince(this.folder, 0);
  }

  /** Starts the server and resolves once it answers. No effect while it runs. */
  start(): Promise<void> {
    return this.#inTurn(() => this.#start());
  }

  /** Orderly stop: acknowledged data is kept, connections are closed. Killed after 15 s. No effect when stopped. */
  stop(): Promise<void> {
    return this.#inTurn(() => this.#end(this.#program.stopSignal, stopDeadlineMs));
  }

  /** SIGKILL to the server and all its processes: a crash without warning. Resolves when all are gone. */
  kill(): Promise<void> {
    return this.#inTurn(() => this.#kill());
  }

  /** `stop`, then `start` on the same port with the same data. After `kill` this includes the crash recovery. */
  restart(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#end(this.#program.stopSignal, stopDeadlineMs);
      await this.#start();
    });
  }

  /**
   * SIGSTOP to the server and all its processes: connections stay open, the kernel accepts new ones, and the server never
   * answers. Resolves when all its processes are stopped.
   */
  freeze(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.processId === undefined) return;
      this.#frozen = true;
      await untilStopped(stopTree(this.processId));
    });
  }

  /** Reverts `freeze`. No effect when not frozen. */
  thaw(): Promise<void> {
    return this.#inTurn(() => this.#thaw());
  }

  /** Ends the server at once and removes its folder. Idempotent, and safe in every state. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      this.#closed = true;
      await this.#end(this.#program.quitSignal, quitDeadlineMs);
      await this.#lifeline.close();
    }, true);
  }

  #inTurn(call: () => void | Promise<void>, evenClosed = false): Promise<void> {
    const turn = this.#lastCall.then(() => {
      if (this.#closed && !evenClosed) throw new ClosedError(`the embedded ${this.#program.store} server`);
      return call();
    });
    this.#lastCall = turn.catch(() => {}); // The caller gets the error; the next call must not fail with it.
    return turn;
  }

  async #start(): Promise<void> {
    if (this.#child !== undefined) return;
    for (let attempt = 1; ; attempt++) {
      const port = this.#port ?? (await pickFreePort());
      const failure = await this.#tryStart(port);
      if (failure === undefined) {
        this.#port = port;
        return;
      }
      const mayMove = this.#port === undefined && attempt < portAttemptsMax;
      if (!(mayMove && this.#program.portTaken.test(failure.log))) throw failure.error;
    }
  }

  async #tryStart(port: number): Promise<{ error: Error; log: string } | undefined> {
    const logStart = logSize(this.folder);
    const child = await launch(this.#program, this.folder, port);
    this.#adopt(child);
    try {
      await pollUntil("the start", this.#startDeadlineMs, () =>
        child === this.#child ? this.#program.isReady(port, child.pid!) : true,
      );
      if (child === this.#child) return undefined;
      throw new Error(`it ended with ${child.signalCode ?? `exit code ${child.exitCode}`}`);
    } catch (cause) {
      await this.#kill();
      const log = logSince(this.folder, logStart);
      const reason = `${(cause as Error).message}; its log on port ${port} ends with:\n${log.trim().slice(-2_000)}`;
      return { error: new StoreUnavailableError(this.#program.store, reason, { cause }), log };
    }
  }

  #adopt(child: ChildProcess): void {
    this.#child = child;
    this.#lifeline.hold(child.pid);
    child.once("exit", () => {
      this.#child = undefined;
      this.#frozen = false;
      this.#lifeline.hold(undefined);
    });
  }

  async #end(signal: NodeJS.Signals, deadlineMs: number): Promise<void> {
    this.#thaw();
    const child = this.#child;
    if (child === undefined) return;
    child.kill(signal);
    try {
      await pollUntil("the stop", deadlineMs, () => child !== this.#child);
    } catch {
      await this.#kill();
    }
  }

  async #kill(): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined) return;
    await untilGone(killTree(child.pid));
    await pollUntil("the end", stopDeadlineMs, () => child !== this.#child);
  }

  #thaw(): void {
    if (this.#frozen && this.processId !== undefined) continueTree(this.processId);
    this.#frozen = false;
  }
}
