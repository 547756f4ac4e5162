import type { FaissProjection, MemoryKey } from "../../src/index.ts";
import type { LiveEntry } from "../../src/stores/projection.ts";

/**
 * Removes vectors of an open index behind the back of its synchronizer. @returns the keys of those that it had.
 * @param count how many; without it: all.
 * @throws {Error} The index holds fewer, or somebody changes it at the same time.
 */
export async function loseVectors(index: FaissProjection, count?: number): Promise<MemoryKey[]> {
  const signal = AbortSignal.timeout(60_000);
  const live: LiveEntry[] = [];
  let cursor: string | null = null;
  do {
    const page = await index.scan(cursor, {}, signal);
    live.push(...page.entries.filter((entry) => entry.state === "live"));
    cursor = page.cursor;
  } while (cursor !== null && live.length < (count ?? Number.POSITIVE_INFINITY));
  if (count !== undefined && live.length < count) {
    throw new Error(`the index holds ${live.length} vectors, fewer than ${count}`);
  }
  const lost = live.slice(0, count);
  const keys = lost.map(({ namespace, memoryId }) => ({ namespace, memoryId }));
  const replacements = keys.map((key, position) => ({ key, found: lost[position] ?? null, change: null }));
  const answers = await index.replace(replacements, signal);
  if (answers.includes("moved")) throw new Error("somebody changes the index at the same time");
  return keys;
}
