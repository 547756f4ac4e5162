export const HEALTH_STATES = ["healthy", "degraded", "down"] as const;

/** A store's health as operators see it. `degraded`: it answers, but not as it should, or it answered again only once. */
export type HealthState = (typeof HEALTH_STATES)[number];

/** The outcome of one check: the store serves, it answers without serving (read-only, slow), or gives no usable answer. */
export type Observation = "up" | "impaired" | "failed";

/**
 *                   ┌──────── up ─────────┐
 *                   ▼                     │
 *   unknown ─up─► healthy ─failed─► failing ─up─► recovering ─up─► healthy
 *      │                               │              ▲  │
 *      └──failed──► down ◄───failed────┘              │  └─failed─► down
 *                    └───────────────up───────────────┘
 *
 *   impaired ◄─impaired─ anywhere;  impaired ─up─► easing ─up─► healthy
 *      └──failed──► failing ◄──failed───────────────┘
 */
export type HealthPhase = "unknown" | "healthy" | "failing" | "down" | "recovering" | "impaired" | "easing";

/**
 * Where each observation leads. Once it was healthy, it takes two failures to be down, with one success between them at
 * most, and two successes in a row to be healthy again. `easing`: the last check was good, and the one before found the store slow
 * or not serving. That was no failure, so one failure now is a blip, as it is in `healthy`.
 */
export const HEALTH_TRANSITIONS: Readonly<Record<HealthPhase, Readonly<Record<Observation, HealthPhase>>>> = {
  unknown: { up: "healthy", impaired: "impaired", failed: "down" },
  healthy: { up: "healthy", impaired: "impaired", failed: "failing" },
  failing: { up: "recovering", impaired: "impaired", failed: "down" },
  down: { up: "recovering", impaired: "impaired", failed: "down" },
  recovering: { up: "healthy", impaired: "impaired", failed: "down" },
  impaired: { up: "easing", impaired: "impaired", failed: "failing" },
  easing: { up: "healthy", impaired: "impaired", failed: "failing" },
};

const STATES: Readonly<Record<HealthPhase, HealthState>> = {
  unknown: "down",
  healthy: "healthy",
  failing: "degraded",
  down: "down",
  recovering: "degraded",
  impaired: "degraded",
  easing: "degraded",
};

/** From best to worst. */
const ORDER: readonly HealthState[] = ["healthy", "degraded", "down"];

/** The worst of some states; healthy for none. */
export function worstState(states: readonly HealthState[]): HealthState {
  return ORDER[Math.max(0, ...states.map((state) => ORDER.indexOf(state)))] as HealthState;
}

/**
 * The health of one store, over time: the one judgement that reports, metrics, circuit breakers and gates read. Two kinds of
 * evidence go into it:
 * - checks move the phase (see the drawing above);
 * - calls that fail in a row have the store left out of further calls, until a call or a check finds it serving. A store
 *   that checks find down is left out after one failed call. A store that is left out is never reported as healthy.
 */
export class StoreHealth {
  /** Failed calls in a row after which the store is left out. */
  callFailuresMax = 3;
  #phase: HealthPhase = "unknown";
  #reason: string | null = "not checked yet";
  #callFailures = 0;
  #callReason = "";

  get phase(): HealthPhase {
    return this.#phase;
  }

  get state(): HealthState {
    const byChecks = STATES[this.#phase];
    return this.isLeftOut ? worstState([byChecks, "degraded"]) : byChecks;
  }

  /** What is wrong; null when healthy. */
  get reason(): string | null {
    if (this.#phase !== "healthy" || !this.isLeftOut) return this.#reason;
    return `left out of calls, since ${this.#callFailures} in a row failed: ${this.#callReason}`;
  }

  /** Calls that failed since one succeeded or a check found the store serving. */
  get callFailures(): number {
    return this.#callFailures;
  }

  /** Whether calls should do without the store. */
  get isLeftOut(): boolean {
    return this.#callFailures >= (this.#phase === "down" ? 1 : this.callFailuresMax);
  }

  /** A check ended. @returns whether the state changed. */
  observe(observation: Observation, reason: string | null): boolean {
    const before = this.state;
    const phase = HEALTH_TRANSITIONS[this.#phase][observation];
    this.#phase = phase;
    if (phase === "healthy") this.#reason = null;
    else if (observation === "up") this.#reason = "answers again; healthy after one more good answer";
    else this.#reason = reason ?? "no reason was given";
    return this.state !== before;
  }

  /** A call failed for a reason that lies with the store. @returns whether the state changed. */
  callFailed(reason: string): boolean {
    const before = this.state;
    this.#callFailures += 1;
    this.#callReason = reason;
    return this.state !== before;
  }

  /** A call succeeded, or a check found that the store serves, however slowly. @returns whether the state changed. */
  served(): boolean {
    const before = this.state;
    this.#callFailures = 0;
    return this.state !== before;
  }
}
