import { chmod, lstat, mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Vectors say much of what they were made of: their files are for the user alone who runs the program. */
export const FOLDER_MODE = 0o700;
export const FILE_MODE = 0o600;
const OTHERS = 0o077;

/** Names of ours in the folder of an index. */
const OWN_NAMES: ReadonlySet<string> = new Set(["lock", "lock.takeover", "snapshots", "building"]);
/** Deeper than any file of ours lies below the folder. */
const DEPTH_MAX = 4;

/** Makes a private folder where there is none; its missing parents get the usual mode. */
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
 * What other users can reach of an index: its files and folders, and `directory` itself where it holds nothing but them. A
 * folder that others share (a home folder, `/tmp`) is not ours to close. Windows has no such modes: always empty there.
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
    if (found === undefined || found.isSymbolicLink()) return; // A link has no mode; its target is another's decision.
    const isFolder = found.isDirectory();
    if ((found.mode & OTHERS) !== 0) exposed.push({ path, mode: found.mode & 0o777, isFolder });
    if (!isFolder || depth >= DEPTH_MAX) return;
    for (const name of await namesIn(path)) await look(join(path, name), depth + 1);
  }
}

/**
 * Takes the rights of other users away from what `exposedPaths` found: versions before wrote snapshots that every user of
 * the machine could read. @returns the corrected paths, and those that belong to another user and stay as they are.
 */
export async function closeToOthers(directory: string): Promise<{ corrected: string[]; left: string[] }> {
  const corrected: string[] = [];
  const left: string[] = [];
  for (const { path, isFolder } of await exposedPaths(directory)) {
    try {
      await chmod(path, isFolder ? FOLDER_MODE : FILE_MODE);
      corrected.push(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") continue; // Removed in the meantime.
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
