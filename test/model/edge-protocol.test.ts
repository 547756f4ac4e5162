import { expect, test } from "vitest";
import { edgeProtocol } from "./edge/protocol.ts";
import { MUTATIONS } from "./edge/rules.ts";
import { SCENARIOS, SHOWS } from "./edge/scenarios.ts";
import { explore } from "./explore.ts";

/**
 * Goal: the push protocol between edges and their hub keeps its nine promises in every order of its steps and faults.
 * Method: an explicit model, every reachable state of which is looked at; and each line of the protocol that is broken on
 * purpose must be noticed, or the model would prove nothing.
 */

/** Seconds alone, but pure computing: on a loaded machine it takes as many times as long. */
const TIMEOUT_MS = 400_000;

for (const [name, scenario] of Object.entries(SCENARIOS)) {
  test(`edges and hub keep their promises with ${name}`, { timeout: TIMEOUT_MS }, async () => {
    const { states, counterexample } = await explore(edgeProtocol(scenario));
    expect(counterexample).toBeNull();
    expect(states).toBeGreaterThan(100);
  });
}

for (const mutation of MUTATIONS) {
  const { in: scenario, promise } = SHOWS[mutation];
  test(`promise ${promise} breaks in a push protocol with this defect: ${mutation}`, {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { counterexample } = await explore(edgeProtocol(scenario, mutation));
    expect(counterexample?.violation).toMatch(new RegExp(`^${promise}: `));
  });
}
