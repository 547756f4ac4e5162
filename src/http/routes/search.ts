import * as z from "zod";
import { resultsDocument, resultsSchema } from "../../documents/memory-documents.ts";
import { isObject } from "../../domain/json.ts";
import { lazily } from "../../domain/lazily.ts";
import type { Filter, Memory } from "../../index.ts";
import { SEARCH_MODES } from "../../read/search/search-result.ts";
import { SEARCH_LIMITS } from "../limits.ts";
import { namespaceParam, vector } from "../requests.ts";
import { type RouteGroup, route } from "../route.ts";
import { ToldSources } from "../told-sources.ts";

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

const searchBody = lazily(() =>
  z
    .strictObject({
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
    })
    .refine(
      ({ text, vector, mode }) =>
        mode === "hybrid" ? text !== undefined : (text === undefined) !== (vector === undefined),
      "give either text or vector; mode hybrid takes text, and may take its vector too",
    )
    .meta({ id: "Search" }),
);

const searchMemories = route({
  method: "POST",
  path: "/v1/namespaces/{namespace}/search",
  operationId: "searchMemories",
  summary: "The memories nearest to a text or a vector, by vector, by words or by both, best first",
  access: { scope: "read" },
  params: namespaceParam,
  body: searchBody,
  bodyLimits: SEARCH_LIMITS,
  responses: {
    200: { description: "At most k results", schema: resultsSchema },
    502: { description: "The embedder failed: the text has no vector" },
  },
  async handle({ params, body, signal, onBytes }, { sync }) {
    const { text, vector, mode, weights, k, scoreMin, filter, where, embedding, createdAt } = body;
    const told = new ToldSources();
    const results = await sync.search(vector ?? text ?? [], {
      namespace: params.namespace,
      k,
      mode,
      ...(mode === "hybrid" && vector !== undefined && { text }),
      ...(weights !== undefined && { weights }),
      ...(scoreMin !== undefined && { scoreMin }),
      filter: (memory) => fits(memory, filter),
      createdAt,
      ...(where !== undefined && { where: where as Filter }),
      signal,
      onBytes,
      onSources: told.tell,
    });
    return { status: 200, body: resultsDocument(results, embedding, told.sources) };
  },
});

function fits(memory: Memory, { memoryType, metadata = {} }: z.output<ReturnType<typeof filterSchema>>): boolean {
  if (memoryType !== undefined && memory.memoryType !== memoryType) return false;
  return Object.entries(metadata).every(
    ([name, value]) => Object.hasOwn(memory.metadata, name) && memory.metadata[name] === value,
  );
}

export const searchGroup: RouteGroup = {
  tag: "search",
  description: "Memories that are nearest to a text or a vector",
  routes: [searchMemories],
};
