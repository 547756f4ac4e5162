import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/domain/json.ts";
import { canonicalJson, type MemoryDocument } from "../../../src/domain/memory.ts";

const canonical = (metadata: JsonObject): string => {
  const document: MemoryDocument = { content: "", memoryType: "", importance: 0, metadata, privacy: "full" };
  const text = canonicalJson(document);
  const start = text.indexOf('"metadata":') + '"metadata":'.length;
  return text.slice(start, text.lastIndexOf(',"privacy"'));
};

/** RFC 8785, appendix B: the bits of a double and its one spelling. */
const NUMBERS: [bits: string, spelling: string][] = [
  ["0000000000000000", "0"],
  ["8000000000000000", "0"],
  ["0000000000000001", "5e-324"],
  ["8000000000000001", "-5e-324"],
  ["7fefffffffffffff", "1.7976931348623157e+308"],
  ["ffefffffffffffff", "-1.7976931348623157e+308"],
  ["4340000000000000", "9007199254740992"],
  ["c340000000000000", "-9007199254740992"],
  ["4430000000000000", "295147905179352830000"],
  ["44b52d02c7e14af5", "9.999999999999997e+22"],
  ["44b52d02c7e14af6", "1e+23"],
  ["44b52d02c7e14af7", "1.0000000000000001e+23"],
  ["444b1ae4d6e2ef4e", "999999999999999700000"],
  ["444b1ae4d6e2ef4f", "999999999999999900000"],
  ["444b1ae4d6e2ef50", "1e+21"],
  ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
  ["3eb0c6f7a0b5ed8d", "0.000001"],
  ["41b3de4355555553", "333333333.3333332"],
  ["41b3de4355555554", "333333333.33333325"],
  ["41b3de4355555555", "333333333.3333333"],
  ["41b3de4355555556", "333333333.3333334"],
  ["41b3de4355555557", "333333333.33333343"],
  ["becbf647612f3696", "-0.0000033333333333333333"],
  ["43143ff3c1cb0959", "1424953923781206.2"],
];

describe("the canonical form", () => {
  test.each(NUMBERS)("spells the double %s as %s", (bits, spelling) => {
    const value = Buffer.from(bits, "hex").readDoubleBE(0);
    expect(canonical({ a: value })).toBe(`{"a":${spelling}}`);
    expect(canonical({ a: JSON.parse(spelling) as number })).toBe(`{"a":${spelling}}`);
  });

  test("sorts keys by their UTF-16 code units (RFC 8785, 3.2.3)", () => {
    const metadata = {
      "\u20ac": "Euro Sign",
      "\r": "Carriage Return",
      "\ufb33": "Hebrew Letter Dalet With Dagesh",
      "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face",
      "\u0080": "Control",
      "\u00f6": "Latin Small Letter O With Diaeresis",
    };
    expect(canonical(metadata)).toBe(
      '{"\\r":"Carriage Return","1":"One","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis",' +
        '"\u20ac":"Euro Sign","\ud83d\ude00":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
    );
  });

  test("escapes what JSON must and nothing else (RFC 8785, 3.2.2.2)", () => {
    expect(canonical({ a: "\u20ac$\u000F\nA'\u0042\"\\/\u007f\u2028" })).toBe(
      '{"a":"\u20ac$\\u000f\\nA\'B\\"\\\\/\u007f\u2028"}',
    );
    expect(canonical({ a: "\b\t\f\r" })).toBe('{"a":"\\b\\t\\f\\r"}');
  });

  test("sorts at every depth and leaves lists in their order", () => {
    expect(canonical({ b: [3, { d: 1, c: [{}, []] }, 1], a: null })).toBe('{"a":null,"b":[3,{"c":[{},[]],"d":1},1]}');
  });

  test("keeps keys that could be taken for a prototype's", () => {
    const metadata = JSON.parse('{"toString":1,"constructor":2,"__proto__":{"b":1,"a":2},"":0}') as JsonObject;
    expect(canonical(metadata)).toBe('{"":0,"__proto__":{"a":2,"b":1},"constructor":2,"toString":1}');
  });

  test("holds exactly the document's keys, the optional ones only when they are set", () => {
    const document: MemoryDocument = { privacy: "full", metadata: {}, memoryType: "t", importance: 1, content: "c" };
    expect(canonicalJson(document)).toBe(
      '{"content":"c","importance":1,"memoryType":"t","metadata":{},"privacy":"full"}',
    );
    expect(canonicalJson({ ...document, expiresAt: "2030-01-01T00:00:00.000Z", embeddingModel: "m" })).toBe(
      '{"content":"c","embeddingModel":"m","expiresAt":"2030-01-01T00:00:00.000Z","importance":1,"memoryType":"t","metadata":{},"privacy":"full"}',
    );
  });
});
