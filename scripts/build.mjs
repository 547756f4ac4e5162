#!/usr/bin/env node
/**
 * Makes dist/ of src/, unless it is made of it as it is: the library's modules with their types, and dist/program/, the
 * command line and the FAISS host's processes in a few files each. Set-up does the same at its end.
 *
 *     node scripts/build.mjs [--check]
 *
 * With --check nothing is changed: the exit code tells whether dist/ is made of src/ as it is (0) or not (1).
 */
import { buildDist, distIsCurrent } from "./setup/build.mjs";
import { withLock } from "./setup/lock.mjs";
import { SetupError } from "./setup/report.mjs";

try {
  const [argument] = process.argv.slice(2);
  if (argument === "--check") process.exitCode = distIsCurrent() ? 0 : 1;
  else if (argument === undefined) withLock(buildDist);
  else throw new SetupError(`unknown argument ${argument}`, "node scripts/build.mjs [--check]");
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`build: ${error.message}\nbuild: next, run:  ${error.nextCommand}`);
  process.exitCode = 1;
}
