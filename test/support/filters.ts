import type { FilterSubject } from "../../src/domain/filter/evaluate.ts";
import type { Filter } from "../../src/domain/filter/filter.ts";
import type { JsonObject } from "../../src/domain/json.ts";
import { number, text } from "./arbitraries.ts";
import fc from "./properties.ts";

/** Few values, so that filters and memories meet; and now and then any. */
const word = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom("a", "b", "ab", "B", "", "é", "\uffff", "\u{10000}", "10", "2") },
  { weight: 1, arbitrary: text(6) },
);
const amount = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(0, -0, 1, 2, 10, 0.1, -1, 1e300) },
  { weight: 1, arbitrary: number },
);
const scalar = fc.oneof(word, amount, fc.boolean(), fc.constant(null));
const name = fc.constantFrom("a", "b", "0", "a.b", 'quo"te', "é", "__proto__");
const entry = fc.oneof(
  { weight: 4, arbitrary: scalar },
  { weight: 2, arbitrary: fc.array(scalar, { maxLength: 3 }) },
  { weight: 2, arbitrary: fc.dictionary(name, fc.oneof(scalar, fc.array(scalar, { maxLength: 2 })), { maxKeys: 3 }) },
);
/** Times in milliseconds since 1970, a few of them. */
const time = fc.constantFrom(0, 1, 1_000, 1_700_000_000_000, 1_700_000_000_001, 4_000_000_000_000);

export const subject: fc.Arbitrary<FilterSubject> = fc.record(
  {
    memoryId: text(6).filter((id) => id !== ""),
    memoryType: word,
    importance: fc.oneof(fc.constantFrom(0, 0.5, 1, 0.1), fc.double({ min: 0, max: 1, noNaN: true })),
    privacy: fc.constantFrom("full", "redacted", "local_only"),
    embeddingModel: fc.option(word, { nil: undefined }),
    createdAt: time,
    modifiedAt: time,
    expiresAt: fc.option(
      time.map((at) => new Date(at).toISOString()),
      { nil: undefined },
    ),
    metadata: fc.dictionary(name, entry, { maxKeys: 4 }).map((metadata) => metadata as JsonObject),
  },
  { requiredKeys: ["memoryId", "memoryType", "importance", "privacy", "createdAt", "modifiedAt", "metadata"] },
);

function ordered<T>(value: fc.Arbitrary<T>) {
  return {
    eq: value,
    ne: value,
    in: fc.array(value, { minLength: 1, maxLength: 3 }),
    gt: value,
    gte: value,
    lt: value,
    lte: value,
  };
}

/** One or two operators of those that a field knows. */
function tests(operators: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<object> {
  const names = Object.keys(operators);
  return fc
    .uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 2 })
    .chain((chosen) =>
      fc.record(Object.fromEntries(chosen.map((one) => [one, operators[one] as fc.Arbitrary<unknown>]))),
    );
}

const exists = fc.boolean();
const compared = fc.oneof(word, amount);
const metadataOperators = {
  ...ordered(scalar),
  gt: compared,
  gte: compared,
  lt: compared,
  lte: compared,
  prefix: word,
  exists,
  contains: scalar,
};
const path = fc
  .array(name, { minLength: 1, maxLength: 2 })
  .map((names) => `metadata${names.map((one) => `[${JSON.stringify(one)}]`).join("")}`);

const field: fc.Arbitrary<Filter> = fc.oneof(
  tests({ ...ordered(word), prefix: word }).map((memoryType) => ({ memoryType }) as Filter),
  tests({ ...ordered(text(4)), prefix: text(2) }).map((memoryId) => ({ memoryId }) as Filter),
  tests(ordered(fc.constantFrom("full", "redacted"))).map((privacy) => ({ privacy }) as Filter),
  tests({ ...ordered(word), exists }).map((embeddingModel) => ({ embeddingModel }) as Filter),
  tests(ordered(fc.constantFrom(0, 0.1, 0.5, 1))).map((importance) => ({ importance }) as Filter),
  tests(ordered(time)).map((createdAt) => ({ createdAt }) as Filter),
  tests(ordered(time)).map((modifiedAt) => ({ modifiedAt }) as Filter),
  tests({ ...ordered(time), exists }).map((expiresAt) => ({ expiresAt }) as Filter),
  { weight: 8, arbitrary: fc.tuple(path, tests(metadataOperators)).map(([at, test]) => ({ [at]: test }) as Filter) },
);

export const filter: fc.Arbitrary<Filter> = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    { weight: 4, arbitrary: field },
    fc.array(tie("filter"), { minLength: 1, maxLength: 3 }).map((and) => ({ and }) as Filter),
    fc.array(tie("filter"), { minLength: 1, maxLength: 3 }).map((or) => ({ or }) as Filter),
    tie("filter").map((not) => ({ not }) as Filter),
    fc.tuple(field, field).map(([a, b]) => ({ ...a, ...b })),
  ),
})).filter;
