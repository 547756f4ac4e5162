import { z } from "zod";
import { NAMESPACE_EXPECTED, NAMESPACE_PATTERN } from "../domain/schema.ts";
import { ULID_PATTERN } from "../domain/ulid-text.ts";

/** Parts of requests that several groups of routes share: checked before a handler runs, and shown in OpenAPI. */

export const namespaceName = z.string().regex(NAMESPACE_PATTERN, NAMESPACE_EXPECTED);

export const namespaceParam = z.object({
  namespace: namespaceName.describe("A tenant; no read, write or search crosses it"),
});

export const ulidText = z.string().regex(ULID_PATTERN, "expected a ULID: 26 characters");

export const memoryParams = namespaceParam.extend({
  memoryId: z.string().min(1).max(512).describe("1 to 512 bytes of UTF-8, percent-encoded"),
});

/** A whole number in a query string. */
export function count(minimum: number, maximum: number, byDefault?: number) {
  const number = z.coerce.number().int().min(minimum).max(maximum);
  return byDefault === undefined ? number : number.default(byDefault);
}

export const flag = z
  .enum(["true", "false"])
  .default("false")
  .transform((text) => text === "true");

/** Numbers of a vector that a body may hold. The library checks the dimension of the index afterwards. */
export const vector = z.array(z.number()).min(1).max(16_384);

/** Passed on as it came, with every key: the library checks it, and knows what JSON can carry. */
const jsonObject = z.unknown().meta({ type: "object", additionalProperties: true });

/** The fields of a memory that a caller writes. */
export const memoryFields = {
  content: z.string().describe("Text, at most 1 MiB of UTF-8"),
  memoryType: z.string().min(1).max(128),
  importance: z.number().min(0).max(1).default(0.5),
  metadata: jsonObject.optional().describe("Your own fields, at most 256 KiB of JSON"),
  embedding: vector.nullish().describe("Computed from the content where it is absent and an embedder is set up"),
  embeddingModel: z.string().min(1).max(256).optional(),
  privacy: z.enum(["full", "redacted", "local_only"]).default("full"),
  expiresAt: z.iso.datetime({ offset: true }).nullish().describe("From then on no read or search shows the memory"),
};
