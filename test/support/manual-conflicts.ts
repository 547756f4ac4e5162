import { expect } from "vitest";
import type { ConflictSummary } from "../../src/index.ts";
import type { World } from "./world.ts";

/** Leaves every drift to a person. @returns the conflicts, once there are `count`: a write is no drift before it is marked. */
export async function leaveToPerson({ sync }: Pick<World, "sync">, count: number): Promise<ConflictSummary[]> {
  const conflicts = async (): Promise<ConflictSummary[]> => {
    await sync.repairInconsistencies(await sync.checkConsistency(), { strategy: "manual" });
    return await sync.conflicts.list();
  };
  await expect.poll(conflicts, { timeout: 20_000 }).toHaveLength(count);
  return await sync.conflicts.list();
}
