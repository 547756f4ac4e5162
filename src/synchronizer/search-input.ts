import { ValidationError } from "../domain/errors.ts";
import { textFlaw } from "../domain/json.ts";
import { type HybridWeights, SEARCH_MODES, type SearchMode } from "../read/search/search-result.ts";
import type { SearchOptions, SearchQuery } from "./calls.ts";

type GivenVector = readonly number[] | Float32Array;

/** What a search goes by. */
export type SearchInput =
  /** Without a vector, the text is embedded. */
  | { readonly mode: "vector"; readonly text: string; readonly vector: GivenVector | null }
  | {
      readonly mode: "hybrid";
      readonly text: string;
      readonly vector: GivenVector | null;
      /** As far as the caller gives them. */
      readonly weights: Partial<HybridWeights>;
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
  const weights = checkedWeights(options.weights, mode);
  if (mode === "vector") return { mode, text: isText ? query : "", vector: isText ? null : query };
  if (mode === "text") {
    if (!isText) throw new ValidationError("query", 'is a vector, and mode "text" looks for words: expected a text');
    return { mode, text: checked(query, "query"), vector: null };
  }
  if (scoreMin !== undefined) {
    throw new ValidationError("scoreMin", 'has no meaning in mode "hybrid", whose scores are fused ranks: limit k');
  }
  if (isText) return { mode, text: checked(query, "query"), vector: null, weights };
  if (words === undefined) {
    throw new ValidationError(
      "text",
      'is missing: mode "hybrid" with a vector as the query needs the words to look for',
    );
  }
  return { mode, text: checked(words, "text"), vector: query, weights };
}

const WEIGHT_MAX = 1_000;

function checkedWeights(given: unknown, mode: SearchMode): Partial<HybridWeights> {
  if (given === undefined) return {};
  if (mode !== "hybrid") throw new ValidationError("weights", 'are for mode "hybrid": no other one fuses rankings');
  if (typeof given !== "object" || given === null) {
    throw new ValidationError("weights", 'expected an object, e.g. { "vector": 0.5, "text": 1 }');
  }
  const weights: Partial<Record<keyof HybridWeights, number>> = {};
  for (const [name, weight] of Object.entries(given)) {
    if (name !== "vector" && name !== "text") {
      throw new ValidationError(`weights.${name}`, "is no ranking: expected vector or text");
    }
    if (weight === undefined) continue;
    if (typeof weight !== "number" || !(weight >= 0 && weight <= WEIGHT_MAX)) {
      throw new ValidationError(`weights.${name}`, `expected a number from 0 to ${WEIGHT_MAX}`);
    }
    weights[name] = weight;
  }
  if (weights.vector === 0 && weights.text === 0) {
    throw new ValidationError("weights", "are both 0: then neither ranking counts, and nothing is found");
  }
  return weights;
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
