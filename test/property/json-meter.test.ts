import { expect, test } from "vitest";
import { type JsonLimits, JsonMeter } from "../../src/domain/json-meter.ts";
import fc from "../support/properties.ts";

/** Goal: the meter counts, over raw bytes in any pieces, what a parser would build. Oracle: a walk of the parsed value. */

const UNLIMITED: JsonLimits = {
  depthMax: 1_000,
  valuesMax: 1e9,
  partsMax: 1e9,
  entriesMax: 1e9,
  fieldsMax: 1e9,
  nameBytesMax: 1e9,
};

interface Size {
  values: number;
  parts: number;
  empty: number;
  depth: number;
  entries: number;
  fields: number;
  nameBytes: number;
}

function sizeOf(value: unknown): Size {
  const size = { values: 0, parts: 0, empty: 0, depth: 0, entries: 0, fields: 0, nameBytes: 0 };
  const walk = (part: unknown, depth: number): void => {
    size.values++;
    size.depth = Math.max(size.depth, depth);
    if (typeof part === "string") size.parts++;
    if (typeof part !== "object" || part === null) return;
    size.parts += 1 + (Array.isArray(part) ? 0 : Object.keys(part).length);
    size.depth = Math.max(size.depth, depth + 1);
    const parts = Object.values(part);
    if (parts.length === 0) size.empty++;
    if (Array.isArray(part)) size.entries = Math.max(size.entries, parts.length);
    else {
      size.fields = Math.max(size.fields, parts.length);
      for (const name of Object.keys(part)) {
        size.nameBytes = Math.max(size.nameBytes, Buffer.byteLength(JSON.stringify(name)) - 2);
      }
    }
    for (const inner of parts) walk(inner, depth + 1);
  };
  walk(value, 0);
  return size;
}

/** Texts rich in the bytes that count, and in escapes before quotes. */
const text = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc
    .array(fc.constantFrom('"', "\\", "[", "{", ",", ":", "é", "\n", "x".repeat(30)), { maxLength: 12 })
    .map((parts) => parts.join("")),
);
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
    fc.array(tie("value"), { maxLength: 6 }),
    fc.dictionary(text, tie("value"), { maxKeys: 6 }),
  ),
})).value;

/** The document in pieces, cut at arbitrary places: within texts, escapes and characters too. */
const pieces = (bytes: Buffer, cuts: readonly number[]): Buffer[] => {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((start, index) => bytes.subarray(start, places[index] ?? bytes.length));
};

const documents = fc.record({
  value: json,
  indent: fc.constantFrom(undefined, 2),
  cuts: fc.array(fc.nat(), { maxLength: 8 }),
});

function flawOf(limits: JsonLimits, parts: readonly Buffer[]): string | null {
  const meter = new JsonMeter(limits);
  for (const part of parts) {
    const flaw = meter.add(part);
    if (flaw !== null) return flaw.limit;
  }
  return null;
}

test("values and parts are those of the parsed document, an empty list counted as if it had one entry", () => {
  fc.assert(
    fc.property(documents, ({ value, indent, cuts }) => {
      const meter = new JsonMeter(UNLIMITED);
      for (const part of pieces(Buffer.from(JSON.stringify(value, null, indent)), cuts)) {
        expect(meter.add(part)).toBeNull();
      }
      const { values, empty, parts } = sizeOf(value);
      expect(meter.values).toBe(values + empty);
      expect(meter.parts).toBe(parts);
    }),
    { numRuns: 2_000 },
  );
});

test("a document at its limits passes, and each limit that is one lower is found", () => {
  fc.assert(
    fc.property(documents, ({ value, indent, cuts }) => {
      const chunks = pieces(Buffer.from(JSON.stringify(value, null, indent)), cuts);
      const { values, parts, empty, depth, entries, fields, nameBytes } = sizeOf(value);
      const exact: JsonLimits = {
        depthMax: depth,
        valuesMax: values + empty,
        partsMax: parts,
        entriesMax: Math.max(1, entries),
        fieldsMax: Math.max(1, fields),
        nameBytesMax: nameBytes,
      };
      expect(flawOf(exact, chunks)).toBeNull();
      if (depth > 0) expect(flawOf({ ...exact, depthMax: depth - 1 }, chunks)).toBe("depthMax");
      if (values + empty > 1) expect(flawOf({ ...exact, valuesMax: values + empty - 1 }, chunks)).toBe("valuesMax");
      if (parts > 0) expect(flawOf({ ...exact, partsMax: parts - 1 }, chunks)).toBe("partsMax");
      if (entries > 1) expect(flawOf({ ...exact, entriesMax: entries - 1 }, chunks)).toBe("entriesMax");
      if (fields > 1) expect(flawOf({ ...exact, fieldsMax: fields - 1 }, chunks)).toBe("fieldsMax");
      if (nameBytes > 0) expect(flawOf({ ...exact, nameBytesMax: nameBytes - 1 }, chunks)).toBe("nameBytesMax");
    }),
    { numRuns: 2_000 },
  );
});

test("bytes that are no JSON are counted without an error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const meter = new JsonMeter({ ...UNLIMITED, depthMax: 5 });
      meter.add(bytes);
      expect(meter.values).toBeGreaterThanOrEqual(1);
      expect(meter.values).toBeLessThanOrEqual(bytes.length + 1);
    }),
    { numRuns: 2_000 },
  );
});

test("after the first flaw nothing is counted", () => {
  const meter = new JsonMeter({ ...UNLIMITED, entriesMax: 3 });
  expect(meter.add(Buffer.from("[1,2,3,4,5,6,7"))?.limit).toBe("entriesMax");
  const counted = meter.values;
  expect(meter.add(Buffer.from(",8,9,[[[[["))?.message).toBe("a list has more entries than the 3 that are allowed");
  expect(meter.values).toBe(counted);
});
