#!/usr/bin/env node
/**
 * Makes the archives of a release: the built program with all that it needs but Node, for each platform.
 *
 *     node scripts/release/release.mjs [--platform linux-x64]… [--all] [--output FOLDER] [--dirty]
 *
 * Without a platform it is that of this machine, which then brings the FAISS binding along; elsewhere `mnemosync setup` provides it.
 * The prebuilt SQLite driver of another platform is fetched from npm's registry.
 *
 * The same commit gives the same bytes wherever the packages are those of package-lock.json, and tar and gzip the same. One part is none
 * of the commit's: the binding, which was compiled on this machine. An archive without it is the same on each.
 * So a tree that is not what its commit says is refused; `--dirty` is for a trial, and `mnemosync --version` tells it.
 *
 * Needs a clone that is set up (npm run setup), GNU tar and gzip.
 */
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildDist } from "../setup/build.mjs";
import { withLock } from "../setup/lock.mjs";
import { buildText, commitOf, run } from "./build-file.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const require = createRequire(join(root, "package.json"));
/** @type {import("../setup/binding-place.cjs")} */
const place = require("./scripts/setup/binding-place.cjs");

/** Packages with the prebuilt SQLite driver, by platform. */
const DRIVERS = /** @type {Record<string, string[]>} */ ({
  "linux-x64": ["@libsql/linux-x64-gnu", "@libsql/linux-x64-musl"],
  "linux-arm64": ["@libsql/linux-arm64-gnu", "@libsql/linux-arm64-musl"],
  "darwin-x64": ["@libsql/darwin-x64"],
  "darwin-arm64": ["@libsql/darwin-arm64"],
});
const OWN = `${process.platform}-${process.arch}`;
/** Of the repository, as they are. */
const COPIED = [
  "LICENSE",
  "README.md",
  "CHANGELOG.md",
  "SECURITY.md",
  "docs",
  "ops",
  "sql",
  "samples",
  "scripts/setup.mjs",
  "scripts/setup",
];

const { values } = parseArgs({
  options: {
    platform: { type: "string", multiple: true },
    all: { type: "boolean", default: false },
    output: { type: "string", default: join(root, "release") },
    dirty: { type: "boolean", default: false },
  },
});
const platforms = values.all ? Object.keys(DRIVERS) : (values.platform ?? [OWN]);
const unknown = platforms.find((platform) => !(platform in DRIVERS));
if (unknown !== undefined) {
  console.error(`release: there is no platform ${unknown}: expected ${Object.keys(DRIVERS).join(", ")}`);
  process.exit(1);
}

const { commit, changes, time } = commitOf(root);
if (changes.length > 0 && !values.dirty) {
  const some = `${changes.slice(0, 5).join(", ")}${changes.length > 5 ? ", …" : ""}`;
  console.error(`release: ${changes.length} files are not as commit ${commit.slice(0, 12)} has them: ${some}`);
  console.error("release: commit them or put them away; --dirty makes a trial that no commit stands for");
  process.exit(1);
}

withLock(buildDist);
const output = resolve(values.output);
const draft = mkdtempSync(join(tmpdir(), "mnemosync-release-"));
try {
  mkdirSync(output, { recursive: true });
  const archives = platforms.map(archive);
  const sums = archives.map(
    (path) => `${createHash("sha256").update(readFileSync(path)).digest("hex")}  ${basename(path)}`,
  );
  writeFileSync(join(output, "SHA256SUMS"), `${sums.join("\n")}\n`);
  console.log(archives.join("\n"));
} finally {
  rmSync(draft, { recursive: true, force: true });
}

/** @returns the archive's path. */
function archive(/** @type {string} */ platform) {
  const { name, version, license, engines, bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const folder = `${name}-${version}-${platform}`;
  const target = join(draft, folder);
  mkdirSync(target);
  // Tracked files only: beside them may lie keys.
  for (const path of run("git", ["ls-files", "-z", ...COPIED], root)
    .split("\0")
    .filter(Boolean)) {
    cpSync(join(root, path), join(target, path));
  }
  cpSync(join(root, "dist", "program"), join(target, "dist", "program"), { recursive: true });
  cpSync(join(root, "scripts", "release", "install.sh"), join(target, "install.sh"));
  const manifest = { name, version, license, type: "module", engines, bin };
  writeFileSync(join(target, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(join(target, "build.json"), buildText(root));
  copyDriver(target, DRIVERS[platform] ?? []);
  if (platform === OWN) copyBinding(target);
  const path = join(output, `${folder}.tar.gz`);
  // Nothing of the one who makes it: not the order of folders, times, owners, nor what the umask left of modes.
  const owner = ["--owner=0", "--group=0", "--numeric-owner", "--mode=a=rX,u+w"];
  const reproducible = ["--sort=name", `--mtime=@${time}`, ...owner];
  run("tar", [...reproducible, "--use-compress-program=gzip -n", "-cf", path, folder], draft);
  return path;
}

/** libsql, what it needs, and its prebuilt binaries. */
function copyDriver(/** @type {string} */ target, /** @type {string[]} */ packages) {
  for (const name of ["libsql", "@neon-rs/load", "detect-libc"]) copyPackage(name, target);
  const { version } = JSON.parse(readFileSync(join(root, "node_modules/libsql/package.json"), "utf8"));
  for (const name of packages) {
    if (copyPackage(name, target)) continue;
    const [packed] = JSON.parse(
      run("npm", ["pack", `${name}@${version}`, "--json", "--pack-destination", draft], draft),
    );
    const folder = join(target, "node_modules", name);
    mkdirSync(folder, { recursive: true });
    run("tar", ["-xzf", join(draft, packed.filename), "--strip-components=1", "-C", folder], draft);
  }
}

/** @returns {boolean} whether the clone has it. */
function copyPackage(/** @type {string} */ name, /** @type {string} */ target) {
  const source = join(root, "node_modules", name);
  if (!existsSync(source)) return false;
  const copy = join(target, "node_modules", name);
  mkdirSync(dirname(copy), { recursive: true });
  cpSync(source, copy, { recursive: true });
  return true;
}

/** The FAISS binding of this machine, where set-up has put it. Without one the index needs `mnemosync setup`. */
function copyBinding(/** @type {string} */ target) {
  const { inCache } = place.bindingFolders(root);
  if (!existsSync(join(inCache, place.FILE_NAME))) return;
  const folder = join(target, "binding", basename(inCache));
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(inCache)) cpSync(join(inCache, name), join(folder, name), { recursive: true });
}
