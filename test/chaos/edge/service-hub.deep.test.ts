import { expect, test } from "vitest";
import { openService } from "../../support/http-service.ts";
import { injectedHub } from "../../support/hub-client.ts";
import { simulateEdges } from "./simulation.ts";

/** As `edge-chaos.test.ts`, against the service on PostgreSQL, Redis and FAISS: its routes, its ledger, its deep check. */
for (const seed of [2, 4, 6, 8, 10]) {
  test(`edges converge with a service: seed ${seed}`, { timeout: 300_000 }, async (t) => {
    const service = await openService(t, { world: {} });
    const { sync } = service.world;
    const result = await simulateEdges({
      seed,
      openHub: async () => ({
        as: (device) => injectedHub(service, device, service.keys.writer),
        snapshot: null,
        findings: async () => {
          const { findings } = await sync.checkConsistency({ scope: "deep" });
          return findings.map(({ store, kind, memoryId }) => `the hub's check: ${memoryId} is ${kind} in ${store}`);
        },
      }),
    });
    expect(result.violations).toEqual([]);
    expect(result.edits).toBeGreaterThan(30);
  });
}
