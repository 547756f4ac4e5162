import { passes } from "../../domain/filter/evaluate.ts";
import { asksFor, type Condition } from "../../domain/filter/filter.ts";
import type { Memory } from "../../domain/memory.ts";
import type { SearchResult, SearchScope } from "../../read/search/search-result.ts";
import { readRowContents } from "./contents.ts";
import type { MergedRead } from "./merged-read.ts";
import { replicaMemory } from "./replica-memory.ts";
import type { ReplicaSide } from "./replica-side.ts";
import { contentVersionOf } from "./sides.ts";
import { isPrimaryAway } from "./whose-failure.ts";

/** A memory that a search of the replica's side found. */
export interface ReplicaHit {
  readonly memoryId: string;
  readonly score: number;
  /** The version that was found; null: the one that the replica holds now. */
  readonly version: number | null;
}

/** Asks the replica's side for hits, best first, at most `wanted`. Null: it does not take part, or has no index for the search. */
export type ReplicaHits = (read: MergedRead, wanted: number) => Promise<readonly ReplicaHit[] | null>;

/** Hits that the replica's side is asked for at most: most of them are memories that the primary has too. */
const HITS_MAX = 4_096;
/** With the first question more than the results that are wanted, for the same reason. */
const FIRST_FACTOR = 4;
const FIRST_MIN = 64;

/**
 * One ranking over both sides. Results of the primary stand as they are; of the replica's hits, those that the primary does not have,
 * and that may be shown, are ranked among them by score. The replica is asked for more until the rest cannot be among the
 * best `k`.
 */
export class MergedSearch {
  readonly #side: ReplicaSide;

  constructor(side: ReplicaSide) {
    this.#side = side;
  }

  /**
   * @param read becomes the one of the replica alone where the primary is away: `onAlone` gets it.
   * @param primary the results of the primary, best first.
   */
  async search(
    read: MergedRead,
    scope: SearchScope,
    {
      primary,
      hits,
      onAlone,
    }: {
      primary: () => Promise<SearchResult[]>;
      hits: ReplicaHits;
      onAlone: (alone: MergedRead) => void;
    },
  ): Promise<SearchResult[]> {
    const wanted = Math.min(HITS_MAX, Math.max(scope.k * FIRST_FACTOR, FIRST_MIN));
    const first = hits(read, wanted);
    let results: SearchResult[];
    try {
      results = await primary();
    } catch (error) {
      if (!this.#side.parts.readsWhenPrimaryDown || !isPrimaryAway(error)) throw error;
      const alone = read.primaryFailed();
      onAlone(alone);
      const again = await hits(alone, wanted);
      const found = again === null ? null : await this.#added(alone, scope, [], { found: again, wanted, hits });
      if (found === null || !alone.takesPart) throw error;
      return found;
    }
    const found = await first;
    if (found === null) {
      read.leaveOff(); // Without effect where the replica failed.
      return results;
    }
    return (await this.#added(read, scope, results, { found, wanted, hits })) ?? results;
  }

  /** The best of both sides; null: the replica does not take part to the end. */
  async #added(
    read: MergedRead,
    scope: SearchScope,
    primary: readonly SearchResult[],
    start: { found: readonly ReplicaHit[]; wanted: number; hits: ReplicaHits },
  ): Promise<SearchResult[] | null> {
    const { k, scoreMin } = scope;
    const shown = new Set(primary.map(({ memory }) => memory.memoryId));
    const judged = new Set<string>();
    let best: SearchResult[] = [...primary];
    let { found, wanted } = start;
    for (;;) {
      const fresh = found.filter(
        ({ memoryId, score }) => score >= scoreMin && !shown.has(memoryId) && !judged.has(memoryId),
      );
      for (const { memoryId } of fresh) judged.add(memoryId);
      const results = await this.#judge(read, scope, fresh);
      if (results === null) return null;
      best = ranked([...best, ...results]).slice(0, k); // No more than `k` are kept: each has its content and its vector.
      const last = found.at(-1)?.score ?? Number.NEGATIVE_INFINITY;
      const worst = best.length < k ? scoreMin : (best.at(-1)?.score ?? scoreMin);
      if (found.length < wanted || wanted === HITS_MAX || last <= worst || !read.hasTime) return best;
      wanted = Math.min(wanted * 4, HITS_MAX);
      const more = await start.hits(read, wanted);
      if (more === null) return null;
      found = more;
    }
  }

  /** Of the hits, the best `k` that may be shown, and that pass the filter, as they are now. */
  async #judge(
    read: MergedRead,
    { namespace, filter, condition, k, onBytes }: SearchScope,
    hits: readonly ReplicaHit[],
  ): Promise<SearchResult[] | null> {
    const byId = new Map(hits.map((hit) => [hit.memoryId, hit]));
    const found = await read.ask((reads, signal) => reads.readRows(namespace, [...byId.keys()], signal));
    if (found === null) return null;
    // A hit of another version: the index is behind the replica for a moment, or the other way round.
    const current = found.rows.filter((row) => {
      const version = byId.get(row.memoryId)?.version ?? null;
      return version === null || version === contentVersionOf(row);
    });
    const judged = await read.judge(namespace, found, current);
    if (!read.takesPart) return null;
    const scoreOf = (memoryId: string): number => byId.get(memoryId)?.score ?? 0;
    // Best first, and no further than `k` results need: thousands of hits may be gibibytes.
    let rows = [...judged].sort((a, b) => scoreOf(b.memoryId) - scoreOf(a.memoryId));
    const results: SearchResult[] = [];
    while (rows.length > 0 && results.length < k) {
      const page = await readRowContents(read, namespace, rows.slice(0, k), { withEmbedding: true });
      if (page === null) return null;
      onBytes?.(page.bytes);
      for (const { memoryId } of rows.slice(0, k)) {
        const content = page.contents.get(memoryId);
        const memory = content === undefined ? null : replicaMemory(namespace, content, true);
        if (memory !== null && isWanted(memory, condition, filter)) results.push({ memory, score: scoreOf(memoryId) });
      }
      rows = [...rows.slice(0, k).filter(({ memoryId }) => page.cut.has(memoryId)), ...rows.slice(k)];
    }
    return results;
  }
}

/** Of the replica's memories the time of their creation is known here: what only the ledger could judge is judged by it. */
function isWanted(memory: Memory, condition: Condition, filter: SearchScope["filter"]): boolean {
  return filter(memory) && (!asksFor(condition, "createdAt") || passes(condition, memory));
}

/** By score; equal ones stay in the order that they came in: the primary's come first, in its order. */
function ranked(results: readonly SearchResult[]): SearchResult[] {
  return [...results].sort((a, b) => b.score - a.score);
}
