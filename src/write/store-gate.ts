import { MnemosyncError, StoreRefusedError, StoreUnavailableError } from "../domain/errors.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { Projection, ProjectionHealth } from "../stores/projection.ts";
import { WRITE_DEFAULTS } from "./settings.ts";

/** A gate's state, as health reports show it. */
export type GateState = "closed" | "open";

export interface StoreGateOptions {
  /** Failures in a row after which the store is left out of writes. @default 3 */
  failuresMax?: number;
  /** Milliseconds between probes of a store that is left out. @default 1_000 */
  probeIntervalMs?: number;
  /** Milliseconds that a probe may take. @default 2_000 */
  probeTimeoutMs?: number;
  /** Why the store must not be used at the moment, whatever its answers; null: it may be. @default never */
  refusal?: () => MnemosyncError | null;
  /** Milliseconds on a clock that never goes back. @default performance.now */
  now?: () => number;
}

/** A store that can be asked how it is. */
export interface Probed {
  readonly id: StoreId;
  /** Never rejects. */
  health(signal: AbortSignal): Promise<ProjectionHealth>;
}

/**
 * The circuit breaker in front of one store.
 *
 *   closed ──failuresMax failures in a row──► open ──a probe succeeds──► closed
 *
 * While it is open, writes do without the store at once instead of each waiting for its deadline. It is probed by the
 * side of the writes, so that no caller is made the guinea pig.
 */
export class StoreGate<Store extends Probed = Projection> {
  readonly target: Store;
  readonly #options: Required<StoreGateOptions>;
  #failures = 0;
  #lastError: MnemosyncError | null = null;
  #probedAt = Number.NEGATIVE_INFINITY;
  #probe: Promise<void> | null = null;

  constructor(target: Store, options: StoreGateOptions = {}) {
    this.target = target;
    this.#options = {
      failuresMax: WRITE_DEFAULTS.storeFailuresMax,
      probeIntervalMs: WRITE_DEFAULTS.storeProbeIntervalMs,
      probeTimeoutMs: WRITE_DEFAULTS.storeProbeTimeoutMs,
      refusal: () => null,
      now: () => performance.now(),
      ...options,
    };
  }

  get state(): GateState {
    return this.#failures >= this.#options.failuresMax || this.#options.refusal() !== null ? "open" : "closed";
  }

  /** Why the store failed last; null when its last call went well. */
  get lastError(): MnemosyncError | null {
    return this.#lastError;
  }

  /** An error of its own for a call that is not let through, of the kind with which the store failed last. */
  refusal(): MnemosyncError {
    const { id: store } = this.target;
    const refusal = this.#options.refusal();
    if (refusal !== null) return refusal;
    const message = `left out of the call, since it failed last with: ${this.#lastError?.message ?? "no answer"}`;
    if (this.#lastError?.code === "STORE_REFUSED")
      return new StoreRefusedError(store, message, { cause: this.#lastError });
    return new StoreUnavailableError(store, message, { cause: this.#lastError });
  }

  succeeded(): void {
    this.#failures = 0;
    this.#lastError = null;
  }

  failed(error: MnemosyncError): void {
    this.#failures = Math.min(this.#failures + 1, this.#options.failuresMax);
    this.#lastError = error;
    // The probe that would close the gate again must not come in the same breath.
    if (this.state === "open") this.#probedAt = this.#options.now();
  }

  /** Whether writes may use the store. When not, sees to it that it is probed. */
  allows(): boolean {
    if (this.state === "closed") return true;
    if (this.#probe === null && this.#options.now() - this.#probedAt >= this.#options.probeIntervalMs) {
      this.#probe = this.probe().then(() => {
        this.#probe = null;
      });
    }
    return false;
  }

  /** Asks the store how it is, and opens or closes the gate by its answer. Never rejects. */
  async probe(): Promise<void> {
    this.#probedAt = this.#options.now();
    const health: ProjectionHealth = await this.target.health(AbortSignal.timeout(this.#options.probeTimeoutMs));
    if (health.state === "healthy") this.succeeded();
    this.#probedAt = this.#options.now();
  }

  /** Resolves once no probe is under way. */
  async idle(): Promise<void> {
    await this.#probe;
  }
}

const STORE_CODES: readonly string[] = ["STORE_UNAVAILABLE", "STORE_REFUSED", "STORE_FOREIGN"];

/** What a store's failure means to its gate: errors of one memory's data say nothing about the store. */
export function countsAgainstStore(error: unknown): error is MnemosyncError {
  return error instanceof MnemosyncError && STORE_CODES.includes(error.code);
}
