import { pollUntil } from "../../src/dev/wait.ts";
import type { ConflictSummary } from "../../src/index.ts";
import type { World } from "./world.ts";

/** Finds drift in writes that are marked (before that it is none), and leaves all of it to a person. @returns the conflicts. */
export async function leaveToPerson({ sync, sql }: Pick<World, "sync" | "sql">): Promise<ConflictSummary[]> {
  await pollUntil("the writes to be marked", 10_000, async () => {
    return (await sql`select 1 from mnemosync.sync_transactions where state = 'committed' limit 1`).length === 0;
  });
  await sync.repairInconsistencies(await sync.checkConsistency(), { strategy: "manual" });
  return await sync.conflicts.list();
}
