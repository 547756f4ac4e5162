import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bundleConsole, consoleFiles, consoleFolder } from "./console.mjs";
import { bundleProgram, programFiles, programFolder } from "./program.mjs";
import { readStamps, root, run, SetupError, say, writeStamp } from "./report.mjs";

const buildMaxMs = 5 * 60_000;
const settings = [
  "tsconfig.json",
  "tsconfig.build.json",
  "package-lock.json",
  "scripts/setup/program.mjs",
  "scripts/setup/console.mjs",
];
/** The compiler only checks it: it runs in a browser, in one file. */
const browserSources = "src/console/";

/** Builds dist/ unless it is current. A published package has no src/, so there is nothing to do. */
export function buildDist() {
  if (!existsSync(join(root, "src")) || distIsCurrent()) return;
  const hash = hashOf([...sources(), ...settings]);
  writeStamp("build", ""); // If the build is killed, its output must not count as current.
  say("building dist/ from src/");
  const { ok, output } = run(join(root, "node_modules", ".bin", "tsc"), ["-p", "tsconfig.build.json"], {
    timeoutMs: buildMaxMs,
  });
  if (!ok) throw new SetupError(`src/ does not compile:\n${output}`, "npm run typecheck");
  removeStale(new Set(compiledSources()));
  bundleProgram();
  bundleConsole();
  writeStamp("build", hash);
}

/** Whether dist/ is complete and was built from exactly these sources. */
export function distIsCurrent() {
  const files = [...compiledSources().map(builtFrom), ...programFiles, ...consoleFiles];
  return (
    readStamps().build === hashOf([...sources(), ...settings]) && files.every((file) => existsSync(join(root, file)))
  );
}

/** Whatever dist/ is made of. */
function sources() {
  return filesBelow("src").filter((file) => file.endsWith(".ts") || file.startsWith(browserSources));
}

function compiledSources() {
  return sources().filter((file) => !file.startsWith(browserSources));
}

function builtFrom(/** @type {string} */ source) {
  return source.replace(/^src/, "dist").replace(/\.ts$/, ".js");
}

/** Removes output of sources that no longer exist: the compiler leaves it. */
function removeStale(/** @type {Set<string>} */ sources) {
  for (const file of filesBelow("dist")) {
    if ([programFolder, consoleFolder].some((folder) => file.startsWith(`${folder}/`))) continue; // Replaced as a whole.
    const source = file.replace(/^dist/, "src").replace(/(\.d\.ts|\.js\.map|\.js)$/, ".ts");
    if (!sources.has(source)) rmSync(join(root, file), { force: true });
  }
}

/** Paths relative to the root, with slashes. */
function filesBelow(/** @type {string} */ folder) {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length).replaceAll("\\", "/").replace(/^\/+/, ""))
    .sort();
}

function hashOf(/** @type {string[]} */ files) {
  const hash = createHash("sha256");
  for (const file of files)
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(join(root, file)))
      .update("\0");
  return hash.digest("hex");
}
