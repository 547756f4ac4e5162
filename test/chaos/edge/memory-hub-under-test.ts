import { MemoryHub } from "../../support/memory-hub.ts";
import type { HubUnderTest } from "./simulation.ts";

/** The hub in memory: it holds the rules of the protocol, takes no time, and can go back. */
export async function memoryHubUnderTest(now: () => number): Promise<HubUnderTest> {
  const hub = new MemoryHub(now);
  return {
    as: (device) => hub.as(device),
    snapshot: () => hub.snapshot(),
    findings: async () => [],
  };
}
