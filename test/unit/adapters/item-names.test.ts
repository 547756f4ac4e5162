import { expect, test } from "vitest";
import { behind, behindOwn, idOf, nameOf, prefixOf } from "../../../src/adapters/langgraph/item-id.ts";
import { textsAt } from "../../../src/adapters/langgraph/texts-at.ts";
import fc from "../../support/properties.ts";

/** Goal: items and the ids of their memories name each other, and what lies under a path is a range of ids. */

const label = fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 }).filter((text) => text.isWellFormed());
const path = fc.array(label, { minLength: 1, maxLength: 4 });
const bytes = (text: string): Buffer => Buffer.from(text, "utf8");

test("every path and key come back from the id", () => {
  fc.assert(
    fc.property(path, fc.string({ unit: "grapheme", maxLength: 8 }), (labels, key) => {
      expect(nameOf(idOf(labels, key))).toEqual({ path: labels, key });
    }),
  );
  expect([nameOf("plain"), nameOf("a/b"), nameOf("//key")]).toEqual([null, null, null]);
});

test("ids under a path begin with its prefix and lie before what is behind it; ids of other paths do not", () => {
  fc.assert(
    fc.property(path, path, label, (one, other, key) => {
      const id = idOf(other, key);
      const isUnder = one.every((text, index) => other[index] === text);
      expect(id.startsWith(prefixOf(one))).toBe(isUnder);
      const isBetween =
        Buffer.compare(bytes(id), bytes(prefixOf(one))) >= 0 && Buffer.compare(bytes(id), bytes(behind(one))) < 0;
      expect(isBetween).toBe(isUnder);
      const isOwn = isUnder && one.length === other.length;
      const own = [`${prefixOf(one)}/`, behindOwn(one)].map(bytes) as [Buffer, Buffer];
      expect(Buffer.compare(bytes(id), own[0]) >= 0 && Buffer.compare(bytes(id), own[1]) < 0).toBe(isOwn);
    }),
  );
});

test("paths lead to texts through objects and lists", () => {
  const value = { a: { b: "x", n: 1, none: null }, list: [{ t: "1" }, { t: "2" }, {}], words: ["p", "q"] };
  const cases: [string, string[]][] = [
    ...([
      ["a.b", ["x"]],
      ["a.n", ["1"]],
      ["a.none", []],
      ["a.other", []],
      ["none.b", []],
    ] as [string, string[]][]),
    ...([
      ["list[*].t", ["1", "2"]],
      ["list[0].t", ["1"]],
      ["list[-2].t", ["2"]],
      ["list[9].t", []],
    ] as [string, string[]][]),
    ...([
      ["words[*]", ["p", "q"]],
      ["words", ['["p","q"]']],
      ["a.*", ["x", "1"]],
      ["words[x]", []],
    ] as [string, string[]][]),
    ["$", [JSON.stringify(value)]],
  ];
  for (const [at, texts] of cases) expect([at, textsAt(value, at)]).toEqual([at, texts]);
});
