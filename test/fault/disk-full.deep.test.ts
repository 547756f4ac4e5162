import { test as base, expect, inject } from "vitest";
import { startEmbeddedPostgres } from "../../src/dev/postgres-server.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import { MemorySynchronizer, MnemosyncError } from "../../src/index.ts";
import { SmallDisk } from "../support/small-disk.ts";

/**
 * Goal: while PostgreSQL's disk is full, reads go on, no write is acknowledged and lost, and none is reported failed and
 * stored; with room again, writes go on by themselves. Method: a real server on a small tmpfs that is shrunk to what it
 * holds. Where the write-ahead log finds no room the server ends itself, which its supervisor answers with a start.
 */

const lines: string[] = [];
const disk = SmallDisk.mount((line) => lines.push(line));
// biome-ignore lint/suspicious/noConsole: a test that is skipped says why.
if (disk === null) console.warn(lines.join("\n"));
const test = base.skipIf(disk === null);

const TEXT = "x".repeat(20_000);

test("a full disk refuses writes and loses none, and writes go on once it has room", {
  timeout: 300_000,
}, async (t) => {
  const full = disk as SmallDisk;
  t.onTestFinished(() => full.unmount());
  const server = await startEmbeddedPostgres({
    parentFolder: full.folder,
    settings: { max_wal_size: "64MB", min_wal_size: "32MB", restart_after_crash: "on" },
  });
  t.onTestFinished(() => server.close());
  const sync = await MemorySynchronizer.connect({
    postgresUrl: server.url,
    redisUrl: inject("redisUrl"),
    redisPrefix: `disk-${process.pid}`,
    retriesMax: 1,
    inDoubtTimeoutMs: 1_000,
  });
  t.onTestFinished(() => sync.close());
  const checksums = new Map<string, string>();
  const refused = new Map<string, string>();
  let number = 0;
  const write = async (): Promise<boolean> => {
    const memoryId = `m${number++}`;
    try {
      // Text that does not compress: it needs blocks.
      const noise = Array.from({ length: 400 }, () => Math.random().toString(36)).join("");
      const outcome = await sync.syncMemory(memoryId, { content: noise + TEXT, memoryType: "note" });
      checksums.set(memoryId, outcome.checksum ?? "");
      return true;
    } catch (error) {
      if (!(error instanceof MnemosyncError)) throw error;
      expect(error.retryable).toBe(true);
      refused.set(memoryId, error.code);
      return false;
    }
  };
  for (let turn = 0; turn < 20; turn++) expect(await write()).toBe(true);
  full.fill();
  await pollUntil("a write that finds no room", 60_000, async () => !(await write()));
  for (let turn = 0; turn < 5; turn++) await write();
  expect(await sync.get("m0")).toMatchObject({ memoryId: "m0", checksum: checksums.get("m0") });
  full.makeRoom();
  await pollUntil("writes after the disk had room", 60_000, async () => {
    await server.start(); // It may have ended itself for good.
    return await write();
  });
  for (const [memoryId, checksum] of checksums) {
    expect(await sync.get(memoryId), memoryId).toMatchObject({ checksum });
  }
  const certain = [...refused].filter(([, code]) => code !== "COMMIT_OUTCOME_UNKNOWN");
  for (const [memoryId, code] of certain) expect(await sync.get(memoryId), `${memoryId}: ${code}`).toBeNull();
  expect(refused.size).toBeGreaterThan(0);
  await sync.backlog.drain();
  expect((await sync.checkConsistency({ scope: "deep" })).findings).toEqual([]);
});
