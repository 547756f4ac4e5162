import { expect, test } from "vitest";
import { explore } from "./explore.ts";
import { protocol } from "./protocol.ts";
import { DEEP_SCENARIOS } from "./scenarios.ts";

/** Goal and method as in `protocol.test.ts`, with faults that meet: some 300,000 states. */
for (const [name, scenario] of Object.entries(DEEP_SCENARIOS)) {
  test(`the protocol keeps its promises with ${name}`, { timeout: 300_000 }, async () => {
    const { states, counterexample } = await explore(protocol(scenario));
    expect(counterexample).toBeNull();
    expect(states).toBeGreaterThan(1_000);
  });
}
