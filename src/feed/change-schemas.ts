import * as z from "zod";
import { ValidationError } from "../domain/errors.ts";
import type { Filter } from "../domain/filter/filter.ts";
import { lazily } from "../domain/lazily.ts";
import { defined } from "../domain/settings.ts";
import { PAGE_MAX, WAIT_MAX_MS } from "./feed.ts";
import { FEED_READINGS } from "./feed-filter.ts";

/** Of `ChangeQuery`. */
export const querySchema = lazily(() => ({
  cursor: z.string().optional(),
  from: z.enum(["start", "now"], 'expected "start" or "now"').default("start"),
  namespaces: z.array(z.string()).readonly().optional(),
  where: z.custom<Filter>().optional(), // Checked by the feed filter.
  reading: z.enum(FEED_READINGS, 'expected "changes" or "versions"').default("changes"),
  includeLocal: z.boolean("expected true or false").default(false),
  embeddings: z.boolean("expected true or false").default(false),
}));
const count = (min: number, max: number) => {
  const expected = `must be a whole number from ${min} to ${max}`;
  return z.number(expected).int(expected).min(min, expected).max(max, expected);
};
/** Of `ChangesOptions`. */
export const changesSchema = lazily(() =>
  z.strictObject({
    ...querySchema(),
    follow: z.boolean("expected true or false").default(true),
    pageSize: count(1, PAGE_MAX).default(100),
    waitMs: count(1, WAIT_MAX_MS).default(WAIT_MAX_MS),
    onPosition: z
      .custom<(cursor: string) => void>((value) => typeof value === "function", "expected a function")
      .optional(),
    signal: z.instanceof(AbortSignal).optional(),
  }),
);
/** Of `ReadChangesOptions`. */
export const readSchema = lazily(() =>
  z.strictObject({
    ...querySchema(),
    limit: count(1, PAGE_MAX).default(100),
    waitMs: count(0, WAIT_MAX_MS).default(0),
  }),
);

/** An option that is `undefined` counts as absent. @throws {ValidationError} naming the option. */
export function parseOptions<Schema extends z.ZodObject>(schema: Schema, options: object): z.output<Schema> {
  const result = schema.safeParse(defined(options));
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  if (issue?.code === "unrecognized_keys") {
    const known = Object.keys(schema.shape).join(", ");
    throw new ValidationError(issue.keys[0] ?? "", `unknown option; expected ${known}`);
  }
  throw new ValidationError(issue?.path.map(String).join(".") ?? "", issue?.message ?? "is malformed");
}
