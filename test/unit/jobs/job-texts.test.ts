import { expect, test } from "vitest";
import { quotedNamespaces, withoutQuotes } from "../../../src/jobs/job-texts.ts";

test.each([
  ['invalid input syntax for type json: "a secret"', 'invalid input syntax for type json: "…"'],
  ['Unexpected token h, "a \\"secret" is not JSON', 'Unexpected token h, "…" is not JSON'],
  ["unknown key 'a secret' in it", 'unknown key "…" in it'],
  ["Key (namespace, memory_id)=(default, a secret) already exists.", "Key (namespace, memory_id)=(…) already exists."],
  ['cut off: "a secret', 'cut off: "…"'],
  ["the node can't reach the store's host", "the node can't reach the store's host"],
  ["store redis gives no answer within 100 ms", "store redis gives no answer within 100 ms"],
])("a message %j is kept as %j", (message, kept) => {
  expect(withoutQuotes(message)).toBe(kept);
});

test("a result quotes the namespaces of the memories that it has a text about, each once, and no others", () => {
  const of = (namespace: string, fields: object) => ({ namespace, memoryId: "m", ...fields });
  const findings = [of("b", { evidence: "e" }), of("a", { note: "n" }), of("b", { error: { message: "m" } })];
  expect(quotedNamespaces({ findings, checked: 3, others: [of("c", { version: 1 })] })).toEqual(["a", "b"]);
  expect(quotedNamespaces({ moved: 3 })).toEqual([]);
});
