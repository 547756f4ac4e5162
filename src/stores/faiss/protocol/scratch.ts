import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRunning, ownIdentity } from "../../../runtime/process-identity.ts";

const PREFIX = "mnemosync-faiss";
/** A memory file system, if there is one: writing a block to disk takes four times as long. */
const BASES = ["/dev/shm", tmpdir()];

/**
 * Creates private folders for short-lived files, best first; at least one. Their names contain this process's identity, so
 * that a later process on this machine can recognize and remove abandoned ones.
 */
export async function createScratch(): Promise<string[]> {
  const { pid, startedAt, domain } = ownIdentity();
  const name = [PREFIX, domain, pid, startedAt, randomBytes(4).toString("hex")].join("-");
  const folders: string[] = [];
  let failure: unknown;
  for (const base of new Set(BASES)) {
    try {
      await mkdir(join(base, name), { mode: 0o700 });
      folders.push(join(base, name));
    } catch (error) {
      failure = error; // The file system does not exist or is not writable: try the next one.
    }
  }
  if (folders.length === 0) throw failure;
  return folders;
}

/** Never rejects: a folder that cannot be removed now is removed as abandoned after this process has ended. */
export async function removeScratch(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    // A worker of a killed host may write another file into the folder during the removal.
    const options = { recursive: true, force: true, maxRetries: 20, retryDelay: 50 };
    await rm(folder, options).catch(() => undefined);
  }
}

/** Removes the abandoned folders of killed processes. @returns how many. */
export async function removeAbandonedScratch(): Promise<number> {
  let removed = 0;
  for (const base of new Set(BASES)) {
    const names = await readdir(base).catch(() => []); // The base does not exist: there is nothing to remove.
    for (const name of names) {
      const [, domain, pid, startedAt] = new RegExp(`^${PREFIX}-([^-]+)-(\\d+)-([^-]+)-`).exec(name) ?? [];
      if (domain === undefined || pid === undefined || startedAt === undefined) continue;
      if (isRunning({ domain, pid: Number(pid), startedAt }) !== false) continue;
      await rm(join(base, name), { recursive: true, force: true }).catch(() => {
        // The folder belongs to another user, or another process is removing it: no reason to fail a start.
      });
      removed++;
    }
  }
  return removed;
}
