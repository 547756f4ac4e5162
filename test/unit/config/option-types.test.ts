import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { optionGroups, optionTypes } from "../../../scripts/option-types.ts";
import { httpEmbedderSettings } from "../../../src/embed/settings.ts";
import { faissSettings } from "../../../src/stores/faiss/settings.ts";
import { documentedFields } from "../../support/documented-fields.ts";

/** Goal: the options that an editor shows are those of the schema: names, bounds, defaults. (`tsc` compares the types.) */

const read = (path: string): string => readFileSync(new URL(`../../../src/${path}`, import.meta.url), "utf8");

test("src/config/option-types.ts and option-groups.ts are what the settings declare (npm run docs makes them)", () => {
  expect(read("config/option-types.ts")).toBe(optionTypes());
  expect(read("config/option-groups.ts")).toBe(optionGroups());
});

test("every option has documentation, and every duration names its unit", () => {
  const fields = documentedFields(read("config/option-types.ts") + read("config/option-groups.ts"));
  expect(fields.size).toBeGreaterThan(60);
  for (const [name, { text }] of fields) {
    expect(text, name).not.toBe("");
    if (name.endsWith("Ms")) expect(text, name).toMatch(/milliseconds/i);
  }
});

test("the options of an index say the defaults that the schema has", () => {
  const fields = documentedFields(read("stores/faiss/options.ts"));
  const parsed = faissSettings.parse({ directory: "x" }) as Record<string, unknown>;
  for (const name of Object.keys(faissSettings.shape)) {
    const { text, defaultValue } = fields.get(name) ?? { text: "", defaultValue: undefined };
    expect(text, name).not.toBe("");
    if (parsed[name] !== undefined && name !== "directory") expect(defaultValue, name).toEqual(parsed[name]);
  }
});

test("the options of the http embedder say the defaults that the schema has", () => {
  const fields = documentedFields(read("embed/http-embedder-options.ts"));
  const parsed = httpEmbedderSettings.parse({}) as Record<string, unknown>;
  for (const [name, { defaultValue }] of fields) {
    if (typeof parsed[name] === "number") expect(defaultValue, name).toEqual(parsed[name]);
  }
});
