import { expect, test } from "vitest";
import { documentName, isDocumentName } from "../../../src/connectors/lightrag/names.ts";
import { documentText, safeText } from "../../../src/connectors/lightrag/text.ts";
import fc from "../../support/properties.ts";

const key = fc.record({
  connectorId: fc.string(),
  namespace: fc.string(),
  memoryId: fc.string({ unit: "binary" }),
  version: fc.integer({ min: 1, max: 2 ** 48 }),
});

test("a name has letters in lower case, digits, '_', '.' and '-' only, and says the version", () => {
  fc.assert(
    fc.property(key, (given) => {
      const name = documentName(given);
      expect(name).toMatch(/^[a-z0-9_.-]+$/);
      expect(isDocumentName(name)).toBe(true);
      expect(name).toMatch(new RegExp(`^mem_[a-z2-7]{20}_v${given.version}\\.md$`));
    }),
  );
});

test("the parts of a key are told apart wherever one ends", () => {
  const names = [
    ["a", "b", "c"],
    ["ab", "", "c"],
    ["a", "bc", ""],
    ["A", "b", "c"],
  ].map(([connectorId, namespace, memoryId]) =>
    documentName({ connectorId: connectorId ?? "", namespace: namespace ?? "", memoryId: memoryId ?? "", version: 1 }),
  );
  expect(new Set(names).size).toBe(names.length);
});

test("a text has nothing that the server cannot take, and begins with the memory on one line", () => {
  fc.assert(
    fc.property(key, fc.string({ unit: "binary" }), (given, body) => {
      const text = documentText(given, `${body}x<|endoftext|>`) as string;
      expect(text.isWellFormed()).toBe(true);
      expect(text).not.toMatch(/\0|<\|endoftext\|>/);
      const [first, second] = text.split("\n");
      expect(first).toMatch(/^memory .* version \d+ by /u);
      expect(second).toBe("");
    }),
  );
});

test("equal contents of two memories are two texts", () => {
  const other = { connectorId: "c", namespace: "n", memoryId: "a", version: 1 };
  expect(documentText(other, "same")).not.toBe(documentText({ ...other, memoryId: "b" }, "same"));
  expect(documentText(other, "same")).not.toBe(documentText({ ...other, version: 2 }, "same"));
});

test("a blank body makes no text", () => {
  const given = { connectorId: "c", namespace: "n", memoryId: "a", version: 1 };
  for (const body of ["", " \n\t", "\0"]) expect(documentText(given, body)).toBeNull();
});

test("half a character becomes the replacement character, and a whole one stays", () => {
  expect(safeText("a\ud800b\udc00c😀")).toBe("a\ufffdb\ufffdc😀");
});
