import type { WriteStep } from "../../src/write/write-step.ts";
import type { FaultWorld } from "./fault-world.ts";
import type { Direction } from "./tcp-proxy.ts";

/** Bytes on the link to PostgreSQL while the write of `write` goes from one of its steps to another. */
export async function bytesBetween(
  world: FaultWorld,
  from: WriteStep,
  to: WriteStep,
  write: () => Promise<unknown>,
): Promise<Record<Direction, number>> {
  const { postgresProxy } = world.servers;
  let before = postgresProxy.bytes;
  let after = before;
  world.atStep(from, () => {
    before = postgresProxy.bytes;
    world.atStep(to, () => {
      after = postgresProxy.bytes;
    });
  });
  await write();
  return { toServer: after.toServer - before.toServer, toClient: after.toClient - before.toClient };
}
