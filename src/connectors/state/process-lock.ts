import { link, readFile, rename, rm, writeFile } from "node:fs/promises";

/** Attempts to take a lock that dead processes left. */
const TRIES_MAX = 3;

/**
 * Takes a lock file for this process. One that a dead process left is taken over; a process of another machine is not seen, so
 * the file must lie on a disk of this one.
 * @returns what gives it free; null while another process that lives has it.
 */
export async function takeLock(path: string): Promise<(() => Promise<void>) | null> {
  const own = `${path}.${process.pid}`;
  try {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      // Filled before it has its name, so that nobody reads a lock without its process.
      await writeFile(own, String(process.pid), { mode: 0o600 });
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

async function isHeld(path: string): Promise<boolean> {
  const text = await readFile(path, "utf8").catch(ignoreMissing);
  const pid = Number(text ?? "");
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}
