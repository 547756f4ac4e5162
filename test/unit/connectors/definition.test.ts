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
