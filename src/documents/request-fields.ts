import * as z from "zod";
import { textFlaw } from "../domain/json.ts";
import { lazily } from "../domain/lazily.ts";
import { NAMESPACE_EXPECTED, NAMESPACE_PATTERN } from "../domain/schema.ts";

/** Fields that callers give, declared once for HTTP and for MCP. */

export const namespaceName = lazily(() => z.string().regex(NAMESPACE_PATTERN, NAMESPACE_EXPECTED));

/** Text that every store can hold: a NUL in a parameter reached PostgreSQL, which refused it. */
export function storable(lengthMax: number) {
  return z
    .string()
    .min(1)
    .max(lengthMax)
    .superRefine((text, context) => {
      const flaw = textFlaw(text);
      if (flaw !== null) context.addIssue({ code: "custom", message: flaw });
    });
}

export const memoryIdText = lazily(() => storable(512));

/**
 * A list whose length is compared before its entries are looked at. zod does it the other way round, and collects the flaws
 * of all entries.
 */
export function list<Entry extends z.ZodType>(entry: Entry, lengthMax: number) {
  const compare = (value: unknown, context: z.RefinementCtx): unknown => {
    if (Array.isArray(value) && value.length > lengthMax) {
      context.addIssue({
        code: "custom",
        message: `has ${value.length} entries, and at most ${lengthMax} are allowed`,
      });
    }
    return value;
  };
  return z.preprocess(compare, z.array(entry).min(1).max(lengthMax));
}

/** Numbers of a vector that a body may hold. The library checks the dimension of the index afterwards. */
const VECTOR_LENGTH_MAX = 16_384;

/**
 * A list of numbers. Looked at by hand: zod makes an object for each number, which took a third of a second for a batch. What is
 * no finite float32 is for the library to find, which copies the numbers anyway.
 */
export const vector = lazily((): z.ZodType<number[]> => {
  const schema = z
    .unknown()
    .superRefine((value: unknown, context) => {
      const message = vectorFlaw(value);
      if (message !== null) context.addIssue({ code: "custom", message });
    })
    .meta({ type: "array", items: { type: "number" }, minItems: 1, maxItems: VECTOR_LENGTH_MAX });
  return schema as z.ZodType<number[]>;
});

/** The first flaw ends it. */
function vectorFlaw(value: unknown): string | null {
  if (!Array.isArray(value)) return "expected a list of numbers";
  if (value.length === 0) return "is empty";
  if (value.length > VECTOR_LENGTH_MAX) {
    return `has ${value.length} numbers, and at most ${VECTOR_LENGTH_MAX} are allowed`;
  }
  return value.every((entry) => typeof entry === "number") ? null : "expected a list of numbers";
}

/** Passed on unchanged, with every key: the library checks it for values that JSON cannot carry. */
const jsonObject = lazily(() => z.unknown().meta({ type: "object", additionalProperties: true }));

/** The fields of a memory that a caller writes. */
export const memoryFields = lazily(() => ({
  content: z.string().describe("Text, at most 1 MiB of UTF-8"),
  memoryType: z.string().min(1).max(128),
  importance: z.number().min(0).max(1).default(0.5),
  metadata: jsonObject().optional().describe("Your own fields, at most 256 KiB of JSON"),
  embedding: vector().nullish().describe("Computed from the content where it is absent and an embedder is set up"),
  embeddingModel: z.string().min(1).max(256).optional(),
  privacy: z.enum(["full", "redacted", "local_only"]).default("full"),
  expiresAt: z.iso.datetime({ offset: true }).nullish().describe("From then on no read or search shows the memory"),
}));
