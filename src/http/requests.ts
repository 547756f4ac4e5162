import * as z from "zod";
import { memoryIdText, namespaceName } from "../documents/request-fields.ts";
import { lazily } from "../domain/lazily.ts";
import { ULID_PATTERN } from "../domain/ulid-text.ts";
import type { Filter } from "../index.ts";

export { list, memoryFields, memoryIdText, namespaceName, storable, vector } from "../documents/request-fields.ts";

/** Parts of requests that several groups of routes share: checked before a handler runs, and shown in OpenAPI. */

export const namespaceParam = lazily(() =>
  z.object({
    namespace: namespaceName().describe("A tenant; no read, write or search crosses it"),
  }),
);

export const ulidText = lazily(() => z.string().regex(ULID_PATTERN, "expected a ULID: 26 characters"));

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
