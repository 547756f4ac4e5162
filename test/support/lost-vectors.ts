import type { FaissProjection } from "../../src/index.ts";
import type { Replacement } from "../../src/stores/projection.ts";

/** Removes all vectors of an open index behind the back of its synchronizer. @returns how many it had. */
export async function loseVectors(index: FaissProjection): Promise<number> {
  const signal = AbortSignal.timeout(20_000);
  const replacements: Replacement[] = [];
  let cursor: string | null = null;
  do {
    const page = await index.scan(cursor, {}, signal);
    for (const entry of page.entries) {
      if (entry.state !== "live") continue;
      const { namespace, memoryId } = entry;
      replacements.push({ key: { namespace, memoryId }, found: entry, change: null });
    }
    cursor = page.cursor;
  } while (cursor !== null);
  await index.replace(replacements, signal);
  return replacements.length;
}
