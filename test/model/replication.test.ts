import { expect, test } from "vitest";
import { explore } from "./explore.ts";
import { replication } from "./replica/protocol.ts";
import { MUTATIONS } from "./replica/rules.ts";
import { QUICK, SCENARIOS, SHOWS, SLOW_MUTATIONS } from "./replica/scenarios.ts";

/**
 * Goal: replication and merged reads keep their six promises in every order of their steps and faults. Method: an explicit
 * model, every reachable state of which is looked at; and each line that is broken on purpose must be noticed, or the model
 * would prove nothing.
 */

/** Seconds alone, but pure computing: on a loaded machine it takes as many times as long. */
const TIMEOUT_MS = 400_000;

for (const name of QUICK) {
  test(`the replica keeps its promises with ${name}`, { timeout: TIMEOUT_MS }, async () => {
    const { states, counterexample } = await explore(replication(SCENARIOS[name]));
    expect(counterexample).toBeNull();
    expect(states).toBeGreaterThan(100);
  });
}

for (const mutation of MUTATIONS.filter((candidate) => !SLOW_MUTATIONS.has(candidate))) {
  const { in: scenario, promise } = SHOWS[mutation];
  test(`promise ${promise} breaks in a replication with this defect: ${mutation}`, {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { counterexample } = await explore(replication(scenario, mutation));
    expect(counterexample?.violation).toMatch(new RegExp(`^${promise}: `));
  });
}
