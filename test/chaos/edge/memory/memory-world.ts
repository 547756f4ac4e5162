import type { Hub } from "../../../../src/hub/protocol/hub.ts";
import { decodeVector } from "../../../../src/hub/protocol/wire-memory.ts";
import { MemoryHub } from "../../../support/memory-hub.ts";
import { Tally } from "../faults.ts";
import { DIMENSION, type OpenSimulationWorld } from "../world.ts";
import { SimulatedEdge } from "./simulated-edge.ts";

/**
 * Edges in this process and a hub in memory, by one clock: a run takes a second, and each step comes in the order of the seed.
 * @param tamper stands between each edge and the hub: the test of the oracle breaks something there.
 */
export function memoryWorld(tamper: (hub: Hub) => Hub = (hub) => hub): OpenSimulationWorld {
  return async ({ random }) => {
    const clock = { ms: Date.now() };
    const hub = new MemoryHub(() => clock.ms);
    hub.answerInstead = (change) => {
      const vector = change.op === "put" && change.memory.privacy === "full" ? change.memory.embedding : null;
      if (vector === null || decodeVector(vector)?.length === DIMENSION) return null;
      return { status: "rejected", code: "VALIDATION", message: `the embedding has not ${DIMENSION} dimensions` };
    };
    let restore = hub.snapshot();
    return {
      isConcurrent: false,
      hub: {
        as: (device) => hub.as(device),
        copy: async () => {
          restore = hub.snapshot();
        },
        goBack: async () => restore(),
        keptAside: async () => [],
        findings: async () => [],
        kills: new Tally(),
      },
      open: (setting) => SimulatedEdge.open(setting, clock, (device) => tamper(hub.as(device))),
      advance: (milliseconds) => {
        clock.ms += milliseconds;
      },
      refuse: async (edge) => {
        (edge as SimulatedEdge).refusal = random.pick(["UNAUTHENTICATED", "DEVICE_REVOKED"] as const);
      },
      admit: async (edge) => {
        (edge as SimulatedEdge).refusal = null;
      },
      calm: async () => undefined,
      close: async () => undefined,
    };
  };
}
