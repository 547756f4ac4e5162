import { expect, test } from "vitest";
import { edgeProtocol } from "./edge/protocol.ts";
import { DEEP_SCENARIOS } from "./edge/scenarios.ts";
import { explore } from "./explore.ts";

/** Goal and method as in `edge-protocol.test.ts`, with more edits of both edges: some 400,000 states. */
for (const [name, scenario] of Object.entries(DEEP_SCENARIOS)) {
  test(`edges and hub keep their promises with ${name}`, { timeout: 600_000 }, async () => {
    const { states, counterexample } = await explore(edgeProtocol(scenario));
    expect(counterexample).toBeNull();
    expect(states).toBeGreaterThan(1_000);
  });
}
