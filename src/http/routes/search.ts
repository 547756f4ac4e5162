import { resultsDocument, resultsSchema } from "../../documents/memory-documents.ts";
import { queryOf, searchOptions, searchRequest } from "../../documents/search-request.ts";
import { SEARCH_LIMITS } from "../limits.ts";
import { namespaceParam } from "../requests.ts";
import { type RouteGroup, route } from "../route.ts";
import { ToldSources } from "../told-sources.ts";

const searchMemories = route({
  method: "POST",
  path: "/v1/namespaces/{namespace}/search",
  operationId: "searchMemories",
  summary: "The memories nearest to a text or a vector, by vector, by words or by both, best first",
  access: { scope: "read" },
  params: namespaceParam,
  body: searchRequest,
  bodyLimits: SEARCH_LIMITS,
  responses: {
    200: { description: "At most k results", schema: resultsSchema },
    502: { description: "The embedder failed: the text has no vector" },
  },
  async handle({ params, body, signal, onBytes }, { sync }) {
    const told = new ToldSources();
    const results = await sync.search(queryOf(body), {
      namespace: params.namespace,
      ...searchOptions(body),
      signal,
      onBytes,
      onSources: told.tell,
    });
    return { status: 200, body: resultsDocument(results, body.embedding, told.sources) };
  },
});

export const searchGroup: RouteGroup = {
  tag: "search",
  description: "Memories that are nearest to a text or a vector",
  routes: [searchMemories],
};
