#!/usr/bin/env node
/**
 * Adds up the JSON reports of test runs: names each failed test, then prints "N passed, N failed" as the last line.
 *
 *     node scripts/count-tests.mjs <report> [<report> …]
 *
 * The exit code is 0 only if every report holds a passed test and none holds a failed one.
 */
import { readFileSync } from "node:fs";

let passed = 0;
let failed = 0;

for (const report of process.argv.slice(2)) {
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
  failed += failedHere;
  if (numPassedTests + failedHere > 0) continue;
  // The other run's tests must not make the closing line look complete.
  console.log(`FAILED ${report}: no test ran, or the run was ended before it wrote its report`);
  failed += 1;
}

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
