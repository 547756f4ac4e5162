import { expect, test } from "vitest";
import { JsonMeter } from "../../src/domain/json-meter.ts";
import { ListCutter, parseInTurns } from "../../src/http/json-slices.ts";
import { BATCH_LIMITS } from "../../src/http/limits.ts";
import fc from "../support/properties.ts";

/**
 * Goal: a large body is parsed as `JSON.parse` parses it, in many turns of the event loop. Method: documents with a long list at
 * arbitrary places, whole and damaged, are parsed both ways; the turns are counted with a clock that each slice moves on.
 */

const LONG = 200_000;

function cutterOf(bytes: Buffer): ListCutter {
  const cutter = new ListCutter();
  const meter = new JsonMeter(BATCH_LIMITS, cutter);
  for (let at = 0; at < bytes.length; at += 65_536) expect(meter.add(bytes.subarray(at, at + 65_536))).toBeNull();
  return cutter;
}

async function parsed(text: string | Buffer): Promise<{ value: unknown } | "no JSON"> {
  const bytes = Buffer.from(text as string);
  try {
    return { value: await parseInTurns(bytes, cutterOf(bytes).list) };
  } catch {
    return "no JSON";
  }
}

function plain(text: string): { value: unknown } | "no JSON" {
  try {
    return { value: JSON.parse(text.replace(/^\ufeff/, "")) as unknown };
  } catch {
    return "no JSON";
  }
}

const small = fc.jsonValue({ maxDepth: 2 });
const entry = fc.oneof(
  small,
  fc.record({ memoryId: fc.string(), content: fc.string({ maxLength: 20 }), metadata: small }),
);
/** Some entries, repeated until the list is long. */
const longList = fc.array(entry, { minLength: 1, maxLength: 5 }).map((entries) => {
  const times = Math.ceil(LONG / (JSON.stringify(entries).length + 1));
  return Array.from({ length: Math.min(times, 20_000) }, () => entries).flat();
});
const name = fc.oneof(fc.string(), fc.constantFrom("memories", "__proto__", "constructor", "0"));
const documents = fc.record({
  list: longList,
  name,
  before: fc.dictionary(name, small, { maxKeys: 3 }),
  after: fc.dictionary(name, small, { maxKeys: 3 }),
  indent: fc.constantFrom(undefined, 1),
});

/** Text of an object with the list among other fields, whose names may occur twice. */
function textOf({
  list,
  name: own,
  before,
  after,
  indent,
}: typeof documents extends fc.Arbitrary<infer T> ? T : never) {
  const fields = [...Object.entries(before), [own, list] as const, ...Object.entries(after)];
  return `{${fields.map(([field, value]) => `${JSON.stringify(field)}:${JSON.stringify(value, null, indent)}`).join(",")}}`;
}

test("a document with a long list is parsed as by JSON.parse", async () => {
  await fc.assert(
    fc.asyncProperty(documents, async (parts) => {
      const text = textOf(parts);
      expect(await parsed(text)).toEqual(plain(text));
    }),
    { numRuns: 60 },
  );
});

test("a damaged document is refused exactly where JSON.parse refuses it", async () => {
  const damage = fc.record({
    place: fc.double({ min: 0, max: 1, noNaN: true }),
    by: fc.constantFrom(",", "]", "}", "[", "{", '"', "\\", ":", "\ufeff", "null", " "),
    cuts: fc.constantFrom(0, 1),
  });
  await fc.assert(
    fc.asyncProperty(documents, damage, async (parts, { place, by, cuts }) => {
      const whole = textOf(parts);
      const at = Math.floor(place * whole.length);
      const text = whole.slice(0, at) + by + whole.slice(at + cuts);
      expect(await parsed(text)).toEqual(plain(text));
    }),
    { numRuns: 150 },
  );
});

test.each(["[1,,2]", "[,1]", "[1,]", "[1}", "{1]", "[1][2]"])(
  "what is no JSON as a short list is none as a long one: %s",
  async (text) => {
    const padding = `${"1,".repeat(LONG / 4)}`;
    const long = text.replace("1", `${padding}1`);
    expect(await parsed(long)).toBe("no JSON");
    expect(await parsed(`{"memories":${long}}`)).toBe("no JSON");
  },
);

test("bytes that are no UTF-8 are refused, also within a long list", async () => {
  const bytes = Buffer.from(`{"memories":[${"1,".repeat(100_000)}"x"]}`);
  bytes[bytes.length - 4] = 0xff;
  expect(await parsed(bytes)).toBe("no JSON");
});

test("a batch at its limits is parsed in many turns, each of a slice and one memory at most", async () => {
  const vector = JSON.stringify(Array.from({ length: 380 }, (_, index) => index / 7));
  const memory = `{"memoryId":"m","content":"text","memoryType":"episodic","embedding":${vector}}`;
  const bytes = Buffer.from(`{"memories":[${Array.from({ length: 1_500 }, () => memory).join(",")}]}`);
  let clock = 0;
  let turns = 0;
  let immediate = setImmediate(function next() {
    turns++;
    immediate = setImmediate(next);
  });
  await parseInTurns(bytes, cutterOf(bytes).list, () => (clock += 5));
  clearImmediate(immediate);
  expect(turns).toBeGreaterThan(Math.floor(bytes.length / (65_536 + memory.length)) - 2);
});

test("more values beside a long list than fit into one run are refused, however they are spread", () => {
  const short = `[${"1,".repeat(20_000)}1]`;
  const long = `[${"1,".repeat(100_000)}1]`;
  const fields = Array.from({ length: 40 }, (_, index) => `"f${index}":${index === 20 ? long : short}`);
  const bytes = Buffer.from(`{${fields.join(",")}}`);
  const meter = new JsonMeter(BATCH_LIMITS, new ListCutter());
  expect(meter.add(bytes)?.limit).toBe("runValuesMax");
});

test("a batch of memories, each at the limits of one, is within the limits of a run", () => {
  const numbers = Array.from({ length: 9 }, () => `[${"1,".repeat(20_000)}1]`).join(",");
  const memory = `{"memoryId":"m","metadata":[${numbers}]}`;
  const bytes = Buffer.from(`{"memories":[${Array.from({ length: 10 }, () => memory).join(",")}]}`);
  expect(new JsonMeter(BATCH_LIMITS, new ListCutter()).add(bytes)).toBeNull();
});
