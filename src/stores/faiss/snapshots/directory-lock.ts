import { randomBytes } from "node:crypto";
import { open, readFile, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ConfigurationError } from "../../../domain/errors.ts";
import { FILE_MODE, makeFolder } from "./private-files.ts";
import { isRunning, ownIdentity, type ProcessIdentity } from "./process-identity.ts";

/** The owner touches its lock this often, … */
const HEARTBEAT_MS = 5_000;
/** … and where processes cannot see each other (containers, machines) one untouched for so long has no owner. */
const HEARTBEAT_MISSED_MS = 30_000;
const ATTEMPTS_MAX = 50;
/** Removing a stale lock takes a millisecond. */
const TAKEOVER_MAX_MS = 10_000;
const TAKEOVER_WAIT_MS = 20;

/**
 * Keeps a second process off a directory: two would overwrite each other's snapshots. A file that names its owner; one
 * whose owner is gone is taken over, whether its pid was given out again or not.
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

  /** @throws {ConfigurationError} Another process, or another synchronizer of this one, has the directory. */
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

  /** Safe twice. A lock that is someone else's by now stays. */
  async release(): Promise<void> {
    clearInterval(this.#heartbeat);
    if ((await readText(this.#path)) === this.#content) await rm(this.#path, { force: true });
  }

  #touch(): void {
    const now = new Date();
    utimes(this.#path, now, now).catch(() => {
      // The disk is full, or the file was removed by hand: nothing that a lock could mend.
    });
  }
}

/** Who has a directory, as far as can be told from here. */
export interface LockHolder {
  /** Null when the lock cannot be read. */
  readonly pid: number | null;
  /** `elsewhere`: of another container or machine, or unreadable; only its last sign of life tells. */
  readonly state: "running" | "gone" | "elsewhere";
  readonly heardMsAgo: number;
}

/** Who has the directory; null when nobody does. Changes nothing. */
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
  // Several may have come to this conclusion, and the slower ones must not remove the lock of the fastest: the file is
  // removed by one at a time only, after a second look.
  const takeover = `${path}.takeover`;
  if (!(await createFile(takeover, ""))) {
    if ((await ageMs(takeover)) > TAKEOVER_MAX_MS) await rm(takeover, { force: true }); // Its maker died within it.
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
    const who = owner.pid === process.pid ? "another synchronizer of this process" : `process ${owner.pid}`;
    throw new ConfigurationError(`faiss.directory ${directory} is in use by ${who}: ${advice}`);
  }
  // Another machine's or container's, or a file that its writer did not finish: only its age tells.
  const age = await ageMs(path);
  if (age > HEARTBEAT_MISSED_MS) return;
  throw new ConfigurationError(
    `faiss.directory ${directory} is in use by process ${owner?.pid ?? "unknown"} of another container or machine, ` +
      `which gave a sign of life ${Math.round(age / 1000)} s ago: ${advice}. If it is gone, its lock runs out after ` +
      `${HEARTBEAT_MISSED_MS / 1000} s`,
  );
}

/** Since the file was last written or touched; without end when it is gone. */
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
    return null; // Cut short, or not ours.
  }
}
