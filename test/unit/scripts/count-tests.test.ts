import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { packageFile } from "../../../src/runtime/package-files.ts";

const PASSED = { numPassedTests: 3, testResults: [{ name: "a.test.ts", status: "passed", assertionResults: [] }] };
const FAILED = {
  numPassedTests: 1,
  testResults: [
    {
      name: "b.test.ts",
      status: "failed",
      assertionResults: [
        { status: "passed", fullName: "works", failureMessages: [] },
        { status: "failed", fullName: "breaks", failureMessages: ["expected 1 to be 2"] },
      ],
    },
    { name: "c.test.ts", status: "failed", message: "cannot be loaded", assertionResults: [] },
  ],
};

/** Runs the script on one report per argument. A text stands in the report as it is. */
function count(...reports: (object | string)[]) {
  const folder = mkdtempSync(join(tmpdir(), "mnemosync-reports-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const files = reports.map((report, index) => {
    const file = join(folder, `${index}.json`);
    writeFileSync(file, typeof report === "string" ? report : JSON.stringify(report));
    return file;
  });
  const script = packageFile("scripts", "count-tests.mjs");
  const { stdout, status } = spawnSync(process.execPath, [script, ...files], { encoding: "utf8" });
  const lines = stdout.trimEnd().split("\n");
  return { closing: lines.at(-1), lines, status };
}

test("the closing line is the sum over all reports", () => {
  expect(count(PASSED, PASSED)).toMatchObject({ closing: "6 passed, 0 failed", status: 0 });
});

test("failed tests and files that cannot be loaded are counted and named", () => {
  const { closing, lines, status } = count(PASSED, FAILED);
  expect({ closing, status }).toEqual({ closing: "4 passed, 2 failed", status: 1 });
  expect(lines).toContain("FAILED b.test.ts > breaks");
  expect(lines).toContain("FAILED c.test.ts: cannot be loaded");
});

test("a run without a report counts as one failed test, so that the other run's tests do not hide it", () => {
  expect(count(PASSED, "")).toMatchObject({ closing: "3 passed, 1 failed", status: 1 });
  expect(count(PASSED, { numPassedTests: 0, testResults: [] })).toMatchObject({ closing: "3 passed, 1 failed" });
});

test("without any report nothing passes", () => {
  expect(count()).toMatchObject({ closing: "0 passed, 0 failed", status: 1 });
});
