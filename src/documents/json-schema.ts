import * as z from "zod";

export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

/**
 * A document as JSON Schema (2020-12).
 * @param io `input`: what a caller may give, where fields with a default may be absent. @default "output"
 */
export function jsonSchemaOf(document: z.ZodType, io: "input" | "output" = "output"): JsonSchema {
  // `id` names a definition for zod; in JSON Schema it is no keyword.
  const withoutIds = (key: string, value: unknown): unknown =>
    key === "id" && typeof value === "string" ? undefined : value;
  return JSON.parse(JSON.stringify(z.toJSONSchema(document, { io }), withoutIds)) as JsonSchema;
}
