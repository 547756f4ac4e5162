import * as z from "zod";
import { outcomeSchema } from "../../documents/memory-documents.ts";
import { embeddingChoice, patchRequest } from "../../documents/patch-request.ts";
import { publicOutcome } from "../../documents/public-messages.ts";
import type { MemoryPatch } from "../../index.ts";
import { MEMORY_LIMITS } from "../limits.ts";
import { entityTag, PRECONDITION_HEADERS, underPreconditions } from "../preconditions.ts";
import { memoryParams } from "../requests.ts";
import { MEDIA_TYPE_MERGE_PATCH, type RouteGroup, route } from "../route.ts";

const patchMemory = route({
  method: "PATCH",
  path: "/v1/namespaces/{namespace}/memories/{memoryId}",
  operationId: "patchMemory",
  summary: "Change the named fields of a memory; the others stay",
  access: { scope: "write" },
  params: memoryParams,
  query: () => z.object({ embedding: embeddingChoice() }),
  body: patchRequest,
  bodyMediaType: MEDIA_TYPE_MERGE_PATCH,
  bodyLimits: MEMORY_LIMITS,
  requestHeaders: PRECONDITION_HEADERS,
  responses: {
    200: { description: "Written, or unchanged", schema: outcomeSchema, headers: { ETag: "Its version" } },
    404: { description: "There is none, or it is deleted or expired" },
    410: { description: "The memory was erased, and its id is suppressed: revive it first" },
    412: { description: "The memory is at another version, or others wrote it each time that the patch was tried" },
    502: { description: "The embedder failed: nothing was written" },
  },
  async handle({ params, query, body, headers, identity }, { sync }) {
    const { namespace, memoryId } = params;
    const outcome = await underPreconditions(headers, sync, params, identity, (options) =>
      sync.patch(memoryId, body as MemoryPatch, { namespace, embedding: query.embedding, ...options }),
    );
    return { status: 200, headers: { etag: entityTag(outcome.version) }, body: publicOutcome(outcome) };
  },
});

export const patchGroup: RouteGroup = { tag: "memories", routes: [patchMemory] };
