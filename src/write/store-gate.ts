import { MnemosyncError, StoreEpochError, StoreRefusedError, StoreUnavailableError } from "../domain/errors.ts";
import { LEDGER_ID, type StoreId } from "../domain/store-id.ts";
import { HealthMonitor, type Probe } from "../runtime/health-monitor.ts";
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

/** When a call began, as its gate tells time: so many failures had counted against the store by then. */
export type CallBegin = number;

/** A store that can be asked how it is. */
export interface Probed {
  readonly id: StoreId;
  /** Never rejects. */
  health(signal: AbortSignal): Promise<ProjectionHealth>;
}

/**
 * The circuit breaker in front of one store.
 *
 *   closed ──failuresMax failures in a row──► open ──a check succeeds──► closed
 *
 * Failures are in a row where each call began after the failure before it. Calls that were under way together fail together when a
 * link breaks: that is one failure of the store, however many calls it meets. A store that is dead fails the calls that
 * begin afterwards too, so the gate still opens after as many of them as it takes, one after the other.
 *
 * While it is open, writes do without the store at once instead of each waiting for its deadline. The store is checked
 * beside the writes, so that no caller has to try it.
 *
 * The gate judges nothing itself: it tells the store's monitor how calls went, and reads whether the store is left out. So
 * a store whose gate is open is never reported as healthy, and a check of the monitor's closes the gate.
 */
export class StoreGate<Store extends Probed = Projection> {
  readonly target: Store;
  readonly #options: Required<StoreGateOptions>;
  readonly #monitor: HealthMonitor;
  #lastError: MnemosyncError | null = null;
  /** Failures that counted, ever: never goes back. */
  #counted = 0;
  #probedAt = Number.NEGATIVE_INFINITY;
  #probe: Promise<void> | null = null;

  /** @param monitor of the same store. Without it the gate has one of its own, which checks when the gate asks. */
  constructor(target: Store, options: StoreGateOptions = {}, monitor?: HealthMonitor) {
    this.target = target;
    this.#options = {
      failuresMax: WRITE_DEFAULTS.storeFailuresMax,
      probeIntervalMs: WRITE_DEFAULTS.storeProbeIntervalMs,
      probeTimeoutMs: WRITE_DEFAULTS.storeProbeTimeoutMs,
      refusal: () => null,
      now: () => performance.now(),
      ...options,
    };
    const { failuresMax, probeIntervalMs: intervalMs, probeTimeoutMs: timeoutMs, now } = this.#options;
    const probe: Probe = (signal) => target.health(signal);
    this.#monitor = monitor ?? new HealthMonitor({ store: target.id, probe, intervalMs, timeoutMs, now });
    this.#monitor.leaveOutAfter(failuresMax);
  }

  get state(): GateState {
    return this.#monitor.isLeftOut || this.#options.refusal() !== null ? "open" : "closed";
  }

  /** Why the store failed last; null when its last call went well, or a check found it serving since. */
  get lastError(): MnemosyncError | null {
    return this.#monitor.callFailures === 0 ? null : this.#lastError;
  }

  /** A new error for a refused call, of the same kind as the last failure of the store. */
  refusal(): MnemosyncError {
    const { id: store } = this.target;
    const refusal = this.#options.refusal();
    if (refusal !== null) return refusal;
    const { lastError } = this;
    const message = `left out of the call, since it failed last with: ${lastError?.message ?? "no answer"}`;
    if (lastError?.code === "STORE_REFUSED") return new StoreRefusedError(store, message, { cause: lastError });
    return new StoreUnavailableError(store, message, { cause: lastError });
  }

  /** A call of the store begins: `failed` wants the answer, should it fail. */
  begin(): CallBegin {
    return this.#counted;
  }

  succeeded(): void {
    this.#monitor.callSucceeded();
  }

  /**
   * A call failed, for a reason that lies with the store. It does not count where a failure has counted since the call began: not even
   * after a success in between, for what it tells is older than that.
   */
  failed(error: MnemosyncError, begun: CallBegin): void {
    this.#lastError = error;
    if (begun < this.#counted) return;
    this.#counted++;
    this.#monitor.callFailed(error.message);
    // The check that would close the gate again must not come at the moment of the failure.
    if (this.state === "open") this.#probedAt = this.#options.now();
  }

  /** Whether writes may use the store. When not, has the store checked, at most once per `probeIntervalMs`. */
  allows(): boolean {
    if (this.state === "closed") return true;
    if (this.#probe === null && this.#options.now() - this.#probedAt >= this.#options.probeIntervalMs) {
      this.#probe = this.probe().then(() => {
        this.#probe = null;
      });
    }
    return false;
  }

  /** Has the store checked at once, and opens or closes the gate by its answer. Never rejects. */
  async probe(): Promise<void> {
    this.#probedAt = this.#options.now();
    await this.#monitor.check(this.#options.probeTimeoutMs);
    this.#probedAt = this.#options.now();
  }

  /** Resolves once no check that the gate asked for is under way. */
  async idle(): Promise<void> {
    await this.#probe;
  }
}

const STORE_CODES: readonly string[] = ["STORE_UNAVAILABLE", "STORE_REFUSED", "STORE_FOREIGN"];

/** Whether an error counts against the store. An error of one memory's data does not, nor does one of an earlier epoch. */
export function countsAgainstStore(error: unknown): error is MnemosyncError {
  if (error instanceof StoreEpochError) return false;
  return error instanceof MnemosyncError && STORE_CODES.includes(error.code);
}

/** The same, of a store other than the ledger, which is asked in the course of many calls: its failure is not theirs. */
export function countsAgainstProjection(error: unknown): error is MnemosyncError {
  return countsAgainstStore(error) && (error as { store?: StoreId }).store !== LEDGER_ID;
}
