import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { ConfigurationError } from "../../../src/domain/errors.ts";
import { isRunning, ownIdentity } from "../../../src/runtime/process-identity.ts";
import { DirectoryLock } from "../../../src/stores/faiss/snapshots/directory-lock.ts";
import { temporaryFolder } from "./support.ts";

let directory: string;
beforeEach(async () => {
  const folder = await temporaryFolder();
  directory = join(folder.path, "index");
  return folder.remove;
});

const place = async (content: string): Promise<void> => {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "lock"), content);
};

test("one owner at a time holds the lock, named by its pid; after the release the next one gets it", async () => {
  const lock = await DirectoryLock.acquire(directory);
  await expect(DirectoryLock.acquire(directory)).rejects.toThrow(/in use by another synchronizer of this process/);
  await lock.release();
  await lock.release();
  const next = await DirectoryLock.acquire(directory);
  await lock.release(); // Not its own any more.
  await expect(DirectoryLock.acquire(directory)).rejects.toThrow(ConfigurationError);
  await next.release();
  expect(await readdir(directory)).toEqual([]);
});

test("a live process keeps the lock and is named; the lock of a dead one is taken over", async () => {
  const child = spawn("sleep", ["60"]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const stat = await readFile(`/proc/${child.pid}/stat`, "latin1");
  const startedAt = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  await place(JSON.stringify({ ...ownIdentity(), pid: child.pid, startedAt }));
  await expect(DirectoryLock.acquire(directory)).rejects.toThrow(`process ${child.pid}`);
  child.kill("SIGKILL");
  await once(child, "exit");
  await (await DirectoryLock.acquire(directory)).release();
});

test("a reused pid does not keep the lock", async () => {
  await place(JSON.stringify({ ...ownIdentity(), startedAt: "1" }));
  expect(isRunning({ ...ownIdentity(), startedAt: "1" })).toBe(false);
  await (await DirectoryLock.acquire(directory)).release();
});

test("a lock of another container, or a truncated one, expires after its last heartbeat", async () => {
  for (const content of [JSON.stringify({ pid: 1, startedAt: "1", domain: "elsewhere" }), "", "{"]) {
    await place(content);
    await expect(DirectoryLock.acquire(directory)).rejects.toThrow(/another container or machine/);
    const old = new Date(Date.now() - 60_000);
    await utimes(join(directory, "lock"), old, old);
    await (await DirectoryLock.acquire(directory)).release();
  }
});

test("exactly one of many concurrent processes takes over a stale lock", async () => {
  for (let round = 0; round < 20; round++) {
    await place(JSON.stringify({ ...ownIdentity(), startedAt: "1" }));
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => DirectoryLock.acquire(directory)));
    const got = outcomes.filter((outcome) => outcome.status === "fulfilled");
    expect(got).toHaveLength(1);
    await got[0]?.value.release();
    expect(await readdir(directory)).toEqual([]);
  }
});

test("a directory that cannot be created is reported", async () => {
  await place("");
  await expect(DirectoryLock.acquire(join(directory, "lock", "below"))).rejects.toThrow(/cannot be used/);
});
