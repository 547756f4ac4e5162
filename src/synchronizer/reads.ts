import { ConfigurationError } from "../domain/errors.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { Memory } from "../domain/memory.ts";
import type { MemoryValidator } from "../domain/schema.ts";
import type { Embedder } from "../embed/embedder.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { History, MemoryVersion, VersionDiff } from "../read/history.ts";
import { compileFilter } from "../read/memory-filter.ts";
import type { Reader, SearchResult } from "../read/reader.ts";
import type { CallScope } from "./call-scope.ts";
import type { CallOptions, HistoryOptions, KeyOptions, SearchOptions } from "./calls.ts";
import type { Metrics } from "./metrics.ts";

export interface ReadsParts {
  readonly scope: CallScope;
  readonly validator: MemoryValidator;
  readonly reader: Reader;
  readonly history: History;
  readonly ledger: Pick<LedgerStore, "readTransaction">;
  /** Null: a search needs a vector. */
  readonly embedder: Embedder | null;
  readonly metrics: Pick<Metrics, "searched">;
}

const RESULTS_MAX = 1_000;

/** The façade's calls that read memories and their history. `MemorySynchronizer` documents them. */
export class Reads {
  readonly #parts: ReadsParts;

  constructor(parts: ReadsParts) {
    this.#parts = parts;
  }

  async get(memoryId: string, options: KeyOptions & CallOptions): Promise<Memory | null> {
    const { scope, validator, reader } = this.#parts;
    const key = validator.validateKey(memoryId, options.namespace);
    return await scope.run("get", options, (signal) => reader.getOne(key, signal));
  }

  async search(query: string | readonly number[] | Float32Array, options: SearchOptions): Promise<SearchResult[]> {
    const { scope, validator, reader, metrics } = this.#parts;
    const { k = 10, scoreMin = Number.NEGATIVE_INFINITY } = options;
    const filter = compileFilter(options.filter);
    const { namespace } = validator.validateKey("-", options.namespace);
    validator.checkCount(k, "k", RESULTS_MAX);
    return await metrics.searched(() =>
      scope.run("search", options, async (signal) => {
        const vector = typeof query === "string" ? await this.#embed(query, signal) : query;
        const checked = validator.checkEmbedding(vector, "query");
        return await reader.search(namespace, checked, { k, scoreMin, filter }, signal);
      }),
    );
  }

  async history(memoryId: string, options: HistoryOptions): Promise<MemoryVersion[]> {
    const { scope, validator, history } = this.#parts;
    const key = validator.validateKey(memoryId, options.namespace);
    return await scope.run("history", options, (signal) => history.list(key, options.limit ?? 1_000, signal));
  }

  async diff(
    memoryId: string,
    fromVersion: number,
    toVersion: number,
    options: KeyOptions & CallOptions,
  ): Promise<VersionDiff> {
    const { scope, validator, history } = this.#parts;
    const key = validator.validateKey(memoryId, options.namespace);
    return await scope.run("diff", options, (signal) => history.diff(key, fromVersion, toVersion, signal));
  }

  async transaction(
    transactionId: string,
    options: CallOptions,
  ): Promise<readonly (MemoryKey & { readonly version: number })[] | null> {
    const { scope, ledger } = this.#parts;
    return await scope.run("transaction", options, (signal) => ledger.readTransaction(transactionId, signal));
  }

  async #embed(text: string, signal: AbortSignal): Promise<Float32Array> {
    const [vector] = (await this.#parts.embedder?.embed([text], signal)) ?? [];
    if (vector !== undefined) return vector;
    throw new ConfigurationError("search by text needs an embedder: set embedding.provider, or search by vector");
  }
}
