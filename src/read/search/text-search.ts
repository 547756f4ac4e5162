import { ConfigurationError } from "../../domain/errors.ts";
import type { Condition } from "../../domain/filter/filter.ts";
import type { FindLedger } from "../../ledger/find-ledger.ts";
import type { Reader } from "../reader.ts";
import type { SearchResult, SearchScope } from "./search-result.ts";

/** Milliseconds for which it is remembered which indexes of words the ledger has: another process may drop one. */
const KNOWN_MS = 30_000;
/** Hits that are read when a function of the caller may refuse some of them. */
const HITS_MAX = 250;

export interface TextSearchParts {
  readonly reader: Pick<Reader, "getSound">;
  readonly ledger: Pick<FindLedger, "searchText" | "findIndexes">;
  /** The setting `indexes.text`. */
  readonly language: string;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** Searches by the words of contents, in the ledger: what is committed is found. */
export class TextSearch {
  readonly #parts: TextSearchParts;
  #known: { readonly language: string; readonly until: number } | null = null;

  constructor(parts: TextSearchParts) {
    this.#parts = parts;
  }

  /**
   * The `k` memories with the best words, as many words of `text` and as rare ones as possible. Memories without any of the
   * words are never found.
   * @throws {ConfigurationError} The ledger has no index of words.
   */
  async search(scope: SearchScope, text: string, condition: Condition, signal: AbortSignal): Promise<SearchResult[]> {
    const { namespace, k, scoreMin, filter } = scope;
    const language = await this.#languageOf(signal);
    const limit = Math.max(k, HITS_MAX);
    const hits = await this.#parts.ledger.searchText({ namespace, language, text, condition, limit }, signal);
    const results: SearchResult[] = [];
    for (let start = 0; start < hits.length && results.length < k; start += k) {
      const page = hits.slice(start, start + k).filter(({ score }) => score >= scoreMin);
      const keys = page.map(({ memoryId }) => ({ namespace, memoryId }));
      const memories = await this.#parts.reader.getSound(keys, signal);
      for (const [at, { score }] of page.entries()) {
        const memory = memories[at] ?? null;
        if (memory !== null && filter(memory)) results.push({ memory, score });
      }
    }
    return results.slice(0, k);
  }

  async #languageOf(signal: AbortSignal): Promise<string> {
    const { ledger, now, language: preferred } = this.#parts;
    if (this.#known !== null && now() < this.#known.until) return this.#known.language;
    const { languages } = await ledger.findIndexes(signal);
    const language = languages.find((name) => name === preferred) ?? languages[0];
    if (language === undefined) {
      throw new ConfigurationError(
        'a search by words needs an index of them, and the ledger has none: set indexes.text to a language, e.g. "english"',
      );
    }
    this.#known = { language, until: now() + KNOWN_MS };
    return language;
  }
}
