import type { ConflictSummary } from "../../src/index.ts";
import type { World } from "./world.ts";

/** Finds drift in writes that are marked (before that it is none), and leaves all of it to a person. @returns the conflicts. */
export async function leaveToPerson(world: Pick<World, "sync" | "untilMarked">): Promise<ConflictSummary[]> {
  await world.untilMarked();
  await world.sync.repairInconsistencies(await world.sync.checkConsistency(), { strategy: "manual" });
  return await world.sync.conflicts.list();
}
