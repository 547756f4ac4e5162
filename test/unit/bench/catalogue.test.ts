import { basename } from "node:path";
import { expect, test } from "vitest";
import { choose, listScenarios } from "../../../bench/harness/catalogue.ts";

test("each file of scenarios is one, in an order for readers", async () => {
  const listed = await listScenarios();
  expect(listed.slice(0, 2).map(({ name }) => name)).toEqual(["bulk-new", "bulk-update"]);
  expect(new Set(listed.map(({ name }) => name)).size).toBe(listed.length);
  for (const { name, module } of listed) expect(basename(module)).toBe(`${name}.ts`);
});

test("scenarios are chosen by name, in the order of all, and an unknown name is refused", () => {
  const all = ["a", "b", "c"].map((name) => ({ name, module: `${name}.ts` }));
  expect(choose(all, []).map(({ name }) => name)).toEqual(["a", "b", "c"]);
  expect(choose(all, ["c", "a"]).map(({ name }) => name)).toEqual(["a", "c"]);
  expect(() => choose(all, ["a", "d"])).toThrow("there is no scenario d");
});
