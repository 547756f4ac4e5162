import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { expect, test } from "vitest";
import { packageFile } from "../../src/runtime/package-files.ts";

/** Goal: each fault in `docs/guarantees.md` names a test that shows what holds, and the test is there. */

const page = readFileSync(packageFile("docs", "guarantees.md"), "utf8");
const tests = new Set(readdirSync(packageFile("test"), { recursive: true }).map((path) => basename(String(path))));
/** The last column of each row of the table of faults. */
const shownBy = page
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| fault |"))
  .map((line) => line.split(" | ").at(-1) ?? "");
const named = [...page.matchAll(/`([\w-]+(?:\.deep)?\.test\.ts)`/g)].map(([, name]) => name ?? "");

test("each fault of the table names a test", () => {
  expect(shownBy.length).toBeGreaterThan(8);
  expect(shownBy.filter((cell) => !/\.test\.ts`/.test(cell))).toEqual([]);
});

test("each test that the page names exists", () => {
  expect(named.filter((name) => !tests.has(name))).toEqual([]);
});
