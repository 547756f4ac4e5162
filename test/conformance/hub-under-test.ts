import { pollUntil } from "../../src/dev/wait.ts";
import type { Hub } from "../../src/hub/protocol/hub.ts";
import type { Memory } from "../../src/index.ts";
import type { World } from "../support/world.ts";

/** Milliseconds for what the backlog does. */
export const SOON_MS = 30_000;

/** A hub, reached by one transport. */
export interface HubUnderTest {
  /** The stores of a real hub; null of a double, which keeps the promises of the protocol and has no stores. */
  readonly world: World | null;
  /** A transport for one device. */
  hub(device: string): Hub;
  /** Erases a memory at the hub. */
  erase(memoryId: string, namespace: string): Promise<void>;
  /** Begins another epoch, as after a restore. */
  beginEpoch(name: string): Promise<void>;
}

/** What every hub on real stores does the same way. */
export function onStores(world: World): Pick<HubUnderTest, "world" | "erase" | "beginEpoch"> {
  return {
    world,
    erase: async (memoryId, namespace) => void (await world.sync.erase(memoryId, { namespace })),
    beginEpoch: async (name) => {
      await world.sql`update mnemosync.sync_meta set value = ${name} where name = 'store_epoch'`;
    },
  };
}

/** The memory as callers of the hub read it, once the stores have the version. */
export async function untilVersion(
  world: World,
  namespace: string,
  memoryId: string,
  version: number,
): Promise<Memory | null> {
  let memory: Memory | null = null;
  await pollUntil(`version ${version} of ${memoryId}`, SOON_MS, async () => {
    memory = await world.sync.get(memoryId, { namespace });
    return memory?.version === version;
  });
  return memory;
}
