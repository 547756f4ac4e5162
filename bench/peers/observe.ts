import type { BenchMemory } from "../support/dataset.ts";
import type { Account, Nearest } from "./contender.ts";
import type { KnownVectors } from "./known-vectors.ts";

/** Cosine from which on two vectors are taken for the same one: float32 against float64. */
const SAME = 0.9999;
/** Answers asked for when looking for doubles. */
const ANSWERS = 10;

type Search = (vector: number[], count: number) => Promise<Nearest>;

export interface Findable {
  /** Memories that a search for their vector answers with. */
  readonly found: number;
  /** Why searches failed; null when none did. */
  readonly error: string | null;
}

/** Searches for each memory by the vector that it has by now, or by another one that it once had. */
export async function findable(
  memories: readonly BenchMemory[],
  search: Search,
  vectorOf: (memory: BenchMemory) => number[],
): Promise<Findable> {
  let found = 0;
  let error: string | null = null;
  for (const memory of memories) {
    try {
      const { memoryIds, similarity } = await search(vectorOf(memory), 1);
      if (memoryIds[0] === memory.memoryId && (similarity ?? 0) > SAME) found++;
    } catch (failure) {
      error = messageOf(failure);
    }
  }
  return { found, error };
}

/** How many different memories the nearest answers are, asked for one of them. */
export async function differentAnswers(memory: BenchMemory, search: Search, vectors: KnownVectors): Promise<string> {
  const { memoryIds } = await search(vectors.plain(memory.content), ANSWERS);
  return `${new Set(memoryIds).size} memories among the ${memoryIds.length} nearest`;
}

/** What a call answers, or how it fails. */
export async function said(call: () => Promise<Account>): Promise<string> {
  try {
    return accountText(await call());
  } catch (error) {
    return `throws "${messageOf(error)}"`;
  }
}

/** Without what did not happen. */
export function accountText(account: Account): string {
  return Object.entries(account)
    .filter(([, count]) => count !== 0)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");
}

/** What stores hold, nothing included. */
export function countsText(counts: Account): string {
  return Object.entries(counts)
    .map(([store, count]) => `${store} ${Number.isNaN(count) ? "away" : count}`)
    .join(", ");
}

/** What "nested metadata changed" left: `user.mood`. */
export function moodOf(metadata: unknown): string {
  return (metadata as { user?: { mood?: string } } | undefined)?.user?.mood ?? "nothing";
}

/** One line, and not a long one. */
export function messageOf(error: unknown): string {
  const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  return line.length > 90 ? `${line.slice(0, 87)}...` : line;
}
