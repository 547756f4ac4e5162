import { expect, test } from "vitest";
import { keyOfUri, uriOf } from "../../../src/mcp/memory-uri.ts";
import fc from "../../support/properties.ts";

/** Goal: a memory and its URI name each other, whatever stands in the id. */

test("every id that a memory may have comes back from its URI", () => {
  const id = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }).filter((text) => text.isWellFormed());
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/), id, (namespace, memoryId) => {
      expect(keyOfUri(uriOf({ namespace, memoryId }))).toEqual({ namespace, memoryId });
    }),
  );
});

test("what names no memory is none", () => {
  const none = [
    "",
    "memory://",
    "memory://a",
    "memory://a/",
    "memory:///b",
    "file:///a/b",
    "memory://a b/c",
    "memory://a/%",
  ];
  for (const uri of [...none, `memory://a/${"x".repeat(3_000)}`]) expect([uri, keyOfUri(uri)]).toEqual([uri, null]);
  expect(keyOfUri("memory://a/b/c?d#e")).toEqual({ namespace: "a", memoryId: "b/c?d#e" }); // As a client may write it.
});
