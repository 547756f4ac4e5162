import * as z from "zod";
import { textFlaw } from "../domain/json.ts";
import { lazily } from "../domain/lazily.ts";
import { NAMESPACE_EXPECTED, NAMESPACE_PATTERN } from "../domain/schema.ts";
import { ULID_PATTERN } from "../domain/ulid-text.ts";
import type { Filter } from "../index.ts";

/** Parts of requests that several groups of routes share: checked before a handler runs, and shown in OpenAPI. */

export const namespaceName = lazily(() => z.string().regex(NAMESPACE_PATTERN, NAMESPACE_EXPECTED));

export const namespaceParam = lazily(() =>
  z.object({
    namespace: namespaceName().describe("A tenant; no read, write or search crosses it"),
  }),
);

export const ulidText = lazily(() => z.string().regex(ULID_PATTERN, "expected a ULID: 26 characters"));

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

export const memoryParams = lazily(() =>
  namespaceParam().extend({
    memoryId: memoryIdText().describe("1 to 512 bytes of UTF-8, percent-encoded"),
  }),
);

/** A whole number in a query string. */
export function count(minimum: number, maximum: number, byDefault?: number) {
  const number = z.coerce.number().int().min(minimum).max(maximum);
  return byDefault === undefined ? number : number.default(byDefault);
}

export const flag = lazily(() =>
  z
    .enum(["true", "false"])
    .default("false")
    .transform((text) => text === "true"),
);

/** Characters of a filter in an address: all headers and the address have 16 KiB. */
const WHERE_LENGTH_MAX = 8_192;

/** A filter of memories in a query string. The library checks its parts. */
export const where = lazily(() =>
  z
    .string()
    .max(WHERE_LENGTH_MAX)
    .transform((text, context): Filter => {
      try {
        return JSON.parse(text) as Filter;
      } catch (error) {
        context.addIssue({ code: "custom", message: `is no JSON: ${(error as Error).message}` });
        return z.NEVER;
      }
    })
    .optional()
    .describe('A filter as JSON, e.g. {"memoryType":{"eq":"episodic"}}: docs/library.md has the language'),
);

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
