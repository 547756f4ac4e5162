import type { Stats } from "node:fs";
import { readFile, stat } from "node:fs/promises";

/** The text of a file; null: there is none. @throws every other error, e.g. of a file that may not be read. */
export async function textIfThere(path: string): Promise<string | null> {
  return await ifThere(readFile(path, "utf8"));
}

/** As `stat`; null: there is no such file. */
export async function statIfThere(path: string): Promise<Stats | null> {
  return await ifThere(stat(path));
}

/** A text as JSON; undefined: it is none, e.g. because a crash cut it off, or there is no text. */
export function jsonIfSound(text: string | null): unknown {
  try {
    return JSON.parse(text ?? "") as unknown;
  } catch {
    return undefined;
  }
}

async function ifThere<T>(look: Promise<T>): Promise<T | null> {
  try {
    return await look;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
