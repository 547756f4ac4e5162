import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRunning, ownIdentity } from "../snapshots/process-identity.ts";

const PREFIX = "mnemosync-faiss";
/** A memory file system where there is one: a block written to disk takes four times as long. */
const BASES = ["/dev/shm", tmpdir()];

/**
 * Own folders for short-lived files, best first; at least one. They carry the identity of this process, so that the
 * next one on this machine knows when nobody needs them any more.
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
      failure = error; // No such file system, or not ours to write: the next one will do.
    }
  }
  if (folders.length === 0) throw failure;
  return folders;
}

/** Never rejects: what cannot be removed now is removed as abandoned after this process. */
export async function removeScratch(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    // A worker of the host that was killed may put another file into it while it is being cleared away.
    const options = { recursive: true, force: true, maxRetries: 20, retryDelay: 50 };
    await rm(folder, options).catch(() => undefined);
  }
}

/** Removes the folders of processes that were killed before they could do so. @returns how many. */
export async function removeAbandonedScratch(): Promise<number> {
  let removed = 0;
  for (const base of new Set(BASES)) {
    const names = await readdir(base).catch(() => []); // No such base: nothing to remove.
    for (const name of names) {
      const [, domain, pid, startedAt] = new RegExp(`^${PREFIX}-([^-]+)-(\\d+)-([^-]+)-`).exec(name) ?? [];
      if (domain === undefined || pid === undefined || startedAt === undefined) continue;
      if (isRunning({ domain, pid: Number(pid), startedAt }) !== false) continue;
      await rm(join(base, name), { recursive: true, force: true }).catch(() => {
        // Another user's, or another process removes it right now: not worth failing a start for.
      });
      removed++;
    }
  }
  return removed;
}
