import type { Memory } from "../../index.ts";
import { memoryDocument } from "../documents.ts";
import { type Route, route } from "../route.ts";
import { namespaceParam, resultsSchema, searchBody } from "../schemas.ts";

const searchMemories = route({
  method: "POST",
  path: "/v1/namespaces/{namespace}/search",
  operationId: "searchMemories",
  summary: "The memories nearest to a text or a vector, nearest first",
  tag: "search",
  access: { scope: "read" },
  params: namespaceParam,
  body: searchBody,
  responses: { 200: { description: "Results, k at most", schema: resultsSchema } },
  async handle({ params, body, signal }, { sync }) {
    const { text, vector, k, scoreMin, filter, embedding } = body;
    const results = await sync.search(text ?? vector ?? [], {
      namespace: params.namespace,
      k,
      ...(scoreMin !== undefined && { scoreMin }),
      filter: (memory) => fits(memory, filter),
      signal,
    });
    const documents = results.map(({ score, memory }) => ({ score, memory: memoryDocument(memory, embedding) }));
    return { status: 200, body: { results: documents } };
  },
});

function fits(
  memory: Memory,
  filter: { memoryType?: string | undefined; metadata?: Readonly<Record<string, unknown>> | undefined },
): boolean {
  if (filter.memoryType !== undefined && memory.memoryType !== filter.memoryType) return false;
  return Object.entries(filter.metadata ?? {}).every(
    ([name, value]) => Object.hasOwn(memory.metadata, name) && memory.metadata[name] === value,
  );
}

export const searchRoutes: readonly Route[] = [searchMemories];
