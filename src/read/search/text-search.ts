import { ConfigurationError } from "../../domain/errors.ts";
import type { FindLedger } from "../../ledger/find-ledger.ts";
import { heldBytes, nextSize } from "../bounded-reads.ts";
import type { Reader } from "../reader.ts";
import type { KnownIndexes } from "./known-indexes.ts";
import type { SearchResult, SearchScope } from "./search-result.ts";

/** Hits that are read when a function of the caller may refuse some of them. */
const HITS_MAX = 250;
/** Memories that are read first; then as many as their sizes allow. */
const READ_FIRST = 32;

export interface TextSearchParts {
  readonly reader: Pick<Reader, "getSound">;
  readonly ledger: Pick<FindLedger, "searchText">;
  readonly indexes: KnownIndexes;
  /** The setting `indexes.text`. */
  readonly language: string;
}

/** Searches by the words of contents, in the ledger: what is committed is found. */
export class TextSearch {
  readonly #parts: TextSearchParts;

  constructor(parts: TextSearchParts) {
    this.#parts = parts;
  }

  /**
   * The `k` memories with the best words, as many words of `text` and as rare ones as possible. Memories without any of the
   * words are never found.
   * @throws {ConfigurationError} The ledger has no index of words.
   */
  async search(scope: SearchScope, text: string, signal: AbortSignal): Promise<SearchResult[]> {
    const { namespace, k, scoreMin, condition, filter, onBytes } = scope;
    const language = await this.#languageOf(signal);
    const limit = Math.max(k, HITS_MAX);
    const hits = await this.#parts.ledger.searchText({ namespace, language, text, condition, limit }, signal);
    const results: SearchResult[] = [];
    for (let start = 0, size = READ_FIRST; start < hits.length && results.length < k; ) {
      const part = hits.slice(start, start + size);
      start += part.length;
      const page = part.filter(({ score }) => score >= scoreMin);
      const keys = page.map(({ memoryId }) => ({ namespace, memoryId }));
      let [read, held] = [0, 0];
      const memories = await this.#parts.reader.getSound(keys, signal, (bytes) => {
        read += bytes;
      });
      for (const [at, { score }] of page.entries()) {
        const memory = memories[at] ?? null;
        if (memory === null || !filter(memory)) continue;
        results.push({ memory, score });
        if (onBytes !== undefined) held += heldBytes(memory, memory.embedding);
      }
      onBytes?.(held);
      size = nextSize(page.length, read);
    }
    return results.slice(0, k);
  }

  async #languageOf(signal: AbortSignal): Promise<string> {
    const { indexes, language: preferred } = this.#parts;
    const choose = (languages: readonly string[]) => languages.find((name) => name === preferred) ?? languages[0];
    const language =
      choose((await indexes.read(signal)).languages) ?? choose((await indexes.readNow(signal)).languages);
    if (language !== undefined) return language;
    throw new ConfigurationError(
      'a search by words needs an index of them, and the ledger has none: set indexes.text to a language, e.g. "english"',
    );
  }
}
