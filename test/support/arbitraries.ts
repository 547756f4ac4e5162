import type { JsonValue } from "../../src/domain/json.ts";
import type { MemoryInput } from "../../src/index.ts";
import fc from "./properties.ts";

/** Text of every kind that passes validation: any character but NUL, and some that programs stumble over. */
export const text = (maxLength: number): fc.Arbitrary<string> =>
  fc
    .oneof(
      { weight: 3, arbitrary: fc.string({ unit: "binary", maxLength }) },
      { weight: 2, arbitrary: fc.string({ unit: "grapheme", maxLength }) },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
          "",
          ":",
          "a:b",
          "\\",
          '"',
          "'; drop table memories; --",
          "$(x)",
          "{}",
          "\u2028\u2029",
          "\ufeff",
          "\uffff",
          "\u007f\u0080\u0001",
          "\r\n\t",
          "e\u0301",
          "\u00e9",
          "👩‍👩‍👧‍👦",
          "\u{10ffff}",
          "null",
          "\\u0000",
          "\\x00",
        ),
      },
    )
    .filter((value) => !value.includes("\u0000") && value.length <= maxLength);

const key = fc.oneof(
  { weight: 4, arbitrary: text(12) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "__proto__",
      "constructor",
      "prototype",
      "toString",
      "hasOwnProperty",
      "",
      "0",
      "-0",
      "1",
    ),
  },
);

export const number: fc.Arbitrary<number> = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.maxSafeInteger(),
  fc.constantFrom(0, -0, 0.1, 1e21, 1e-7, 5e-324, -5e-324, 2 ** 53, 2 ** 53 + 2, -(2 ** 63), 1.7976931348623157e308),
);

/** JSON as `JSON.parse` makes it. */
export const json: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue; object: { [key: string]: JsonValue } }>(
  (tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom(null, true, false),
      number,
      text(30),
      fc.array(tie("value"), { maxLength: 4 }),
      tie("object"),
    ),
    object: entriesOf(tie("value")),
  }),
).value;

/** An object with any keys of its own, `__proto__` among them. */
export const jsonObject: fc.Arbitrary<{ [key: string]: JsonValue }> = entriesOf(json);

function entriesOf(value: fc.Arbitrary<JsonValue>): fc.Arbitrary<{ [key: string]: JsonValue }> {
  return fc.array(fc.tuple(key, value), { maxLength: 5 }).map((entries) => {
    const object: { [key: string]: JsonValue } = {};
    for (const [name, item] of entries) {
      Object.defineProperty(object, name, { value: item, enumerable: true, configurable: true, writable: true });
    }
    return object;
  });
}

const component = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1, -1, 2 ** -149, 2 ** -126, Math.fround(0.1)),
);

/** Any vector that an index of the metric "ip" or "l2" takes. */
export const vector = (dimension: number): fc.Arbitrary<Float32Array> =>
  fc.array(component, { minLength: dimension, maxLength: dimension }).map((values) => Float32Array.from(values));

/** A memory that passes validation; its id is unique in a list whose numbers are. */
export const memoryInput = (dimension: number): fc.Arbitrary<MemoryInput> =>
  fc.record(
    {
      namespace: fc.constantFrom("default", "a", "A", "a.b", "a-b_c", "n".repeat(128)),
      memoryId: text(60).filter((id) => id !== ""),
      content: text(200),
      memoryType: text(30).filter((type) => type !== "" && Buffer.byteLength(type) <= 128),
      importance: fc.double({ min: 0, max: 1, noNaN: true }),
      metadata: jsonObject,
      embedding: fc.option(vector(dimension), { freq: 4 }),
      embeddingModel: text(40).filter((model) => model !== ""),
      privacy: fc.constantFrom("full" as const, "redacted" as const, "local_only" as const),
      expiresAt: fc.date({
        min: new Date("2100-01-01"),
        max: new Date("9999-12-31T23:59:59.999Z"),
        noInvalidDate: true,
      }),
    },
    { requiredKeys: ["memoryId", "content", "memoryType"] },
  ) as fc.Arbitrary<MemoryInput>;

/** JSON text of `value`: keys, white space and the spelling of numbers as `random` (0 … 1) will have them. */
export function respell(value: JsonValue, random: () => number): string {
  const space = () => ["", " ", "\n", "\t "][Math.floor(random() * 4)];
  if (typeof value === "number") {
    // The shortest digits that give the number back, with an exponent or without, or all that there are.
    const spellings = [JSON.stringify(value), value.toExponential(), value.toPrecision(21), value.toExponential(20)];
    const spelled = spellings[Math.floor(random() * spellings.length)] as string;
    return Number(spelled) === value ? spelled : JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item) => space() + respell(item, random)).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value)
      .map((entry) => ({ entry, rank: random() }))
      .sort((a, b) => a.rank - b.rank);
    const spelled = entries.map(
      ({ entry: [name, item] }) => `${JSON.stringify(name)}${space()}:${respell(item, random)}`,
    );
    return `{${spelled.join(`,${space()}`)}}`;
  }
  if (typeof value === "string" && random() < 0.5) {
    // Escaped as JSON allows and nobody needs.
    const escaped = Array.from({ length: value.length }, (_, at) => value.charCodeAt(at).toString(16).padStart(4, "0"));
    return `"${escaped.map((hex) => `\\u${hex}`).join("")}"`;
  }
  return JSON.stringify(value);
}

/** One text for each JSON value, keys sorted by UTF-16 code units: written apart from the canonical form under test. */
export function spell(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spell).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, item]) => `${JSON.stringify(name)}:${spell(item)}`).join(",")}}`;
}
