import { ValidationError } from "../domain/errors.ts";
import { textFlaw } from "../domain/json.ts";
import { SEARCH_MODES, type SearchMode } from "../read/search/search-result.ts";
import type { SearchOptions, SearchQuery } from "./calls.ts";

/** What a search goes by. */
export type SearchInput =
  /** Without a vector, the text is embedded. */
  | {
      readonly mode: "vector" | "hybrid";
      readonly text: string;
      readonly vector: readonly number[] | Float32Array | null;
    }
  | { readonly mode: "text"; readonly text: string; readonly vector: null };

/** @throws {ValidationError} The mode is none, or the query has not what the mode needs. */
export function searchInput(query: SearchQuery, options: SearchOptions<never>): SearchInput {
  const { mode: given = "vector", text: words, scoreMin } = options;
  const mode = modeOf(given);
  const isText = typeof query === "string";
  if (words !== undefined && (mode !== "hybrid" || isText)) {
    throw new ValidationError(
      "text",
      'is for mode "hybrid" with a vector as the query; otherwise the query is the text',
    );
  }
  if (mode === "vector") return { mode, text: isText ? query : "", vector: isText ? null : query };
  if (mode === "text") {
    if (!isText) throw new ValidationError("query", 'is a vector, and mode "text" looks for words: expected a text');
    return { mode, text: checked(query, "query"), vector: null };
  }
  if (scoreMin !== undefined) {
    throw new ValidationError("scoreMin", 'has no meaning in mode "hybrid", whose scores are fused ranks: limit k');
  }
  if (isText) return { mode, text: checked(query, "query"), vector: null };
  if (words === undefined) {
    throw new ValidationError(
      "text",
      'is missing: mode "hybrid" with a vector as the query needs the words to look for',
    );
  }
  return { mode, text: checked(words, "text"), vector: query };
}

function modeOf(mode: unknown): SearchMode {
  const known = SEARCH_MODES.find((name) => name === mode);
  if (known !== undefined) return known;
  const expected = SEARCH_MODES.map((name) => `"${name}"`).join(", ");
  throw new ValidationError(
    "mode",
    `${JSON.stringify(mode)?.slice(0, 80)} is no mode of a search: expected one of ${expected}`,
  );
}

/** PostgreSQL takes neither NUL nor half a surrogate pair. */
function checked(text: unknown, path: string): string {
  const flaw = typeof text === "string" ? textFlaw(text) : "expected a text";
  if (flaw !== null) throw new ValidationError(path, flaw);
  return text as string;
}
