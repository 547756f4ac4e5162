import { expect, test } from "vitest";
import { explore } from "./explore.ts";
import { protocol } from "./protocol.ts";
import { MUTATIONS } from "./rules.ts";
import { DEEP_SCENARIOS, SCENARIOS, SHOWS } from "./scenarios.ts";

/**
 * Goal: the write protocol keeps its nine promises in every order of its steps and faults. Method: an explicit model,
 * every reachable state of which is looked at; and each line of the protocol that is broken on purpose must be noticed,
 * or the model would prove nothing.
 */

/** Seconds alone, but pure computing: on a loaded machine it takes as many times as long. */
const TIMEOUT_MS = 400_000;

for (const [name, scenario] of Object.entries(SCENARIOS)) {
  test(`the protocol keeps its promises with ${name}`, { timeout: TIMEOUT_MS }, async () => {
    const { states, counterexample } = await explore(protocol(scenario));
    expect(counterexample).toBeNull();
    expect(states).toBeGreaterThan(100);
  });
}

for (const mutation of MUTATIONS) {
  const { in: name, promise } = SHOWS[mutation];
  test(`promise ${promise} breaks in a protocol with this defect: ${mutation}`, { timeout: TIMEOUT_MS }, async () => {
    const { counterexample } = await explore(protocol({ ...SCENARIOS, ...DEEP_SCENARIOS }[name], mutation));
    expect(counterexample?.violation).toMatch(new RegExp(`^${promise}: `));
  });
}
