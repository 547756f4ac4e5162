#!/usr/bin/env node
/**
 * Makes a clone ready to run: npm packages, the FAISS binding, the servers that demo and tests start, and dist/.
 * Every step looks first and acts only where something is missing, so running it again costs a fraction of a second.
 *
 *     node scripts/setup.mjs [--no-build]
 *
 * In a project that uses the package, where it is `npx mnemosync setup`, it provides the FAISS binding alone.
 * A server whose URL is in MNEMOSYNC_POSTGRES_URL or MNEMOSYNC_REDIS_URL need not be installed here.
 */
import { buildDist } from "./setup/build.mjs";
import { compileBinding, compilerPackages, provideBinding } from "./setup/faiss.mjs";
import { withLock } from "./setup/lock.mjs";
import { installNpmPackages, provideSqlite } from "./setup/npm-packages.mjs";
import { preparePostgres } from "./setup/postgres.mjs";
import { isClone, SetupError, setupCommand } from "./setup/report.mjs";
import { installSystemPackages, isOnPath } from "./setup/system-packages.mjs";

const nodeVersionMin = [20, 19];

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > nodeVersionMin[0] || (major === nodeVersionMin[0] && minor >= nodeVersionMin[1])) return;
  throw new SetupError(
    `this is Node ${process.versions.node}, and ${nodeVersionMin.join(".")} or newer is needed`,
    `install a newer Node (https://nodejs.org), then: ${setupCommand}`,
  );
}

function redisIsMissing() {
  if (process.env.MNEMOSYNC_REDIS_URL) return false;
  const chosen = process.env.MNEMOSYNC_REDIS_SERVER;
  if (chosen && !isOnPath(chosen)) {
    throw new SetupError(
      `MNEMOSYNC_REDIS_SERVER is ${chosen}, and no program can be run under that name`,
      "unset MNEMOSYNC_REDIS_SERVER, or set it to the path of a redis-server, then: node scripts/setup.mjs",
    );
  }
  return !isOnPath(chosen || "redis-server");
}

/** Collects all missing system packages first, so that the package manager is called once. */
function provideServersAndBinding() {
  const compileFailure = provideBinding();
  const packages = [
    ...(isClone && redisIsMissing() ? ["redis-server"] : []),
    ...(compileFailure === undefined ? [] : compilerPackages),
  ];
  if (packages.length === 0) return;
  installSystemPackages(packages, compileFailure);
  if (isClone && redisIsMissing()) {
    throw new SetupError(
      `redis-server is not on the PATH although its package is installed (PATH is ${process.env.PATH})`,
      "MNEMOSYNC_REDIS_SERVER=/path/to/redis-server node scripts/setup.mjs",
    );
  }
  const secondFailure = compileFailure === undefined ? undefined : compileBinding();
  if (secondFailure !== undefined) {
    throw new SetupError(
      `the FAISS binding could not be compiled against the system's FAISS:\n${secondFailure}`,
      `correct what the compiler complains about, then: ${setupCommand}`,
    );
  }
}

try {
  const unknown = process.argv.slice(2).filter((argument) => argument !== "--no-build");
  if (unknown.length > 0) throw new SetupError(`unknown argument ${unknown[0]}`, "node scripts/setup.mjs [--no-build]");
  checkNode();
  withLock(() => {
    installNpmPackages();
    if (isClone) provideSqlite();
    provideServersAndBinding();
    if (isClone && !process.env.MNEMOSYNC_POSTGRES_URL) preparePostgres();
    if (!process.argv.includes("--no-build")) buildDist();
  });
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`setup: ${error.message}\nsetup: next, run:  ${error.nextCommand}`);
  process.exitCode = 1;
}
