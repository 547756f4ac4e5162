import { chmod, lstat, mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Vectors reveal much of their source text, so only the program's user may read the files. */
export const FOLDER_MODE = 0o700;
export const FILE_MODE = 0o600;
const OTHERS = 0o077;

/** Names that this program creates in an index folder. */
const OWN_NAMES: ReadonlySet<string> = new Set(["lock", "lock.takeover", "snapshots", "building"]);
/** Recursion limit, deeper than any of the program's files. */
const DEPTH_MAX = 4;

/** Creates a private folder if it does not exist; missing parents get the default mode. */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  await mkdir(folder, { mode: FOLDER_MODE }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

/** A file or folder of an index that other users can read, list or change. */
export interface ExposedPath {
  readonly path: string;
  /** Permission bits, e.g. `0o644`. */
  readonly mode: number;
  readonly isFolder: boolean;
}

/**
 * The paths of an index that other users can access: its files and folders, and `directory` itself if it holds nothing
 * else. A shared folder (a home folder, `/tmp`) is never restricted. Windows has no such modes: the result is empty there.
 */
export async function exposedPaths(directory: string): Promise<ExposedPath[]> {
  if (process.platform === "win32") return [];
  const names = await namesIn(directory);
  const exposed: ExposedPath[] = [];
  if (names.length > 0 && names.every((name) => OWN_NAMES.has(name))) await look(directory, 0);
  else for (const name of names) if (OWN_NAMES.has(name)) await look(join(directory, name), 1);
  return exposed;

  async function look(path: string, depth: number): Promise<void> {
    const found = await lstat(path).catch(ignoreGone);
    if (found === undefined || found.isSymbolicLink()) return; // A symbolic link has no mode, and its target may belong to another program.
    const isFolder = found.isDirectory();
    if ((found.mode & OTHERS) !== 0) exposed.push({ path, mode: found.mode & 0o777, isFolder });
    if (!isFolder || depth >= DEPTH_MAX) return;
    for (const name of await namesIn(path)) await look(join(path, name), depth + 1);
  }
}

/**
 * Removes other users' permissions from the paths that `exposedPaths` found: earlier versions wrote snapshots that every
 * user of the machine could read. @returns the corrected paths, and the unchanged ones that belong to another user.
 */
export async function closeToOthers(directory: string): Promise<{ corrected: string[]; left: string[] }> {
  const corrected: string[] = [];
  const left: string[] = [];
  for (const { path, isFolder } of await exposedPaths(directory)) {
    try {
      await chmod(path, isFolder ? FOLDER_MODE : FILE_MODE);
      corrected.push(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") continue; // Removed meanwhile.
      left.push(path);
    }
  }
  return { corrected, left };
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(ignoreGone)) ?? [];
}

function ignoreGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
