import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { MemoryValidator } from "../../../src/domain/schema.ts";
import { documentedFields } from "../../support/documented-fields.ts";

/** Goal: the fields that an editor shows are those that are checked. (`tsc` compares the types.) */

const source = readFileSync(new URL("../../../src/domain/memory-input.ts", import.meta.url), "utf8");
const fields = documentedFields(source);

test("a memory has the documented fields and no others", () => {
  const validator = new MemoryValidator();
  let unknown = "";
  try {
    validator.validate({ memoryId: "m", content: "c", memoryType: "t", other: 1 });
  } catch (error) {
    unknown = (error as Error).message;
  }
  const listed = /a memory has ([\w, ]+)/.exec(unknown)?.[1]?.trim().split(", ");
  expect([...fields.keys()].sort()).toEqual(listed?.toSorted());
  for (const [name, { text }] of fields) expect(text.length, name).toBeGreaterThan(10);
});

test("the documented defaults are those that are filled in", () => {
  const { document, namespace } = new MemoryValidator().validate({ memoryId: "m", content: "c", memoryType: "t" });
  const filled: Record<string, unknown> = { ...document, namespace };
  const defaults = [...fields].filter(([, { defaultValue }]) => defaultValue !== undefined);
  expect(defaults.map(([name]) => name).sort()).toEqual(["importance", "metadata", "namespace", "privacy"]);
  for (const [name, { defaultValue }] of defaults) expect(filled[name], name).toEqual(defaultValue);
});
