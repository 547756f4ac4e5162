/** A store's health as operators see it. `degraded`: it answers, but not as it should, or it answered again only once. */
export type HealthState = "healthy" | "degraded" | "down";

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
 *   impaired: from anywhere; ─up─► recovering, ─failed─► failing
 */
export type HealthPhase = "unknown" | "healthy" | "failing" | "down" | "recovering" | "impaired";

/** Where each observation leads. It takes two failures in a row to be down, and two successes to be healthy again. */
export const HEALTH_TRANSITIONS: Readonly<Record<HealthPhase, Readonly<Record<Observation, HealthPhase>>>> = {
  unknown: { up: "healthy", impaired: "impaired", failed: "down" },
  healthy: { up: "healthy", impaired: "impaired", failed: "failing" },
  failing: { up: "recovering", impaired: "impaired", failed: "down" },
  down: { up: "recovering", impaired: "impaired", failed: "down" },
  recovering: { up: "healthy", impaired: "impaired", failed: "down" },
  impaired: { up: "recovering", impaired: "impaired", failed: "failing" },
};

const STATES: Readonly<Record<HealthPhase, HealthState>> = {
  unknown: "down",
  healthy: "healthy",
  failing: "degraded",
  down: "down",
  recovering: "degraded",
  impaired: "degraded",
};

/** From best to worst. */
const ORDER: readonly HealthState[] = ["healthy", "degraded", "down"];

/** The worst of some states; healthy for none. */
export function worstState(states: readonly HealthState[]): HealthState {
  return ORDER[Math.max(0, ...states.map((state) => ORDER.indexOf(state)))] as HealthState;
}

/** The health of one store, over time. */
export class StoreHealth {
  #phase: HealthPhase = "unknown";
  #reason: string | null = "not checked yet";

  get phase(): HealthPhase {
    return this.#phase;
  }

  get state(): HealthState {
    return STATES[this.#phase];
  }

  /** What is wrong; null when healthy. */
  get reason(): string | null {
    return this.#reason;
  }

  /** @returns whether the state changed. */
  observe(observation: Observation, reason: string | null): boolean {
    const before = this.state;
    const phase = HEALTH_TRANSITIONS[this.#phase][observation];
    this.#phase = phase;
    if (phase === "healthy") this.#reason = null;
    else if (observation === "up") this.#reason = "answers again; healthy after one more good answer";
    else this.#reason = reason ?? "no reason was given";
    return this.state !== before;
  }
}
