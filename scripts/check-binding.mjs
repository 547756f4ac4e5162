#!/usr/bin/env node
/**
 * Shows that the FAISS binding survives what package managers do to a project: another install, and an install from the
 * lock file into an empty node_modules. npm, pnpm and yarn, each in an empty project with a cache folder of its own.
 *
 *     node scripts/check-binding.mjs [npm] [pnpm] [yarn] [--keep]
 *
 * Installs pnpm and yarn into a temporary folder. Needs a clone that is set up (npm run setup).
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const clone = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "mnemosync-binding-"));
const tools = join(folder, "tools");
const stepMaxMs = 10 * 60_000;

/** A package that the project installs beside mnemosync. */
const other = "is-number@7.0.0";

/**
 * How each manager adds a package, installs from the lock file, and runs a program of the project.
 * @type {Record<string, { add: string[], frozen: string[], exec: string[] }>}
 */
const managers = {
  npm: {
    add: ["npm", "install", "--prefer-offline", "--no-audit", "--no-fund"],
    frozen: ["npm", "ci", "--prefer-offline", "--no-audit", "--no-fund"],
    exec: ["npx", "--no-install"],
  },
  pnpm: {
    add: [join(tools, "node_modules", ".bin", "pnpm"), "add"],
    frozen: [join(tools, "node_modules", ".bin", "pnpm"), "install", "--frozen-lockfile"],
    exec: [join(tools, "node_modules", ".bin", "pnpm"), "exec"],
  },
  yarn: {
    // yarn 1 refuses what npm and pnpm warn of: a package below fastify says that it needs a newer Node than it does.
    add: [join(tools, "node_modules", ".bin", "yarn"), "add", "--non-interactive", "--ignore-engines"],
    frozen: [
      ...[join(tools, "node_modules", ".bin", "yarn"), "install", "--frozen-lockfile"],
      ...["--non-interactive", "--ignore-engines"],
    ],
    exec: [join(tools, "node_modules", ".bin", "yarn"), "--silent", "run"],
  },
};

/**
 * @param {readonly string[]} command
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv, codes?: readonly number[] }} options
 * @returns {string} standard output
 */
function run([program = "", ...args], { cwd, env = process.env, codes = [0] }) {
  const startedAt = performance.now();
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    ...{ cwd, env, encoding: "utf8", timeout: stepMaxMs, maxBuffer: 64 * 1024 * 1024 },
  });
  if (!codes.includes(status ?? -1)) {
    throw new Error(`${program} ${args.join(" ")} failed (${status ?? error?.message}):\n${stdout}${stderr}`);
  }
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  const shown = [program.split("/").at(-1), ...args].join(" ").replaceAll(folder, "…");
  console.log(`${seconds.padStart(6)} s  ${shown.slice(0, 100)}`);
  return stdout;
}

/** The state of the binding as the doctor of the project sees it. The doctor's servers are not there, and need not be. */
function checkBinding(
  /** @type {string} */ name,
  /** @type {string} */ after,
  /** @type {{ cwd: string, env: NodeJS.ProcessEnv }} */ options,
) {
  const { exec } = /** @type {{ exec: string[] }} */ (managers[name]);
  const doctor = [
    ...exec,
    "mnemosync",
    "doctor",
    "--json",
    "--postgres-url",
    "postgres://127.0.0.1:1/x",
    "--redis-url",
    "none",
  ];
  const { checks } = JSON.parse(run(doctor, { ...options, codes: [2] }));
  const binding = checks.find((/** @type {{ check: string }} */ { check }) => check === "faiss.binding");
  console.log(`          ${binding.state}: ${binding.found}`.replaceAll(folder, "…"));
  if (binding.state !== "ok") throw new Error(`${name}: after ${after} the binding is gone: ${binding.found}`);
}

function checkManager(/** @type {string} */ name, /** @type {string} */ tarball) {
  console.log(`\n${name}`);
  const { add, frozen, exec } = /** @type {{ add: string[], frozen: string[], exec: string[] }} */ (managers[name]);
  const cwd = join(folder, name);
  const cache = join(folder, `${name}-cache`);
  mkdirSync(cwd);
  // A workspace file of its own: pnpm would look for one above.
  if (name === "pnpm") writeFileSync(join(cwd, "pnpm-workspace.yaml"), "packages: []\n");
  const manifest = { name: "stranger", version: "1.0.0", private: true, license: "MIT" };
  writeFileSync(join(cwd, "package.json"), JSON.stringify(manifest));
  const options = { cwd, env: { ...process.env, XDG_CACHE_HOME: cache, npm_config_store_dir: join(folder, "store") } };
  run([...add, tarball], options);
  run([...exec, "mnemosync", "setup"], options);
  checkBinding(name, "setup", options);
  run([...add, other], options);
  checkBinding(name, "another install", options);
  rmSync(join(cwd, "node_modules"), { recursive: true });
  run(frozen, options);
  checkBinding(name, "an install from the lock file", options);
  // An image is built from nothing: the postinstall line of the README provides the binding.
  run(["npm", "pkg", "set", "scripts.postinstall=mnemosync setup"], options);
  rmSync(join(cwd, "node_modules"), { recursive: true });
  rmSync(cache, { recursive: true });
  run(frozen, options);
  rmSync(cache, { recursive: true }); // The package itself has it too: another user's cache is empty.
  checkBinding(name, "a postinstall with an empty cache", options);
}

try {
  const [packed] = JSON.parse(run(["npm", "pack", "--json", "--pack-destination", folder], { cwd: clone }));
  mkdirSync(tools);
  writeFileSync(join(tools, "package.json"), JSON.stringify({ private: true }));
  run(["npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "pnpm@10", "yarn@1"], { cwd: tools });
  const only = process.argv.slice(2).filter((argument) => argument in managers);
  const names = only.length > 0 ? only : Object.keys(managers);
  for (const name of names) checkManager(name, join(folder, packed.filename));
  console.log(`\nthe binding survives ${names.join(", ")}`);
} catch (error) {
  console.error(`check-binding: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
} finally {
  if (process.argv.includes("--keep")) console.log(`kept: ${folder}`);
  else if (existsSync(folder)) rmSync(folder, { recursive: true, force: true });
}
