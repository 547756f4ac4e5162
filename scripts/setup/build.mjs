import { createHash } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readStamps, root, run, SetupError, say, writeStamp } from "./report.mjs";

const buildMaxMs = 5 * 60_000;
const settings = ["tsconfig.json", "tsconfig.build.json", "package-lock.json"];

/** dist/ is what the compiler makes of src/ as it is now. Nothing to do in a published package, which has no src/. */
export function buildDist() {
  const sourceFolder = join(root, "src");
  if (!existsSync(sourceFolder)) return;
  const sources = filesBelow("src").filter((file) => file.endsWith(".ts"));
  const hash = hashOf([...sources, ...settings]);
  if (readStamps().build === hash && sources.every((source) => existsSync(join(root, builtFrom(source))))) return;
  say("building dist/ from src/");
  const { ok, output } = run(join(root, "node_modules", ".bin", "tsc"), ["-p", "tsconfig.build.json"], {
    timeoutMs: buildMaxMs,
  });
  if (!ok) throw new SetupError(`src/ does not compile:\n${output}`, "npm run typecheck");
  removeStale(new Set(sources));
  const main = join(root, "dist", "cli", "main.js");
  if (existsSync(main)) chmodSync(main, 0o755);
  writeStamp("build", hash);
}

function builtFrom(/** @type {string} */ source) {
  return source.replace(/^src/, "dist").replace(/\.ts$/, ".js");
}

/** The compiler leaves what it made of sources that are gone. */
function removeStale(/** @type {Set<string>} */ sources) {
  for (const file of filesBelow("dist")) {
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
