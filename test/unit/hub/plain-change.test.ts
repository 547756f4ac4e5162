import { expect, test } from "vitest";
import { plainChange } from "../../../src/hub/plain-change.ts";
import { pushChangeSchema } from "../../../src/hub/protocol/push.ts";
import fc from "../../support/properties.ts";

/** Goal: what is taken without the schema is what the schema takes, as it is. Method: ordinary changes with one part that is anything. */

const ORDINARY = {
  key: "01ARZ3NDEKTSV4RRFFQ69G5FAV",
  namespace: "default",
  memoryId: "m",
  baseVersion: 3,
  modifiedAt: 1_767_268_800_123.5,
  op: "put",
};
const MEMORY = {
  privacy: "full",
  content: "a thought",
  memoryType: "note",
  importance: 0.5,
  metadata: { about: "tests" },
  embedding: "AACAPw==",
};

const anything = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    "",
    -1,
    0,
    1.5,
    2 ** 53,
    1e300,
    true,
    [],
    {},
    "put",
    "delete",
    "redacted",
    "AAAA",
    "AAA",
    "=",
    -0,
  ),
  fc.anything(),
);
const name = (fields: object) => fc.constantFrom(...Object.keys(fields), "embeddingModel", "expiresAt", "more");

test("an ordinary change needs no schema", () => {
  for (const memory of [
    MEMORY,
    { ...MEMORY, embedding: null, embeddingModel: "m", expiresAt: "2030-01-01T00:00:00Z" },
  ]) {
    for (const baseVersion of [null, 0, 7]) {
      const change = { ...ORDINARY, baseVersion, memory };
      expect(plainChange(change)).toBe(change);
      expect(pushChangeSchema().parse(change)).toEqual(change);
    }
  }
});

test("whatever is taken without the schema, the schema takes as it is", () => {
  fc.assert(
    fc.property(name(ORDINARY), name(MEMORY), anything, anything, fc.boolean(), (field, part, one, other, isInside) => {
      const memory = isInside ? { ...MEMORY, [part]: one } : MEMORY;
      const change = { ...ORDINARY, memory, ...(isInside ? {} : { [field]: other }) };
      const taken = plainChange(change);
      if (taken !== null) expect(pushChangeSchema().parse(change)).toEqual(taken);
    }),
    { numRuns: 3_000 },
  );
});
