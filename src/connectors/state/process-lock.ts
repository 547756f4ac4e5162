import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import * as z from "zod";
import { jsonIfSound } from "../../runtime/if-there.ts";
import { isRunning, ownIdentity } from "../../runtime/process-identity.ts";

/** Attempts to take a lock that dead processes left. */
const TRIES_MAX = 3;

/**
 * Takes a lock file for this process. One that a dead process left is taken over, also where its pid was given out again. A lock
 * of another container or machine, whose processes are not seen from here, holds until its file is removed.
 * @returns what gives it free; null while another process has it.
 */
export async function takeLock(path: string): Promise<(() => Promise<void>) | null> {
  const own = `${path}.${process.pid}`;
  try {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      // Filled before it has its name, so that nobody reads a lock without its process.
      await writeFile(own, JSON.stringify(ownIdentity()), { mode: 0o600 });
      if (await linked(own, path)) return async () => await rm(path, { force: true });
      if (await isHeld(path)) return null;
      await setAside(path, own);
    }
    return null;
  } finally {
    await rm(own, { force: true });
  }
}

/** Takes a dead process's lock away. Another process may have done so and taken the lock: then that one is put back. */
async function setAside(path: string, own: string): Promise<void> {
  const aside = `${own}.old`;
  await rename(path, aside).catch(ignoreMissing);
  if (await isHeld(aside)) await linked(aside, path);
  await rm(aside, { force: true });
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

const identitySchema = () => z.object({ pid: z.int().positive(), startedAt: z.string(), domain: z.string() });

async function isHeld(path: string): Promise<boolean> {
  const text = await readFile(path, "utf8").catch(ignoreMissing);
  if (text === undefined) return false;
  const owner = identitySchema().safeParse(jsonIfSound(text));
  // What names no process is no lock of this program. Of a process that cannot be seen, the lock counts.
  return owner.success && isRunning(owner.data) !== false;
}

function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}
