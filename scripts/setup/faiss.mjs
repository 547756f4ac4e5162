import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  bindingFailure,
  bindingLoads,
  bindingSourceVersion,
  keepCopies,
  place,
  sourcesFolder,
} from "./binding-copies.mjs";
import { readStamps, root, run, say, writeStamp } from "./report.mjs";
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
function fetchPrebuiltBinding() {
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
 * Provides the binding: one that works, else a compiled one, else the prebuilt one. Compiled ones search faster and do not leak (see
 * `faiss-binding.cc`), so where the binding that works is none of ours, compiling it is tried, once for each version of our source.
 * @returns {string | undefined} Why there is none; undefined where there is one.
 */
export function provideBinding() {
  const works = bindingLoads();
  const version = sourceVersion();
  if (works && readStamps().binding === version) return undefined;
  const isOurs = works && bindingSourceVersion() === version;
  const failure = isOurs ? undefined : compileBinding();
  if (failure !== undefined && !works && !fetchPrebuiltBinding()) return failure;
  writeStamp("binding", version);
  return undefined;
}

/** Of the source of our own, as a compiled binding tells it. */
function sourceVersion() {
  const hash = createHash("sha256");
  for (const source of [ownSource, wideSearch]) hash.update(readFileSync(source));
  return hash.digest("hex").slice(0, 16);
}

/** The binding with methods of our own, and what is compiled where the system's FAISS is too old for it: faiss-node alone. */
const ownSource = join(dirname(fileURLToPath(import.meta.url)), "faiss-binding.cc");
const wideSearch = join(dirname(ownSource), "wide-search.h"); // Included by it.

/**
 * Compiles the binding against the system's FAISS; a few seconds. The result is in place whole or not at all.
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
  const argumentsFor = (/** @type {string} */ source) => [
    ...["-std=c++17", "-O2", "-fPIC", "-shared", "-w", `-DNAPI_VERSION=${place.NODE_API}`],
    `-DMNEMOSYNC_SOURCE_VERSION="${sourceVersion()}"`,
    ...["-include", join(dirname(fileURLToPath(import.meta.url)), "faiss-compatibility.h")],
    ...["-I", dirname(packageRequire.resolve("node-addon-api/package.json"))],
    ...headerFolders().flatMap((headers) => ["-I", headers]),
    ...["-I", join(folder, "src"), source],
    ...["-o", draft, "-lfaiss", "-lopenblas", "-lgomp"],
  ];
  try {
    let failure = "";
    // A compiler other than g++ may lack OpenMP, by which a search takes several threads.
    for (const [source, ...flags] of [[ownSource, "-fopenmp"], [ownSource], [join(folder, "src", "faiss.cc")]]) {
      const { ok, output } = run(compiler, [...flags, ...argumentsFor(source)], { timeoutMs: compileMaxMs });
      const flaw = ok ? bindingFailure(draft) : undefined;
      if (ok && flaw === undefined) {
        renameSync(draft, target);
        say("compiled the FAISS binding against the system's FAISS");
        keepCopies(dirname(target), { replaced: true });
        return undefined;
      }
      failure ||= ok ? `it was compiled, but does not work:\n${flaw}` : output;
    }
    return failure;
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
