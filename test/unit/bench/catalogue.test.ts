import { basename } from "node:path";
import { expect, test } from "vitest";
import { choose, listScenarios, PLAN } from "../../../bench/harness/catalogue.ts";

test("each file of scenarios is one, in an order for readers", async () => {
  const listed = await listScenarios();
  expect(listed.slice(0, 2).map(({ name }) => name)).toEqual(["bulk-new", "bulk-update"]);
  expect(new Set(listed.map(({ name }) => name)).size).toBe(listed.length);
  for (const { name, module } of listed) expect(basename(module)).toBe(`${name}.ts`);
});

test("every scenario has its time, and a quick run of all takes some 200 seconds, a full one some 35 minutes", async () => {
  const listed = await listScenarios();
  expect(listed.map(({ name }) => name)).toEqual([...PLAN.keys()]);
  const sum = (kind: "quick" | "full") => listed.reduce((seconds, { seconds: planned }) => seconds + planned[kind], 0);
  expect(sum("quick")).toBeLessThan(200);
  expect(sum("full")).toBeLessThan(2_050);
});

test("scenarios are chosen by name, in the order of all, and an unknown name is refused", () => {
  const all = ["a", "b", "c"].map((name) => ({ name, module: `${name}.ts` }));
  expect(choose(all, []).map(({ name }) => name)).toEqual(["a", "b", "c"]);
  expect(choose(all, ["c", "a"]).map(({ name }) => name)).toEqual(["a", "c"]);
  expect(() => choose(all, ["a", "d"])).toThrow("there is no scenario d");
});
