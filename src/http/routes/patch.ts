import * as z from "zod";
import { outcomeSchema } from "../../documents/memory-documents.ts";
import { lazily } from "../../domain/lazily.ts";
import type { MemoryPatch } from "../../index.ts";
import { EMBEDDING_CHOICES } from "../../write/patch.ts";
import { MEMORY_LIMITS } from "../limits.ts";
import { entityTag, PRECONDITION_HEADERS, underPreconditions } from "../preconditions.ts";
import { publicOutcome } from "../public-messages.ts";
import { memoryFields, memoryParams } from "../requests.ts";
import { MEDIA_TYPE_MERGE_PATCH, type RouteGroup, route } from "../route.ts";

const { content, memoryType, metadata, embedding, embeddingModel, expiresAt } = memoryFields();

/** Without defaults: a field that is absent stays as it is. */
const patchBody = lazily(() =>
  z
    .strictObject({
      content: content.optional(),
      memoryType: memoryType.optional(),
      importance: z.number().min(0).max(1).optional(),
      metadata: metadata.describe("Changed by RFC 7396: null removes an entry, an object changes one entry by entry"),
      embedding: embedding.describe("A new vector; null drops it"),
      embeddingModel: embeddingModel.nullable(),
      privacy: z.enum(["full", "redacted", "local_only"]).optional(),
      expiresAt: expiresAt.describe("Null: never"),
    })
    .meta({ id: "MemoryPatch" }),
);

const patchMemory = route({
  method: "PATCH",
  path: "/v1/namespaces/{namespace}/memories/{memoryId}",
  operationId: "patchMemory",
  summary: "Change the named fields of a memory; the others stay",
  access: { scope: "write" },
  params: memoryParams,
  query: () =>
    z.object({
      embedding: z
        .enum(EMBEDDING_CHOICES)
        .optional()
        .describe(
          "What becomes of the vector when the content changes without a new one. By default the service's embedder makes a " +
            "new one; where there is no embedder, 422 asks for a choice",
        ),
    }),
  body: patchBody,
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
