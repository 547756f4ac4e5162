import type { ReadSources, ReplicaSource } from "../../read/read-sources.ts";
import { Search } from "../../read/search/search.ts";
import type { SearchResult, SearchScope } from "../../read/search/search-result.ts";
import type { TextSearch } from "../../read/search/text-search.ts";
import type { VectorSearch } from "../../read/search/vector-search.ts";
import type { Merged } from "./merged-gets.ts";
import { MergedRead } from "./merged-read.ts";
import { MergedSearch, type ReplicaHits } from "./merged-search.ts";
import type { ReplicaIndex } from "./replica-index.ts";
import type { ReplicaSide } from "./replica-side.ts";

export interface MergedSearchesParts {
  readonly vectors: VectorSearch;
  readonly texts: TextSearch;
  /** Follows the replica, with the model and the metric of the primary's index; null: the replica's side has none. */
  readonly replicaIndex: Pick<ReplicaIndex, "search"> | null;
  /** The setting `indexes.text`. */
  readonly language: string;
}

/** From the one that leaves most to be said to the one that leaves nothing. */
const WORST_FIRST: readonly ReplicaSource[] = ["unavailable", "behind", "off", "ok"];

/**
 * Searches over both sides. Each ranking is merged by itself, so that a hybrid search fuses two rankings that have both sides:
 * by vector where an index follows the replica, by words where the replica has an index of words in the same language.
 */
export class MergedSearches {
  readonly #side: ReplicaSide;
  readonly #parts: MergedSearchesParts;
  readonly #merged: MergedSearch;

  constructor(side: ReplicaSide, parts: MergedSearchesParts) {
    this.#side = side;
    this.#parts = parts;
    this.#merged = new MergedSearch(side);
  }

  /** @param run searches by vector, by words, or by both. Memories of the replica come with the time of their creation. */
  async search(run: (search: Search) => Promise<SearchResult[]>, signal: AbortSignal): Promise<Merged<SearchResult[]>> {
    const { vectors, texts } = this.#parts;
    const reads = new Set<MergedRead>();
    const merge = async (
      scope: SearchScope,
      primary: () => Promise<SearchResult[]>,
      hits: ReplicaHits,
    ): Promise<SearchResult[]> => {
      const read = new MergedRead(this.#side, "search", signal);
      reads.add(read);
      const onAlone = (alone: MergedRead): void => {
        reads.delete(read);
        reads.add(alone);
      };
      return await this.#merged.search(read, scope, { primary, hits, onAlone });
    };
    const answer = await run(
      new Search(
        {
          search: (scope, vector, deadline) =>
            merge(scope, () => vectors.search(scope, vector, deadline), this.#byVector(scope, vector)),
        },
        {
          search: (scope, text, deadline) =>
            merge(scope, () => texts.search(scope, text, deadline), this.#byText(scope, text)),
        },
      ),
    );
    const sources = combined([...reads].map((read) => read.endPart()));
    this.#side.parts.metrics.answered("search", sources);
    return { answer, sources };
  }

  #byVector({ namespace }: SearchScope, vector: Float32Array): ReplicaHits {
    const { replicaIndex } = this.#parts;
    return async (read, wanted) =>
      replicaIndex === null
        ? null
        : await read.askIndex((signal) => replicaIndex.search(namespace, vector, wanted, signal));
  }

  #byText({ namespace, condition }: SearchScope, text: string): ReplicaHits {
    const { language } = this.#parts;
    const { archive } = this.#side.parts;
    return async (read, wanted) => {
      const query = { namespace, condition, text, language, limit: wanted, archive };
      const hits = await read.ask((reads, signal) => reads.searchText(query, signal));
      return hits?.map((hit) => ({ ...hit, version: null })) ?? null;
    };
  }
}

function combined(all: readonly ReadSources[]): ReadSources {
  const isAlone = all.some(({ primary }) => primary === "unavailable");
  const replica = WORST_FIRST.find((state) => all.some((one) => one.replica === state)) ?? "off";
  return { primary: isAlone ? "unavailable" : "ok", replica };
}
