#!/usr/bin/env node
/**
 * Adds up the JSON reports of test runs: names each failed test and each error that no test caught (`<report>.unhandled`,
 * written by `unhandled-errors-reporter.mjs`), then prints "N passed, N failed" as the last line.
 *
 *     node scripts/count-tests.mjs [--steps <file>] <report> [<report> …]
 *
 * `--steps` has one line per step: name, exit code and file of its output, with tabs between them. Each step that failed
 * is named just before the last line, after the end of its output where no failed test explains it.
 *
 * The exit code is 0 only if every report holds a passed test, none holds a failed one, and no step failed.
 */
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs } from "node:util";

/** Lines shown of the output of a step that failed without a failed test. */
const SHOWN_LINES_MAX = 40;

const { values, positionals: reports } = parseArgs({
  options: { steps: { type: "string" } },
  allowPositionals: true,
});

let passed = 0;
let failed = 0;
/** Names of runs whose exit code is explained by what was named. */
const explained = new Set();

for (const report of reports) {
  const text = readFileSync(report, "utf8");
  const { numPassedTests = 0, testResults = [] } = text === "" ? {} : JSON.parse(text);
  passed += numPassedTests;
  let failedHere = 0;
  // By name, since the beginning of a long output is the first to get lost.
  for (const { name, status, message, assertionResults } of testResults) {
    const tests = assertionResults.filter((test) => test.status === "failed");
    // A file that cannot be loaded has no tests of its own to count: it counts as one failed test.
    failedHere += status === "failed" ? Math.max(tests.length, 1) : tests.length;
    if (status === "failed" && tests.length === 0) console.log(`FAILED ${name}: ${message}`);
    for (const test of tests) console.log(`FAILED ${name} > ${test.fullName}\n${test.failureMessages.join("\n")}`);
  }
  // It makes the run exit with 1 as a failed test does, so it counts as one.
  for (const { type, text: error, file, test } of unhandledErrors(report)) {
    console.log(`UNHANDLED ${type} in ${file ?? "an unknown file"}${test ? `, last test "${test}"` : ""}\n${error}`);
    failedHere += 1;
  }
  failed += failedHere;
  if (failedHere > 0) explained.add(basename(report, ".json"));
  if (numPassedTests + failedHere > 0) continue;
  // The other run's tests must not make the closing line look complete.
  console.log(`FAILED ${report}: no test ran, or the run was ended before it wrote its report`);
  failed += 1;
}

const failedSteps = readSteps().filter(({ code }) => code !== "0");
for (const { name, log } of failedSteps.filter((step) => !explained.has(step.name))) {
  console.log(`the output of ${name} ends with:\n${lastLines(log)}`);
}
for (const { name, code } of failedSteps) console.log(`FAILED STEP ${name}: exit ${code}${meaning(code)}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = passed > 0 && failed === 0 && failedSteps.length === 0 ? 0 : 1;

function unhandledErrors(report) {
  const file = `${report}.unhandled`;
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : [];
}

function readSteps() {
  if (values.steps === undefined) return [];
  const lines = readFileSync(values.steps, "utf8").split("\n").filter(Boolean);
  return lines.map((line) => {
    const [name, code, log] = line.split("\t");
    return { name, code, log };
  });
}

function lastLines(file) {
  return readFileSync(file, "utf8").trimEnd().split("\n").slice(-SHOWN_LINES_MAX).join("\n");
}

/** What `timeout` says by its exit code. */
function meaning(code) {
  if (code === "124") return " (it took too long and was ended)";
  return code === "137" ? " (it took too long, or memory ran out, and it was killed)" : "";
}
