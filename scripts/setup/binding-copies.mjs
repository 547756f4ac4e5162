import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { installDroppedPackage, installInto } from "./npm-packages.mjs";
import { isClone, root, run, say } from "./report.mjs";

const requireFromRoot = createRequire(join(root, "package.json"));

/** @type {import("./binding-place.cjs")} */
export const place = requireFromRoot("./scripts/setup/binding-place.cjs");
const { inPackage, inCache } = place.bindingFolders(root);

/** Folders that were found without a working binding. */
const broken = new Set();

/**
 * Whether a binding works, wherever it is. Puts it in every place where it is missing or does not work: npm removes it from
 * its own package with other installs, and from all of them with `npm ci`.
 */
export function bindingLoads() {
  const found = [npmFolder(), ...(isClone ? [] : [inPackage]), inCache].find((folder) => folder && works(folder));
  if (found === undefined) return false;
  keepCopies(found);
  return true;
}

/**
 * Puts the binding of `source`, which works, where it is missing or does not work.
 * @param {string} source
 * @param {{ replaced?: boolean }} [options] `replaced`: also where an older one works.
 */
export function keepCopies(source, { replaced = false } = {}) {
  // The tests and benches of a clone load npm's package by its name.
  const target = isClone ? npmFolder() : inPackage;
  for (const folder of [target, inCache]) {
    if (folder === undefined || folder === source) continue;
    if (existsSync(join(folder, place.FILE_NAME)) && !broken.has(folder) && !replaced) continue;
    try {
      copyWhole(source, folder);
      say(`put the FAISS binding into ${folder}`);
    } catch (error) {
      say(`cannot keep the FAISS binding in ${folder} (${error.message}): it is used from ${source}`);
    }
  }
}

/** The folder of the binding in npm's package; undefined where the package is not installed. */
export function npmFolder() {
  try {
    return join(dirname(requireFromRoot.resolve("faiss-node/package.json")), "build", "Release");
  } catch {
    return undefined;
  }
}

/** npm's package with the sources: the installed one, or one in a temporary folder, as its install may have failed. */
export function sourcesFolder() {
  // The tests of a clone need npm's package itself.
  if (isClone && npmFolder() === undefined) installDroppedPackage("faiss-node");
  const installed = npmFolder();
  if (installed !== undefined) return join(installed, "..", "..");
  const temporary = mkdtempSync(join(tmpdir(), "mnemosync-setup-"));
  process.on("exit", () => rmSync(temporary, { recursive: true, force: true }));
  installInto(temporary, `faiss-node@${place.BINDING_VERSION}`);
  return join(temporary, "node_modules", "faiss-node");
}

function works(/** @type {string} */ folder) {
  if (bindingFailure(join(folder, place.FILE_NAME)) === undefined) return true;
  broken.add(folder);
  return false;
}

/**
 * Lets a search find a vector that was added. In a child: a broken binding takes its whole process down.
 * @returns {string | undefined} the reason of a failure; undefined when the binding works.
 */
export function bindingFailure(/** @type {string} */ binding) {
  if (!existsSync(binding)) return `there is no ${binding}`;
  const probe = `
    const { IndexFlatIP } = require(process.argv[1]);
    const index = new IndexFlatIP(2);
    index.add([0, 1, 1, 0]);
    let [found] = index.search([1, 0], 1).labels;
    if (found === 1 && index.searchMany) {
      const labels = new Int32Array(1);
      index.searchMany(Float32Array.of(1, 0), 1, new Float32Array(1), labels, 0);
      [found] = labels;
    }
    if (found !== 1) throw new Error("a search does not find the vector that was added");`;
  const { ok, output } = run(process.execPath, ["-e", probe, binding], { timeoutMs: 30_000 });
  return ok ? undefined : output;
}

/** The version of our own source of which the binding that loads first was compiled; empty for any other binding. */
export function bindingSourceVersion() {
  const found = [npmFolder(), ...(isClone ? [] : [inPackage]), inCache].find((folder) => folder && works(folder));
  if (found === undefined) return "";
  const probe = `process.stdout.write(require(process.argv[1]).sourceVersion ?? "");`;
  return run(process.execPath, ["-e", probe, join(found, place.FILE_NAME)], { timeoutMs: 30_000 }).output.trim();
}

/** A process that loads the binding meanwhile finds all of the old folder or all of the new one. */
function copyWhole(/** @type {string} */ source, /** @type {string} */ target) {
  const parent = dirname(target);
  mkdirSync(parent, { recursive: true });
  for (const name of readdirSync(parent)) {
    if (name.startsWith(`${basename(target)}.draft-`)) rmSync(join(parent, name), { recursive: true }); // Of a killed setup.
  }
  const draft = `${target}.draft-${process.pid}`;
  cpSync(source, draft, { recursive: true, dereference: true });
  rmSync(target, { recursive: true, force: true });
  renameSync(draft, target);
}
