import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { DEFECTS, withDefect } from "./defects.ts";

test.each(DEFECTS)("the defect $name can still be put in: $what", (defect) => {
  const text = readFileSync(new URL(`../../../src/replica/${defect.file}`, import.meta.url), "utf8");
  expect(withDefect(text, defect)).not.toBe(text);
});
