import * as z from "zod";
import type { Filter } from "../domain/filter/filter.ts";
import { isObject } from "../domain/json.ts";
import { lazily } from "../domain/lazily.ts";
import type { Memory } from "../domain/memory.ts";
import { SEARCH_MODES, type SearchMode } from "../read/search/search-result.ts";
import { vector } from "./request-fields.ts";

/** A search as HTTP and MCP take it. */

/** Fields of the metadata that a filter may name: each is compared for each memory that the search looks at. */
const FILTER_FIELDS_MAX = 100;

/** The first flaw ends it: zod makes several issues for each value that fits no member of the union. */
function refuseFlaw(value: unknown, context: z.RefinementCtx): unknown {
  if (!isObject(value)) return value;
  const names = Object.keys(value);
  if (names.length > FILTER_FIELDS_MAX) {
    const message = `names ${names.length} fields, and at most ${FILTER_FIELDS_MAX} are allowed`;
    context.addIssue({ code: "custom", message });
    return value;
  }
  const flawed = names.find((name) => typeof value[name] === "object" && value[name] !== null);
  if (flawed !== undefined) {
    const message = "expected a text, a number, a boolean or null";
    context.addIssue({ code: "custom", message, path: [flawed] });
  }
  return value;
}

const filterSchema = lazily(() =>
  z.strictObject({
    memoryType: z.string().optional(),
    metadata: z
      .preprocess(refuseFlaw, z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])))
      .optional()
      .describe("Fields of the metadata's top level that must be equal"),
  }),
);

const weight = lazily(() => z.number().min(0).max(1_000));

/** What a search asks for. `fitsMode` holds the fields to each other. */
export const searchFields = lazily(() => ({
  text: z.string().min(1).optional().describe("Needs an embedder, but for mode text"),
  vector: vector().optional(),
  mode: z
    .enum(SEARCH_MODES)
    .default("vector")
    .describe(
      "By vector, by the words of the contents, or both rankings fused by reciprocal rank (then both may be given)",
    ),
  weights: z
    .strictObject({ vector: weight().optional(), text: weight().optional() })
    .optional()
    .describe(
      "Of mode hybrid: how much a place in each ranking counts. By default 1, and as the embedder says for vectors",
    ),
  k: z.number().int().min(1).max(1_000).default(10),
  scoreMin: z.number().optional(),
  filter: filterSchema().default({}),
  where: z
    .unknown()
    .optional()
    .meta({ type: "object", additionalProperties: true })
    .describe("A filter beside `filter`, in the language of the lists: docs/library.md has it"),
  embedding: z.boolean().default(false).describe("Whether results include their vectors"),
  createdAt: z.boolean().default(false).describe("Whether results include the times of their creation"),
}));

interface AskedFor {
  readonly text?: string | undefined;
  readonly vector?: readonly number[] | undefined;
  readonly mode: SearchMode;
}

export const MODE_RULE = "give either text or vector; mode hybrid takes text, and may take its vector too";

export function fitsMode({ text, vector, mode }: AskedFor): boolean {
  return mode === "hybrid" ? text !== undefined : (text === undefined) !== (vector === undefined);
}

export const searchRequest = lazily(() =>
  z.strictObject(searchFields()).refine(fitsMode, MODE_RULE).meta({ id: "Search" }),
);

export type SearchRequest = z.output<ReturnType<typeof searchRequest>>;

/** The first argument of `search`. */
export function queryOf({ text, vector }: Pick<SearchRequest, "text" | "vector">): string | readonly number[] {
  return vector ?? text ?? [];
}

/** The options of `search` that the request sets. */
export function searchOptions({ text, vector, mode, weights, k, scoreMin, filter, where, createdAt }: SearchRequest) {
  return {
    k,
    mode,
    ...(mode === "hybrid" && vector !== undefined && { text }),
    ...(weights !== undefined && { weights }),
    ...(scoreMin !== undefined && { scoreMin }),
    filter: (memory: Memory) => fits(memory, filter),
    createdAt,
    ...(where !== undefined && { where: where as Filter }),
  };
}

function fits(memory: Memory, { memoryType, metadata = {} }: z.output<ReturnType<typeof filterSchema>>): boolean {
  if (memoryType !== undefined && memory.memoryType !== memoryType) return false;
  return Object.entries(metadata).every(
    ([name, value]) => Object.hasOwn(memory.metadata, name) && memory.metadata[name] === value,
  );
}
