import * as z from "zod";
import { lazily } from "../domain/lazily.ts";
import { EMBEDDING_CHOICES } from "../write/patch.ts";
import { memoryFields } from "./request-fields.ts";

/** The fields that a patch may change. Without defaults: a field that is absent stays as it is. */
export const patchFields = lazily(() => {
  const { content, memoryType, metadata, embedding, embeddingModel, expiresAt } = memoryFields();
  return {
    content: content.optional(),
    memoryType: memoryType.optional(),
    importance: z.number().min(0).max(1).optional(),
    metadata: metadata.describe("Changed by RFC 7396: null removes an entry, an object changes one entry by entry"),
    embedding: embedding.describe("A new vector; null drops it"),
    embeddingModel: embeddingModel.nullable(),
    privacy: z.enum(["full", "redacted", "local_only"]).optional(),
    expiresAt: expiresAt.describe("Null: never"),
  };
});

export const patchRequest = lazily(() => z.strictObject(patchFields()).meta({ id: "MemoryPatch" }));

/** What becomes of the vector: beside the fields, since `embedding` names the vector itself there. */
export const embeddingChoice = lazily(() =>
  z
    .enum(EMBEDDING_CHOICES)
    .optional()
    .describe(
      "What becomes of the vector when the content changes without a new one. By default the service's embedder makes a " +
        "new one; where there is no embedder, 422 asks for a choice",
    ),
);
