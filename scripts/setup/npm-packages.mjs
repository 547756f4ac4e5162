import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { readStamps, root, run, SetupError, say, writeStamp } from "./report.mjs";

const installMaxMs = 15 * 60_000;

/** Installs the packages of package-lock.json. Does nothing outside of a clone, where npm has installed them. */
export function installNpmPackages() {
  const lockText = readOrEmpty(join(root, "package-lock.json"));
  if (lockText === "") return;
  const lockHash = createHash("sha256").update(lockText).digest("hex");
  if (readStamps().npm === lockHash) return;
  if (!isInstalled(lockText)) {
    say("installing the npm packages of package-lock.json (npm ci)");
    // --include: NODE_ENV=production would leave out the compiler and the embedded servers.
    npm(["ci", "--include=dev", "--include=optional", "--ignore-scripts", "--no-audit", "--no-fund"]);
  }
  writeStamp("npm", lockHash);
}

/** Puts one optional package of a clone back that an earlier install has dropped, in the version of package-lock.json. */
export function installDroppedPackage(/** @type {string} */ name) {
  const version = JSON.parse(readOrEmpty(join(root, "package-lock.json")) || "{}").packages?.[`node_modules/${name}`]
    ?.version;
  say(`installing the npm package ${name}, which an earlier install left out`);
  npm(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", version ? `${name}@${version}` : name]);
}

/** The edge's SQLite driver where Node has none: a clone that was set up before there was an edge lacks it. */
export function provideSqlite() {
  if (process.getBuiltinModule?.("node:sqlite") !== undefined) return;
  if (existsSync(join(root, "node_modules", "libsql", "package.json"))) return;
  installDroppedPackage("libsql");
}

/** Installs one package, as `name@version`, into a folder of its own. Not into node_modules: the next install would remove it. */
export function installInto(/** @type {string} */ folder, /** @type {string} */ wanted) {
  say(`fetching the npm package ${wanted}, which an earlier install left out`);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
  npm(["install", "--prefix", folder, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", wanted]);
}

/** Compares versions with npm's own record of what it installed, so that `npm install` by hand counts as well. */
function isInstalled(/** @type {string} */ lockText) {
  const recordText = readOrEmpty(join(root, "node_modules", ".package-lock.json"));
  if (recordText === "") return false;
  const installed = JSON.parse(recordText).packages;
  return Object.entries(JSON.parse(lockText).packages).every(([path, wanted]) => {
    if (path === "") return true;
    const found = installed[path];
    // Optional ones for other platforms are rightly absent; those that are needed here have steps of their own.
    return found === undefined ? wanted.optional === true : found.version === wanted.version;
  });
}

function npm(/** @type {string[]} */ args) {
  // The npm that runs this script; otherwise the one on the PATH.
  const current = process.env.npm_execpath ?? "";
  const isNpm = basename(current) === "npm-cli.js" && existsSync(current);
  const { ok, output } = isNpm
    ? run(process.execPath, [current, ...args], { timeoutMs: installMaxMs })
    : run("npm", args, { timeoutMs: installMaxMs });
  if (ok) return;
  throw new SetupError(`npm ${args[0]} failed:\n${output}`, `npm ${args.join(" ")}`);
}

function readOrEmpty(/** @type {string} */ file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
