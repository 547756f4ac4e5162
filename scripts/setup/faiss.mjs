import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installDroppedPackage } from "./npm-packages.mjs";
import { root, run, SetupError, say } from "./report.mjs";
import { isOnPath } from "./system-packages.mjs";

/** Debian's names of what `compileBinding` needs. */
export const compilerPackages = ["libfaiss-dev", "libopenblas-dev", "g++"];

const prebuiltMaxMs = 20_000;
const compileMaxMs = 5 * 60_000;
const requireFromRoot = createRequire(join(root, "package.json"));

/** Whether the binding is there and works. */
export function bindingLoads() {
  return bindingFailure(bindingFile()) === undefined;
}

/**
 * Lets a search find a vector that was added. In a child: a broken binding takes its whole process down.
 * @returns {string | undefined} What went wrong; undefined when all is well.
 */
function bindingFailure(/** @type {string} */ binding) {
  if (!existsSync(binding)) return `there is no ${binding}`;
  const probe = `
    const { IndexFlatIP } = require(process.argv[1]);
    const index = new IndexFlatIP(2);
    index.add([0, 1, 1, 0]);
    if (index.search([1, 0], 1).labels[0] !== 1) throw new Error("a search does not find the vector that was added");`;
  const { ok, output } = run(process.execPath, ["-e", probe, binding], { timeoutMs: 30_000 });
  return ok ? undefined : output;
}

/**
 * What the package's own install script does first: it downloads a binary. Behind a closed network that fails,
 * and quietly, as there is a second way.
 */
export function fetchPrebuiltBinding() {
  const folder = packageFolder();
  const packageRequire = createRequire(join(folder, "package.json"));
  const prebuildInstall = join(dirname(packageRequire.resolve("prebuild-install/package.json")), "bin.js");
  run(process.execPath, [prebuildInstall, "--runtime", "napi"], { cwd: folder, timeoutMs: prebuiltMaxMs });
  if (!bindingLoads()) return false;
  say("downloaded the FAISS binding");
  return true;
}

/**
 * Compiles the package's one source file against the system's FAISS; a few seconds. The result is in place whole
 * or not at all.
 * @returns {string | undefined} What went wrong; undefined when all is well.
 */
export function compileBinding() {
  const compiler = process.env.CXX || "g++";
  if (process.platform !== "linux") return "compiling it is known to work on Linux only";
  if (!isOnPath(compiler)) return `there is no compiler (${compiler})`;
  const folder = packageFolder();
  const packageRequire = createRequire(join(folder, "package.json"));
  const target = bindingFile();
  const draft = join(dirname(target), `draft-${process.pid}.node`); // Node loads nothing but *.node as a binding.
  mkdirSync(dirname(target), { recursive: true });
  for (const file of readdirSync(dirname(target))) {
    if (file.startsWith("draft-")) rmSync(join(dirname(target), file)); // Of a setup that was killed.
  }
  const args = [
    ...["-std=c++17", "-O2", "-fPIC", "-shared", "-w", "-DNAPI_VERSION=6"],
    ...["-include", join(dirname(fileURLToPath(import.meta.url)), "faiss-compatibility.h")],
    ...["-I", dirname(packageRequire.resolve("node-addon-api/package.json"))],
    ...headerFolders().flatMap((headers) => ["-I", headers]),
    join(folder, "src", "faiss.cc"),
    ...["-o", draft, "-lfaiss", "-lopenblas", "-lgomp"],
  ];
  try {
    const { ok, output } = run(compiler, args, { timeoutMs: compileMaxMs });
    if (!ok) return output;
    const failure = bindingFailure(draft);
    if (failure !== undefined) return `it was compiled, but does not work:\n${failure}`;
    renameSync(draft, target);
    say("compiled the FAISS binding against the system's FAISS");
    return undefined;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Where node_api.h may be: a package of its own, or beside Node where Node brought its headers along. */
function headerFolders() {
  const candidates = [
    packageHeaders(),
    process.env.npm_config_nodedir && join(process.env.npm_config_nodedir, "include", "node"),
    join(dirname(process.execPath), "..", "include", "node"),
    "/usr/include/node",
  ];
  return candidates.filter((folder) => folder && existsSync(join(folder, "node_api.h")));
}

function packageHeaders() {
  try {
    return requireFromRoot("node-api-headers").include_dir;
  } catch {
    return undefined;
  }
}

function bindingFile() {
  return join(packageFolder(), "build", "Release", "faiss-node.node");
}

/** An optional dependency: whichever install ran before may have left it out. */
function packageFolder() {
  const find = () => dirname(requireFromRoot.resolve("faiss-node/package.json"));
  try {
    return find();
  } catch {
    installDroppedPackage("faiss-node");
  }
  try {
    return find();
  } catch (cause) {
    throw new SetupError(`the npm package faiss-node is not installed (${cause.message})`, "npm ci --include=optional");
  }
}
