import { expect, test } from "vitest";
import { canonicalJson, type MemoryDocument } from "../../../src/domain/memory.ts";
import { isOpenForGood } from "../../../src/replica/replica-write.ts";
import { jsonObject, text } from "../../support/arbitraries.ts";
import fc from "../../support/properties.ts";

const isOpen = (json: string): boolean => isOpenForGood(Buffer.from(json));

const plain: MemoryDocument = { content: "c", memoryType: "note", importance: 0.5, metadata: {}, privacy: "full" };

test("a document that may leave in full and never expires is known without parsing", () => {
  expect(isOpen(canonicalJson(plain))).toBe(true);
  expect(isOpen(canonicalJson({ ...plain, content: 'x,"privacy":"redacted"}', embeddingModel: "m" }))).toBe(true);
});

test.each([
  ["redacted", { ...plain, privacy: "redacted" }],
  ["local_only", { ...plain, privacy: "local_only" }],
  ["one that expires", { ...plain, expiresAt: "2099-01-01T00:00:00.000Z" }],
] as const)("%s is not", (_, document) => {
  expect(isOpen(canonicalJson(document))).toBe(false);
});

test("what stands in values is not taken for the document's own", () => {
  for (const json of [
    '{"content":"c","metadata":{"a":1,"privacy":"full"}}',
    '{"privacy":"local_only","z":",\\"privacy\\":\\"full\\"}"}',
    '{"privacy":"local_only","z":[1,{"a":1,"privacy":"full"}]}',
    ',"privacy":"full"}',
    "",
  ]) {
    expect(isOpen(json)).toBe(false);
  }
});

test("it never says so of a document that is another one when it is parsed", () => {
  const document = fc.record({
    content: fc.oneof(text(40), fc.constantFrom(',"privacy":"full"}', '\\","privacy":"full"}')),
    memoryType: text(10),
    importance: fc.double({ min: 0, max: 1, noNaN: true }),
    metadata: jsonObject,
    privacy: fc.constantFrom("full", "redacted", "local_only"),
    expiresAt: fc.option(fc.constant("2099-01-01T00:00:00.000Z"), { nil: undefined }),
  });
  fc.assert(
    fc.property(document, ({ expiresAt, ...others }) => {
      const given = { ...others, ...(expiresAt !== undefined && { expiresAt }) } as MemoryDocument;
      if (!isOpen(canonicalJson(given))) return;
      expect(given).toMatchObject({ privacy: "full" });
      expect(given.expiresAt).toBeUndefined();
    }),
  );
});
