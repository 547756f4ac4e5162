/**
 * `build.json`, which says of what a release was made: `mnemosync --version` prints it.
 *
 *     node scripts/release/build-file.mjs FILE [TAG] [COMMIT]    # as an image does, which has no clone
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

/** @returns {string} What the program printed. */
export function run(/** @type {string} */ program, /** @type {string[]} */ args, /** @type {string} */ cwd) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: "utf8", maxBuffer: 67_108_864 });
  if (status === 0) return stdout;
  throw new Error(`${program} ${args.join(" ")} failed (${status ?? error?.message}): ${stderr}`);
}

/**
 * The commit that is checked out, with the tag on it, if there is one, and its time in seconds since 1970.
 * `changes`: files that are not as the commit has them, or that it does not have; those that git ignores are left out.
 */
export function commitOf(/** @type {string} */ root) {
  const git = (/** @type {string[]} */ ...args) => run("git", args, root).trim();
  const tags = git("tag", "--points-at", "HEAD", "--sort=-version:refname").split("\n");
  const changes = run("git", ["status", "--porcelain"], root).split("\n").filter(Boolean);
  const time = Number(git("log", "-1", "--format=%ct"));
  return {
    tag: tags[0] || null,
    commit: git("rev-parse", "HEAD"),
    time,
    changes: changes.map((line) => line.slice(3)),
  };
}

export function buildText(/** @type {string} */ root) {
  const { tag, commit, changes } = commitOf(root);
  return textOf(tag, commit, changes.length > 0);
}

function textOf(/** @type {string | null} */ tag, /** @type {string | null} */ commit, changed = false) {
  return `${JSON.stringify({ tag, commit, ...(changed && { changed }) })}\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [file, tag, commit] = process.argv.slice(2);
  if (file === undefined) throw new Error("expected: node scripts/release/build-file.mjs FILE [TAG] [COMMIT]");
  writeFileSync(file, textOf(tag || null, commit || null));
}
