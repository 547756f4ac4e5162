import { ConfigurationError, ValidationError } from "../domain/errors.ts";
import { passes } from "../domain/filter/evaluate.ts";
import { asksFor, parseFilter } from "../domain/filter/filter.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { Memory } from "../domain/memory.ts";
import type { MemoryValidator } from "../domain/schema.ts";
import type { Embedder } from "../embed/embedder.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import { heldBytes, readInParts } from "../read/bounded-reads.ts";
import type { CreationTimes } from "../read/creation-times.ts";
import type { History, MemoryVersion, VersionDiff } from "../read/history.ts";
import { GET_MANY_MAX } from "../read/list-options.ts";
import { compileFilter, type SearchFilter } from "../read/memory-filter.ts";
import type { ReadMetrics } from "../read/metrics.ts";
import type { Reader } from "../read/reader.ts";
import type { Search } from "../read/search/search.ts";
import type { SearchResult, SearchScope } from "../read/search/search-result.ts";
import type { Merged } from "../replica/merged/merged-gets.ts";
import type { MergedReads } from "../replica/merged/merged-reads.ts";
import type { CallScope } from "./call-scope.ts";
import type {
  CallOptions,
  GetOptions,
  HistoryOptions,
  KeyOptions,
  ReadOptions,
  SearchOptions,
  SearchQuery,
  SourcesOptions,
  WrittenVersion,
} from "./calls.ts";
import { type SearchInput, searchInput } from "./search-input.ts";

export interface ReadsParts {
  readonly scope: CallScope;
  readonly validator: MemoryValidator;
  readonly reader: Reader;
  readonly search: Search;
  readonly creations: CreationTimes;
  readonly history: History;
  readonly ledger: Pick<LedgerStore, "readTransaction">;
  /** Null: the primary answers alone. */
  readonly merged: MergedReads | null;
  /** Null: a search needs a vector. */
  readonly embedder: Embedder | null;
  readonly metrics: ReadMetrics;
}

const RESULTS_MAX = 1_000;

/**
 * The façade's calls that read memories and their history. `MemorySynchronizer` documents them. Metadata has the type
 * `never` here, which fits the type that each caller claims: a store holds JSON, and does not know that type.
 */
export class Reads {
  readonly #parts: ReadsParts;

  constructor(parts: ReadsParts) {
    this.#parts = parts;
  }

  async get(memoryId: string, options: GetOptions): Promise<Memory<never> | null> {
    const { scope, validator, reader } = this.#parts;
    const key = validator.validateKey(memoryId, options.namespace);
    const memory = await scope.run("get", options, async (signal) => {
      const primary = (): Promise<Memory | null> =>
        options.fromLedger === true ? reader.getCommitted(key, signal) : reader.getOne(key, signal);
      const merge = (merged: MergedReads): Promise<Merged<Memory | null>> =>
        merged.gets.getOne(key, { withCreatedAt: options.createdAt === true, primary }, signal);
      const found = this.#parts.merged === null ? await primary() : await this.#merged(options, primary, merge);
      options.onBytes?.(heldBytes(found, found?.embedding));
      return options.createdAt
        ? ((await this.#parts.creations.addTo(key.namespace, [found], signal))[0] ?? null)
        : found;
    });
    return memory as Memory<never> | null;
  }

  /** As `get`, from the primary's ledger alone: never older than the last commit before this call, and nothing that an archive keeps. */
  async getCommitted(memoryId: string, options: CallOptions & KeyOptions): Promise<Memory<never> | null> {
    const { scope, validator, reader } = this.#parts;
    const key = validator.validateKey(memoryId, options.namespace);
    return (await scope.run("get", options, (signal) => reader.getCommitted(key, signal))) as Memory<never> | null;
  }

  async getMany(memoryIds: readonly string[], options: GetOptions): Promise<(Memory<never> | null)[]> {
    const { scope, validator, reader } = this.#parts;
    if (!Array.isArray(memoryIds)) throw new ValidationError("memoryIds", "expected a list of texts");
    if (memoryIds.length > GET_MANY_MAX) {
      const message = `names ${memoryIds.length} memories, and at most ${GET_MANY_MAX} are allowed: ask for them in parts`;
      throw new ValidationError("memoryIds", message);
    }
    const keys = memoryIds.map((memoryId: string) => validator.validateKey(memoryId, options.namespace));
    const { namespace } = validator.validateKey("-", options.namespace);
    const memories = await scope.run("getMany", options, async (signal) => {
      const { onBytes } = options;
      const read = (part: readonly MemoryKey[]) =>
        options.fromLedger === true ? reader.getAllCommitted(part, signal) : reader.get(part, signal);
      const bytesOf = (memory: Memory | null) => heldBytes(memory, memory?.embedding);
      const primary = (): Promise<(Memory | null)[]> =>
        onBytes === undefined ? read(keys) : readInParts(keys, read, bytesOf, onBytes);
      const found = await this.#merged(options, primary, (merged) =>
        merged.gets.getMany(keys, { withCreatedAt: options.createdAt === true, onBytes, primary }, signal),
      );
      return options.createdAt ? await this.#parts.creations.addTo(namespace, found, signal) : found;
    });
    return memories as (Memory<never> | null)[];
  }

  async search(query: SearchQuery, options: SearchOptions<never>): Promise<SearchResult<never>[]> {
    const { scope, validator, metrics } = this.#parts;
    const { k = 10, scoreMin = Number.NEGATIVE_INFINITY } = options;
    const chosen = compileFilter(options.filter as SearchFilter | undefined);
    const condition = parseFilter(options.where ?? {});
    // A store does not know when a memory was created: the ledger judges filters that ask for it.
    const isLedgers = asksFor(condition, "createdAt");
    const filter = (memory: Memory) => (isLedgers || passes(condition, memory)) && chosen(memory);
    const { namespace } = validator.validateKey("-", options.namespace);
    validator.checkCount(k, "k", RESULTS_MAX);
    const wanted = searchInput(query, options);
    const { onBytes } = options;
    const searched: SearchScope = { namespace, k, scoreMin, condition, filter, onBytes };
    const results = await metrics.searched(() =>
      scope.run("search", options, async (signal) => {
        const primary = (): Promise<SearchResult[]> => this.#search(this.#parts.search, wanted, searched, signal);
        const found = await this.#merged(options, primary, (merged) =>
          merged.searches.search((search) => this.#search(search, wanted, searched, signal), signal),
        );
        if (!options.createdAt) return this.#parts.merged === null ? found : found.map(withoutCreatedAt);
        const memories = found.map(({ memory }) => memory);
        const created = await this.#parts.creations.addTo(namespace, memories, signal);
        return found.map((result, at) => ({ ...result, memory: created[at] ?? result.memory }));
      }),
    );
    return results as SearchResult<never>[];
  }

  async #search(search: Search, input: SearchInput, scope: SearchScope, signal: AbortSignal): Promise<SearchResult[]> {
    const { validator, embedder } = this.#parts;
    const { mode, text, vector } = input;
    if (mode === "text") return await search.byText(scope, text, signal);
    const checked = validator.checkEmbedding(vector ?? (await this.#embed(text, signal)), "query");
    if (mode === "vector") return await search.byVector(scope, checked, signal);
    const weights = { vector: embedder?.hybridWeight ?? 1, text: 1, ...input.weights };
    return await search.hybrid(scope, { text, vector: checked, weights }, signal);
  }

  async history(memoryId: string, options: HistoryOptions): Promise<MemoryVersion<never>[]> {
    const { scope, validator, history } = this.#parts;
    const key = validator.validateKey(memoryId, options.namespace);
    const limit = options.limit ?? 1_000;
    const { onBytes } = options;
    const versions = await scope.run("history", options, (signal) => {
      const primary = (): Promise<MemoryVersion[]> => history.list(key, limit, onBytes, signal);
      return this.#merged(options, primary, (merged) =>
        merged.histories.list(key, { limit, onBytes, primary }, signal),
      );
    });
    return versions as MemoryVersion<never>[];
  }

  async diff(memoryId: string, fromVersion: number, toVersion: number, options: ReadOptions): Promise<VersionDiff> {
    const { scope, validator, history } = this.#parts;
    const key = validator.validateKey(memoryId, options.namespace);
    return await scope.run("diff", options, (signal) => history.diff(key, fromVersion, toVersion, signal));
  }

  async transaction(transactionId: string, options: CallOptions): Promise<readonly WrittenVersion[] | null> {
    const { scope, ledger } = this.#parts;
    return await scope.run("transaction", options, (signal) => ledger.readTransaction(transactionId, signal));
  }

  /** Reads both sides where a replica is set up, and tells the caller which ones the answer stands on. */
  async #merged<Answer>(
    { onSources }: SourcesOptions,
    primary: () => Promise<Answer>,
    merge: (merged: MergedReads) => Promise<Merged<Answer>>,
  ): Promise<Answer> {
    const { merged } = this.#parts;
    if (merged === null) return await primary();
    const { answer, sources } = await merge(merged);
    onSources?.(sources);
    return answer;
  }

  async #embed(text: string, signal: AbortSignal): Promise<Float32Array> {
    const [vector] = (await this.#parts.embedder?.embed([text], signal)) ?? [];
    if (vector !== undefined) return vector;
    throw new ConfigurationError("search by text needs an embedder: set embedding.provider, or search by vector");
  }
}

/** The time of a creation is shown where it was asked for. */
function withoutCreatedAt(result: SearchResult): SearchResult {
  const { createdAt, ...memory } = result.memory;
  return createdAt === undefined ? result : { ...result, memory };
}
