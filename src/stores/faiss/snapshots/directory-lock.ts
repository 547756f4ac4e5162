import { randomBytes } from "node:crypto";
import { open, readFile, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ConfigurationError } from "../../../domain/errors.ts";
import { isRunning, ownIdentity, type ProcessIdentity } from "../../../runtime/process-identity.ts";
import { FILE_MODE, makeFolder } from "./private-files.ts";

/** Heartbeat interval: the owner touches its lock this often. */
const HEARTBEAT_MS = 5_000;
/** Between containers or machines, which cannot see each other's processes, an untouched lock expires after this long. */
const HEARTBEAT_MISSED_MS = 30_000;
const ATTEMPTS_MAX = 50;
/** Expiry of the takeover file. Removing a stale lock takes a millisecond. */
const TAKEOVER_MAX_MS = 10_000;
const TAKEOVER_WAIT_MS = 20;

/**
 * An exclusive lock on a directory: two processes would overwrite each other's snapshots. The lock is a file that names
 * its owner. When the owner has ended, another process takes the lock over, even if the pid has been reused.
 */
export class DirectoryLock {
  readonly #path: string;
  readonly #content: string;
  readonly #heartbeat: NodeJS.Timeout;

  private constructor(path: string, content: string) {
    this.#path = path;
    this.#content = content;
    this.#heartbeat = setInterval(() => this.#touch(), HEARTBEAT_MS).unref();
  }

  /** @throws {ConfigurationError} Another process, or another synchronizer in this one, holds the lock. */
  static async acquire(directory: string): Promise<DirectoryLock> {
    const path = join(directory, "lock");
    const content = JSON.stringify({ ...ownIdentity(), nonce: randomBytes(8).toString("hex") });
    try {
      await makeFolder(directory);
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        if (await createFile(path, content)) return new DirectoryLock(path, content);
        await removeStale(directory, path);
      }
    } catch (error) {
      if (error instanceof ConfigurationError) throw error;
      throw new ConfigurationError(
        `faiss.directory ${directory} cannot be used (${(error as Error).message}): give a folder that can be written`,
        { cause: error },
      );
    }
    throw new ConfigurationError(`faiss.directory ${directory} is being taken by other processes at the same time`);
  }

  /** Idempotent. A lock that another owner has taken over stays. */
  async release(): Promise<void> {
    clearInterval(this.#heartbeat);
    if ((await readText(this.#path)) === this.#content) await rm(this.#path, { force: true });
  }

  #touch(): void {
    const now = new Date();
    utimes(this.#path, now, now).catch(() => {
      // The disk is full, or the file was removed by hand: the lock cannot repair either.
    });
  }
}

/** The owner of a directory's lock, as far as this process can tell. */
export interface LockHolder {
  /** Null when the lock cannot be read. */
  readonly pid: number | null;
  /** `elsewhere`: in another container or on another machine, or unreadable; only the last heartbeat is known. */
  readonly state: "running" | "gone" | "elsewhere";
  readonly heardMsAgo: number;
}

/** The owner of the lock; null when the directory is free. Changes nothing. */
export async function lockHolder(directory: string): Promise<LockHolder | null> {
  const path = join(directory, "lock");
  const content = await readText(path);
  if (content === null) return null;
  const owner = parseOwner(content);
  const running = owner === null ? null : isRunning(owner);
  const heardMsAgo = await ageMs(path);
  if (heardMsAgo === Number.POSITIVE_INFINITY) return null; // Released in the meantime.
  const state = running === null ? "elsewhere" : running ? "running" : "gone";
  return { pid: owner?.pid ?? null, state, heardMsAgo };
}

async function createFile(path: string, content: string): Promise<boolean> {
  try {
    const file = await open(path, "wx", FILE_MODE);
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Removes the lock of an owner that is gone. @throws {ConfigurationError} It is not gone. */
async function removeStale(directory: string, path: string): Promise<void> {
  await assertStale(directory, path);
  // Several processes may find the lock stale, and a slower one must not remove the new lock of the fastest. The takeover
  // file therefore lets one process at a time remove the lock, after a second check.
  const takeover = `${path}.takeover`;
  if (!(await createFile(takeover, ""))) {
    if ((await ageMs(takeover)) > TAKEOVER_MAX_MS) await rm(takeover, { force: true }); // Its creator died during the takeover.
    await delay(TAKEOVER_WAIT_MS);
    return;
  }
  try {
    await assertStale(directory, path);
    await rm(path, { force: true });
  } finally {
    await rm(takeover, { force: true });
  }
}

async function assertStale(directory: string, path: string): Promise<void> {
  const content = await readText(path);
  if (content === null) return; // Released in the meantime.
  const owner = parseOwner(content);
  const running = owner === null ? null : isRunning(owner);
  if (running === false) return;
  const advice = "stop it, or give this one another faiss.directory";
  if (owner !== null && running === true) {
    const holder = owner.pid === process.pid ? "another synchronizer of this process" : `process ${owner.pid}`;
    throw new ConfigurationError(`faiss.directory ${directory} is in use by ${holder}: ${advice}`);
  }
  // The lock is another machine's or container's, or its file is incomplete: only its age can be judged.
  const age = await ageMs(path);
  if (age > HEARTBEAT_MISSED_MS) return;
  throw new ConfigurationError(
    `faiss.directory ${directory} is in use by process ${owner?.pid ?? "unknown"} of another container or machine, ` +
      `whose last heartbeat was ${Math.round(age / 1000)} s ago: ${advice}. If it has ended, its lock expires after ` +
      `${HEARTBEAT_MISSED_MS / 1000} s`,
  );
}

/** Milliseconds since the file was last written or touched; infinity when it does not exist. */
async function ageMs(path: string): Promise<number> {
  try {
    return Date.now() - (await stat(path)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return Number.POSITIVE_INFINITY;
    throw error;
  }
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function parseOwner(content: string): ProcessIdentity | null {
  try {
    const value = JSON.parse(content) as Partial<ProcessIdentity>;
    const { pid, startedAt, domain } = value;
    if (typeof pid !== "number" || typeof startedAt !== "string" || typeof domain !== "string") return null;
    return { pid, startedAt, domain };
  } catch {
    return null; // Truncated, or not a lock of this program.
  }
}
