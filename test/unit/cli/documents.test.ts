import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { DOCUMENTS, schemaText } from "../../../src/documents/command-documents.ts";

test.each(Object.keys(DOCUMENTS))("docs/schemas/%s.schema.json is what the code declares", async (name) => {
  const file = new URL(`../../../docs/schemas/${name}.schema.json`, import.meta.url);
  // Read as values: how the file is laid out is the formatter's business.
  expect(JSON.parse(await readFile(file, "utf8"))).toEqual(JSON.parse(schemaText(name)));
});
