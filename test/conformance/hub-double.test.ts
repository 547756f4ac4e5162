import { MemoryHub } from "../support/memory-hub.ts";
import { hubContract } from "./hub-contract.ts";

/** Goal: the double that simulations of edges run against keeps the promises of a real hub. What edges do with them is tested on it. */

hubContract("memory", async () => {
  const hub = new MemoryHub();
  hub.holds = true;
  return {
    world: null,
    hub: (device) => hub.as(device),
    erase: async (memoryId, namespace) => hub.end(memoryId, "erased", namespace),
    beginEpoch: async (name) => {
      hub.epoch = name;
    },
  };
});
