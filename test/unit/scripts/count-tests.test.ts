import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
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

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "mnemosync-reports-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs the script on one report per argument. A text stands in the report as it is. */
function count(...reports: (object | string)[]) {
  const folder = temporaryFolder();
  const files = reports.map((report, index) => {
    const file = join(folder, `${index}.json`);
    writeFileSync(file, typeof report === "string" ? report : JSON.stringify(report));
    return file;
  });
  return run(files);
}

function run(args: string[]) {
  const script = packageFile("scripts", "count-tests.mjs");
  const { stdout, status } = spawnSync(process.execPath, [script, ...args], { encoding: "utf8" });
  const lines = stdout.trimEnd().split("\n");
  return { closing: lines.at(-1), lines, status };
}

/** Runs the script on a passed run with these errors that no test caught, and these steps: name, exit code, output. */
function countSteps(unhandled: object[], ...steps: [name: string, code: number, output: string][]) {
  const folder = temporaryFolder();
  const report = join(folder, "test.json");
  writeFileSync(report, JSON.stringify(PASSED));
  writeFileSync(`${report}.unhandled`, JSON.stringify(unhandled));
  const lines = steps.map(([name, code, output]) => {
    writeFileSync(join(folder, name), output);
    return `${name}\t${code}\t${join(folder, name)}\n`;
  });
  writeFileSync(join(folder, "steps"), lines.join(""));
  return run(["--steps", join(folder, "steps"), report]);
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

test("an error that no test caught is shown with its text, counts as failed, and its step is named last", () => {
  const error = {
    type: "Unhandled Rejection",
    text: "Error: late\n    at f (a.ts:1:2)",
    file: "a.test.ts",
    test: "works",
  };
  const { closing, lines, status } = countSteps([error], ["test", 1, "much output"], ["lint", 0, ""]);
  expect({ closing, status }).toEqual({ closing: "3 passed, 1 failed", status: 1 });
  expect(lines).toEqual([
    'UNHANDLED Unhandled Rejection in a.test.ts, last test "works"',
    "Error: late",
    "    at f (a.ts:1:2)",
    "FAILED STEP test: exit 1",
    "3 passed, 1 failed",
  ]);
});

test("a step that failed without a failed test shows the end of its output, and fails the whole", () => {
  const output = Array.from({ length: 100 }, (_, index) => `line ${index}`).join("\n");
  const { lines, status } = countSteps([], ["test", 1, output], ["typecheck", 2, "a.ts: wrong type"]);
  expect(status).toBe(1);
  expect(lines[0]).toBe("the output of test ends with:");
  expect(lines).not.toContain("line 59");
  expect(lines.slice(1, 41)).toEqual(output.split("\n").slice(60));
  expect(lines.slice(41)).toEqual([
    "the output of typecheck ends with:",
    "a.ts: wrong type",
    "FAILED STEP test: exit 1",
    "FAILED STEP typecheck: exit 2",
    "3 passed, 0 failed",
  ]);
});

test("the reporter writes what no test caught, as vitest sees it, beside the JSON report", () => {
  const folder = temporaryFolder();
  const report = join(folder, "report.json");
  const late = `import { test } from "vitest"; test("works", () => void Promise.reject(new Error("nobody waits")));`;
  writeFileSync(join(folder, "late.test.mjs"), late);
  const reporters = ["json", packageFile("scripts", "unhandled-errors-reporter.mjs")].map(
    (name) => `--reporter=${name}`,
  );
  const vitest = packageFile("node_modules", "vitest", "vitest.mjs");
  // A root of its own: the daily run's own set-up starts servers.
  const args = [vitest, "run", "--root", folder, ...reporters, `--outputFile.json=${report}`];
  symlinkSync(packageFile("node_modules"), join(folder, "node_modules"));
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", cwd: folder });
  expect(status, stderr).toBe(1);
  const { lines, closing } = run([report]);
  expect(closing).toBe("1 passed, 1 failed");
  expect(lines.join("\n")).toMatch(/UNHANDLED Unhandled Rejection in .*late\.test\.mjs.*\nError: nobody waits/);
});
