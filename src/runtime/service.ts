/**
 *   idle ──start──► running ──stop──► stopping ──work settled──► stopped (final)
 */
export type ServiceState = "idle" | "running" | "stopping" | "stopped";

/** A service as reports show it. */
export interface ServiceStatus {
  readonly state: ServiceState;
  /** Why the last pass failed; null when it went well, and before the first one. */
  readonly lastError: string | null;
}

/** Work in the background, with a beginning and an end. */
export interface Service {
  /** Unique within one list of services. */
  readonly name: string;
  /** Returns at once. Calling it twice is calling it once; after `stop` it has no effect. */
  start(): void;
  /** Resolves once no work is under way and no timer is left. Safe before `start`, and twice. */
  stop(): Promise<void>;
  status(): ServiceStatus;
}

/** The states of one service, and the promise of its work. */
export class Lifecycle {
  readonly #stopping = new AbortController();
  #work: Promise<void> | null = null;
  #isSettled = false;

  get state(): ServiceState {
    if (!this.#stopping.signal.aborted) return this.#work === null ? "idle" : "running";
    return this.#work === null || this.#isSettled ? "stopped" : "stopping";
  }

  /** Fires when `stop` is called. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Starts `work`, once. It ends when its signal fires. */
  start(work: (signal: AbortSignal) => Promise<void>): void {
    if (this.#stopping.signal.aborted) return;
    this.#work ??= work(this.#stopping.signal).finally(() => {
      this.#isSettled = true;
    });
  }

  /** Resolves once the work has settled. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#work;
  }
}
