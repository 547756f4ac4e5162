import { expect, test } from "vitest";
import { explore } from "./explore.ts";
import { replication } from "./replica/protocol.ts";
import { DEEP_SCENARIOS, QUICK, SCENARIOS, SHOWS, SLOW_MUTATIONS } from "./replica/scenarios.ts";

/** Goal and method as in `replication.test.ts`, with scenarios that take longer, and faults that meet. */
const quick: readonly string[] = QUICK;
const slow = Object.entries(SCENARIOS).filter(([name]) => !quick.includes(name));

for (const [name, scenario] of [...slow, ...Object.entries(DEEP_SCENARIOS)]) {
  test(`the replica keeps its promises with ${name}`, { timeout: 900_000 }, async () => {
    const { states, counterexample } = await explore(replication(scenario));
    expect(counterexample).toBeNull();
    expect(states).toBeGreaterThan(1_000);
  });
}

for (const mutation of SLOW_MUTATIONS) {
  const { in: scenario, promise } = SHOWS[mutation];
  test(`promise ${promise} breaks in a replication with this defect: ${mutation}`, { timeout: 900_000 }, async () => {
    const { counterexample } = await explore(replication(scenario, mutation));
    expect(counterexample?.violation).toMatch(new RegExp(`^${promise}: `));
  });
}
