import * as z from "zod";
import { textFlaw } from "../json.ts";
import { lazily } from "../lazily.ts";

/** Values of one `in`, at most. */
export const FILTER_VALUES_MAX = 1_000;
/** UTF-16 units of one text, at most. */
export const FILTER_TEXT_MAX = 1_024;

const text = lazily(() =>
  z
    .string()
    .max(FILTER_TEXT_MAX)
    .superRefine((value, context) => {
      const flaw = textFlaw(value);
      if (flaw !== null) context.addIssue({ code: "custom", message: flaw });
    }),
);
const scalar = lazily(() =>
  z.union([text(), z.number(), z.boolean(), z.null()], {
    error: "expected a text, a number, true, false or null",
  }),
);
const TIME_EXPECTED = "expected an ISO-8601 time with an offset or Z, or milliseconds since 1970";
const time = lazily(() =>
  z.union([z.iso.datetime({ offset: true, error: TIME_EXPECTED }), z.date(), z.int()], {
    error: TIME_EXPECTED,
  }),
);

const values = <T extends z.ZodType>(value: T) => z.array(value).min(1).max(FILTER_VALUES_MAX).readonly();

/** Every test of one field: all that are named must hold. */
const atLeastOne = <T extends z.ZodObject>(tests: T) =>
  tests.refine((given) => Object.keys(given).length > 0, "names no operator");

function ordered<T extends z.ZodType>(value: T) {
  return z.strictObject({
    eq: value.optional(),
    ne: value.optional(),
    in: values(value).optional(),
    gt: value.optional(),
    gte: value.optional(),
    lt: value.optional(),
    lte: value.optional(),
  });
}

const exists = lazily(() => z.boolean().optional().describe("Whether the memory has such a value"));

export const textTest = lazily(() =>
  atLeastOne(ordered(text()).extend({ prefix: text().optional().describe("What the text begins with") })).meta({
    id: "TextTest",
  }),
);
export const optionalTextTest = lazily(() =>
  atLeastOne(textTest().extend({ exists: exists() })).meta({ id: "OptionalTextTest" }),
);
export const numberTest = lazily(() => atLeastOne(ordered(z.number())).meta({ id: "NumberTest" }));
export const timeTest = lazily(() => atLeastOne(ordered(time())).meta({ id: "TimeTest" }));
export const optionalTimeTest = lazily(() =>
  atLeastOne(timeTest().extend({ exists: exists() })).meta({ id: "OptionalTimeTest" }),
);
/** Of an entry of metadata. Larger and smaller compare numbers with numbers and texts with texts, and hold for nothing else. */
export const metadataTest = lazily(() =>
  atLeastOne(
    ordered(scalar()).extend({
      gt: z.union([text(), z.number()]).optional(),
      gte: z.union([text(), z.number()]).optional(),
      lt: z.union([text(), z.number()]).optional(),
      lte: z.union([text(), z.number()]).optional(),
      prefix: text().optional(),
      exists: exists(),
      contains: scalar().optional().describe("A value that the list holds"),
    }),
  ).meta({ id: "MetadataTest" }),
);

/** The fields of a memory that a filter knows by name, and what can be asked of each. */
export const fieldTests = lazily(
  () =>
    ({
      memoryId: textTest(),
      memoryType: textTest(),
      privacy: textTest(),
      embeddingModel: optionalTextTest(),
      importance: numberTest(),
      createdAt: timeTest(),
      modifiedAt: timeTest(),
      expiresAt: optionalTimeTest(),
    }) as const,
);
export type FieldName = keyof ReturnType<typeof fieldTests>;

/** What starts the name of a test of metadata, before a path such as `.user.name` or `["any name"]`. */
export const METADATA_PREFIX = "metadata";
