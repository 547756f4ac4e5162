import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import postgres from "postgres";
import { expect, inject, onTestFinished } from "vitest";
import type { EmbeddedServer } from "../../src/dev/embedded-server.ts";
import type { MemorySynchronizer } from "../../src/index.ts";
import { sampleMemory, unitVector } from "./memories.ts";

/** Nodes on a PostgreSQL that goes back, and what has to become of them. */

const soon = { timeout: 25_000, interval: 100 };

/** Options of a node on a database of its own. The ledger is to win: what it lost is to be gone. */
export async function openNode(databaseUrl: string) {
  const directory = await mkdtemp(join(tmpdir(), "mnemosync-restored-"));
  const redisPrefix = `restored-${randomBytes(6).toString("hex")}`;
  const redis = new Redis(inject("redisUrl"));
  onTestFinished(async () => {
    const keys = await redis.keys(`${redisPrefix}:*`);
    if (keys.length > 0) await redis.unlink(keys);
    redis.disconnect();
    await rm(directory, { recursive: true, force: true });
  });
  return {
    postgresUrl: databaseUrl,
    redisUrl: inject("redisUrl"),
    redisPrefix,
    faiss: { directory, dimension: 8 },
    repairStrategy: "prefer_store" as const,
    preferStoreOrder: ["postgres", "redis", "faiss"],
    syncIntervalMs: 100,
    consistencyCheckIntervalMs: 500,
    checkerLeaseMs: 600,
  };
}

/** A database of its own on a cluster. */
export async function newDatabase(cluster: EmbeddedServer): Promise<string> {
  const name = `restored_${randomBytes(4).toString("hex")}`;
  const sql = postgres(cluster.url, { max: 1, onnotice: () => undefined });
  await sql.unsafe(`create database ${name}`);
  await sql.end();
  const url = new URL(cluster.url);
  url.pathname = `/${name}`;
  return url.href;
}

/** Why each epoch of a ledger began, in order. */
export async function epochsOf(url: string): Promise<string[]> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    const rows = await sql<{ reason: string }[]>`select reason from mnemosync.epochs order by began_at`;
    return rows.map(({ reason }) => reason);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** The memory nearest to the vector of another one. */
export const foundBy = async (sync: MemorySynchronizer, number: number): Promise<string | undefined> => {
  const [nearest] = await sync.search(unitVector(number, 8), { k: 1 });
  return nearest === undefined ? undefined : `${nearest.memory.memoryId} ${nearest.memory.content}`;
};

/** Writes what the restore takes back: a change, a deletion, a new memory. */
export async function writeLost(sync: MemorySynchronizer): Promise<void> {
  const outcomes = await sync.syncBatch([
    sampleMemory(0, 8, { content: "lost", embedding: unitVector(90, 8) }),
    sampleMemory(70, 8),
  ]);
  outcomes.push(await sync.delete("m1"));
  expect(outcomes.map(({ status }) => status)).toEqual(["synced", "synced", "synced"]);
}

/** What was lost is nowhere, and all stores agree. */
export async function expectPast(sync: MemorySynchronizer): Promise<void> {
  await expect.poll(async () => (await sync.get("m0"))?.content, soon).toBe("memory number 0");
  await expect.poll(async () => (await sync.get("m1"))?.content, soon).toBe("memory number 1");
  await expect.poll(async () => await sync.get("m70"), soon).toBeNull();
  await expect.poll(() => foundBy(sync, 0).catch(() => ""), soon).toBe("m0 memory number 0");
  await expect.poll(() => foundBy(sync, 1).catch(() => ""), soon).toBe("m1 memory number 1");
  await expect
    .poll(async () => (await sync.checkConsistency({ scope: "deep" }).catch(() => null))?.clean, soon)
    .toBe(true);
}
