import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bindingFailure, keepCopies, place, sourcesFolder } from "./binding-copies.mjs";
import { root, run, say } from "./report.mjs";
import { isOnPath } from "./system-packages.mjs";

/** Debian's names of what `compileBinding` needs. */
export const compilerPackages = ["libfaiss-dev", "libopenblas-dev", "g++"];

const prebuiltMaxMs = 20_000;
const compileMaxMs = 5 * 60_000;
const requireFromRoot = createRequire(join(root, "package.json"));

/** @type {string | undefined} */
let sourcesFound;

/** npm's package with the sources, looked for once: it may have to be installed. */
function sources() {
  sourcesFound ??= sourcesFolder();
  return sourcesFound;
}

/**
 * Downloads the prebuilt binary, as the package's own install script does first. Failure is silent (a closed network): the
 * binding is then compiled.
 */
export function fetchPrebuiltBinding() {
  const folder = sources();
  const packageRequire = createRequire(join(folder, "package.json"));
  const prebuildInstall = join(dirname(packageRequire.resolve("prebuild-install/package.json")), "bin.js");
  run(process.execPath, [prebuildInstall, "--runtime", "napi"], { cwd: folder, timeoutMs: prebuiltMaxMs });
  const release = join(folder, "build", "Release");
  if (bindingFailure(join(release, place.FILE_NAME)) !== undefined) return false;
  say("downloaded the FAISS binding");
  keepCopies(release);
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
  const folder = sources();
  const packageRequire = createRequire(join(folder, "package.json"));
  const target = join(folder, "build", "Release", place.FILE_NAME);
  const draft = join(dirname(target), `draft-${process.pid}.node`); // Node loads nothing but *.node as a binding.
  mkdirSync(dirname(target), { recursive: true });
  for (const file of readdirSync(dirname(target))) {
    if (file.startsWith("draft-")) rmSync(join(dirname(target), file)); // Of a setup that was killed.
  }
  const args = [
    ...["-std=c++17", "-O2", "-fPIC", "-shared", "-w", `-DNAPI_VERSION=${place.NODE_API}`],
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
    keepCopies(dirname(target));
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
