import { StoreUnavailableError } from "../domain/errors.ts";
import type { StoreId } from "../domain/store-id.ts";
import { untilAborted } from "./deadline.ts";
import { LinkedAbort } from "./linked-abort.ts";
import { onAbort } from "./on-abort.ts";
import { Lifecycle, type Service, type ServiceStatus } from "./service.ts";
import { type HealthState, type Observation, StoreHealth } from "./store-health.ts";

/** A store's own report: `degraded` answers without serving, `down` does not answer. */
export interface ProbeAnswer {
  readonly state: HealthState;
  readonly reason?: string;
}

/** Asks a store for its health. A rejection counts as down. */
export type Probe = (signal: AbortSignal) => Promise<ProbeAnswer>;

export interface HealthMonitorOptions {
  readonly store: StoreId;
  readonly probe: Probe;
  /** Milliseconds between the starts of two checks of a healthy store. Others are checked four times as often. */
  readonly intervalMs: number;
  /** Milliseconds that a check may take. @default a quarter of the interval, and 5_000 at most */
  readonly timeoutMs?: number;
  /** Milliseconds from which an answer counts as degraded. @default 1_000, and half of the time-out at most */
  readonly slowMs?: number;
  /** Failed calls in a row after which calls leave the store out. @default 3 */
  readonly callFailuresMax?: number;
  /** Told of each check. */
  readonly onChecked?: (outcome: HealthState, milliseconds: number) => void;
  readonly onChanged?: (from: HealthState, to: HealthState, reason: string | null) => void;
  /** Milliseconds on a clock that never goes back. @default performance.now */
  readonly now?: () => number;
}

/** A store's health as reports show it. */
export interface HealthReport {
  readonly state: HealthState;
  /** What is wrong; null when healthy. */
  readonly reason: string | null;
  /** Checks so far. */
  readonly checks: number;
  readonly checksFailed: number;
  /** Milliseconds that the last check took; null before the first. */
  readonly lastCheckMs: number | null;
  /** Milliseconds since the last check ended; null before the first. */
  readonly lastCheckAgeMs: number | null;
}

/** A check of a store that is not healthy comes after this part of the interval. */
const UNHEALTHY_PART = 1 / 4;

/**
 * Checks one store periodically, and is told how calls on it went. It owns the store's one `StoreHealth`.
 *
 * With the default time-out a store that stops answering is `down` within two
 * intervals: at most one until the next check, and a quarter each for its time-out, the pause and the second time-out.
 *
 * idle ──start──► running ──stop──► stopped (final). `check` works in every state.
 */
export class HealthMonitor implements Service {
  readonly store: StoreId;
  readonly #options: HealthMonitorOptions;
  readonly #timeoutMs: number;
  readonly #slowMs: number;
  readonly #now: () => number;
  readonly #health = new StoreHealth();
  readonly #lifecycle = new Lifecycle();
  #probe: Probe;
  #underway: Promise<void> | null = null;
  #wake: (() => void) | null = null;
  #checks = 0;
  #failed = 0;
  #lastMs: number | null = null;
  #lastAt: number | null = null;

  constructor(options: HealthMonitorOptions) {
    this.store = options.store;
    this.#options = options;
    this.#probe = options.probe;
    this.#timeoutMs = options.timeoutMs ?? Math.max(1, Math.min(options.intervalMs * UNHEALTHY_PART, 5_000));
    this.#slowMs = options.slowMs ?? Math.min(1_000, this.#timeoutMs / 2);
    this.#now = options.now ?? (() => performance.now());
    this.leaveOutAfter(options.callFailuresMax ?? this.#health.callFailuresMax);
  }

  get name(): string {
    return `health:${this.store}`;
  }

  /** The store's state, as last seen. The state of the monitor itself is in `status`. */
  get state(): HealthState {
    return this.#health.state;
  }

  get running(): boolean {
    return this.#lifecycle.state === "running";
  }

  /** Replaces the probe, e.g. by one that tests whether the store takes writes instead of whether the link is alive. */
  useProbe(probe: Probe): void {
    this.#probe = probe;
  }

  /** From now on so many failed calls in a row have the store left out. */
  leaveOutAfter(callFailuresMax: number): void {
    this.#health.callFailuresMax = callFailuresMax;
  }

  /** Whether calls should do without the store: see `StoreHealth`. */
  get isLeftOut(): boolean {
    return this.#health.isLeftOut;
  }

  /** Calls that failed in a row; 0 once one succeeded or a check found the store serving. */
  get callFailures(): number {
    return this.#health.callFailures;
  }

  /** A call failed for a reason that lies with the store. The next check comes soon. */
  callFailed(reason: string): void {
    if (this.#health.state === "healthy") this.hint();
    this.#judge(() => this.#health.callFailed(reason));
  }

  callSucceeded(): void {
    this.#judge(() => this.#health.served());
  }

  report(): HealthReport {
    return {
      state: this.#health.state,
      reason: this.#health.reason,
      checks: this.#checks,
      checksFailed: this.#failed,
      lastCheckMs: this.#lastMs,
      lastCheckAgeMs: this.#lastAt === null ? null : this.#now() - this.#lastAt,
    };
  }

  /**
   * The circuit breaker for calls. Before the first check calls go through: a store is down only after a check found so.
   * @throws {StoreUnavailableError} The store is down.
   */
  assertNotDown(): void {
    if (this.#health.state !== "down" || this.#checks === 0) return;
    throw new StoreUnavailableError(
      this.store,
      `down since its health checks failed: ${this.#health.reason}; it is checked again soon`,
    );
  }

  /**
   * Looks at once. Never rejects. A check that is under way is waited for instead of making another one.
   * @param timeoutMs of this check, in milliseconds; without it, the monitor's own.
   */
  check(timeoutMs = this.#timeoutMs): Promise<void> {
    this.#underway ??= this.#check(timeoutMs).finally(() => {
      this.#underway = null;
    });
    return this.#underway;
  }

  /**
   * Looks at once, and once more where one look cannot tell an outage, or its end, from a moment's failure.
   * @throws the reason of `signal`, which ends the wait and not the look: others may wait for it too.
   */
  async settle(signal: AbortSignal): Promise<void> {
    await untilAborted(this.check(), signal);
    const { phase } = this.#health;
    if (phase === "failing" || phase === "recovering" || phase === "easing") await untilAborted(this.check(), signal);
  }

  /** Looks at once unless the last look is younger than `ageMs`. */
  async checkIfOlder(ageMs: number): Promise<void> {
    if (this.#lastAt === null || this.#now() - this.#lastAt >= ageMs) await this.check();
  }

  /** Brings the next check forward, because a call failed or succeeded again. No effect unless the monitor runs. */
  hint(): void {
    this.#wake?.();
  }

  start(): void {
    this.#lifecycle.start((signal) => this.#run(signal));
  }

  /** Resolves once no check is under way and no timer is left. Safe before `start`, and twice. */
  async stop(): Promise<void> {
    await this.#lifecycle.stop();
    await this.#underway;
  }

  /** Status of the monitor itself: a check that finds the store down did its work. `report` describes the store. */
  status(): ServiceStatus {
    return { state: this.#lifecycle.state, lastError: null };
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { intervalMs } = this.#options;
    const soonMs = intervalMs * UNHEALTHY_PART;
    while (!signal.aborted) {
      const startedAt = this.#now();
      await this.check();
      const healthy = this.#health.phase === "healthy";
      const waitMs = healthy ? Math.max(intervalMs - (this.#now() - startedAt), soonMs) : soonMs;
      // However many calls fail, checks keep their distance.
      await this.#sleep(waitMs, Math.min(soonMs, 250), signal);
    }
  }

  /** Waits, or for `hintedMs` only once there was a hint. */
  #sleep(waitMs: number, hintedMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const startedAt = this.#now();
      const done = (): void => {
        clearTimeout(timer);
        forget();
        this.#wake = null;
        resolve();
      };
      let timer = setTimeout(done, waitMs);
      const forget = onAbort(signal, done);
      this.#wake = () => {
        this.#wake = null;
        clearTimeout(timer);
        timer = setTimeout(done, Math.max(0, Math.min(waitMs, hintedMs) - (this.#now() - startedAt)));
      };
      if (signal.aborted) done();
    });
  }

  async #check(timeoutMs: number): Promise<void> {
    const startedAt = this.#now();
    const abort = new LinkedAbort(this.#lifecycle.signal, timeoutMs);
    let answer: ProbeAnswer;
    try {
      answer = await this.#answer(abort, timeoutMs);
    } finally {
      abort.release();
    }
    if (this.#lifecycle.signal.aborted && answer.state === "down") return; // Stopping ended the probe, not the store.
    const tookMs = this.#now() - startedAt;
    this.#lastMs = tookMs;
    this.#lastAt = this.#now();
    const slow = answer.state === "healthy" && tookMs > this.#slowMs;
    const outcome: HealthState = slow ? "degraded" : answer.state;
    const reason = slow ? `its answer took ${Math.round(tookMs)} ms` : (answer.reason ?? null);
    this.#checks++;
    if (outcome === "down") this.#failed++;
    const observation: Observation = outcome === "healthy" ? "up" : outcome === "degraded" ? "impaired" : "failed";
    this.#options.onChecked?.(outcome, tookMs);
    this.#judge(() => {
      if (answer.state === "healthy") this.#health.served(); // However slow it was.
      this.#health.observe(observation, reason);
    });
  }

  #judge(takeEvidence: () => void): void {
    const before = this.#health.state;
    takeEvidence();
    const { state, reason } = this.#health;
    if (state !== before) this.#options.onChanged?.(before, state, reason);
  }

  /** Raced, so that a probe that ignores its signal cannot hang the monitor. */
  async #answer(abort: LinkedAbort, timeoutMs: number): Promise<ProbeAnswer> {
    let forget: (() => void) | undefined;
    const late = new Promise<ProbeAnswer>((resolve) => {
      const give = (): void => resolve({ state: "down", reason: `no answer within ${Math.round(timeoutMs)} ms` });
      if (abort.signal.aborted) give();
      else forget = onAbort(abort.signal, give);
    });
    try {
      const asked = this.#probe(abort.signal).catch(
        (error: unknown): ProbeAnswer => ({
          state: "down",
          reason: error instanceof Error ? error.message : String(error),
        }),
      );
      return await Promise.race([asked, late]);
    } finally {
      forget?.();
    }
  }
}
