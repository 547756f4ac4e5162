import { expect, test } from "vitest";
import { connectorDefinition } from "../../../src/connectors/definition.ts";

test("an address that is none is refused as such, and one with a password too", () => {
  const definition = (url: string) => ({
    from: { type: "memory-space", url, context: "someone" },
    to: { type: "memories", namespace: "default" },
  });
  const flawsOf = (url: string) =>
    connectorDefinition()
      .safeParse(definition(url))
      .error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  expect(flawsOf("https://space.example")).toBeUndefined();
  expect(flawsOf("space.example")).toEqual([expect.stringContaining("from.url: expected a URL")]);
  expect(flawsOf("https://")).toEqual([expect.stringContaining("from.url")]);
  expect(flawsOf("https://a:b@space.example")?.join()).toContain("give the key as apiKey");
});

test("a context is a part of an address, and a key is a header: what can be neither is refused before anything is asked", () => {
  const flawsOf = (fields: Record<string, string>, to: Record<string, string> = { type: "memories" }) =>
    connectorDefinition()
      .safeParse({ from: { type: "memory-space", url: "https://space.example", context: "c", ...fields }, to })
      .error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  for (const context of ["\ud800", "a\udc00", ".", ".."])
    expect(flawsOf({ context })).toEqual([expect.stringMatching(/^from.context: is a part of the address/)]);
  for (const context of ["...", "a/b", "%", "\u{1f9e0}", "someone___mft"]) expect(flawsOf({ context })).toBeUndefined();
  const rag = { type: "lightrag", url: "https://rag.example" };
  for (const key of ["a\r\nset-cookie: x=1", "\ud800", "\u0000", "\u20ac"]) {
    const refusal = expect.stringMatching(
      /: is sent as a header: expected characters up to U\+00FF, and no line break$/,
    );
    expect(flawsOf({ apiKey: key })).toEqual([refusal]);
    expect(flawsOf({}, { ...rag, apiKey: key })).toEqual([refusal]);
    expect(flawsOf({}, { ...rag, bearer: key })).toEqual([refusal]);
  }
  expect(flawsOf({ apiKey: "k\u00e9y with spaces\t~" }, { ...rag, bearer: "t" })).toBeUndefined();
});
