import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { MemorySynchronizer } from "../../src/index.ts";
import { LATE_MS } from "../../src/write/late-publish.ts";
import { openWorld } from "../support/world.ts";

/**
 * Goal: under a `volatile-*` policy, where Redis drops tombstones first, a late publish does not bring a deleted memory
 * back. Method: a writer is held between its commit and its publish while another one deletes the memory, and Redis really
 * evicts the tombstone.
 */
test("a publish that comes late over an evicted tombstone is put right before it is answered", async (t) => {
  let hold: Promise<void> | null = null;
  const onStep = (step: string) => (step === "committed" ? (hold ?? undefined) : undefined);
  const settings = { "maxmemory-policy": "volatile-ttl" };
  const world = await openWorld(t, { faiss: false, ownRedis: { settings }, settings: { onStep } });
  await world.fill(1);
  const { onStep: _, ...options } = world.connectOptions;
  const other = await MemorySynchronizer.connect({ ...options, nodeId: "other" });
  t.onTestFinished(() => other.close());
  let release = (): void => undefined;
  hold = new Promise((resolve) => {
    release = resolve;
  });
  t.onTestFinished(() => release());
  const late = world.put(world.memory(0, { content: "late" }));
  await expect
    .poll(async () => (await world.sql`select 1 from mnemosync.memory_versions where version = 2`).length)
    .toBe(1);
  expect(await other.delete("m0")).toMatchObject({ version: 3, status: "synced" });
  expect(await world.redis.hget(world.redisKey("m0"), "deleted")).toBe("1");
  // Real eviction: the tombstone is the only key with a TTL.
  await world.redis.config("SET", "maxmemory", "1");
  await world.redis.set("filler", "x").catch(() => undefined);
  expect(await world.redis.exists(world.redisKey("m0"))).toBe(0);
  await world.redis.config("SET", "maxmemory", "0");
  await pause(LATE_MS); // The moment from which a publish counts as late, by the clock of the process.
  release();
  await late;
  expect(await world.redis.hgetall(world.redisKey("m0"))).toMatchObject({ version: "3", deleted: "1" });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
});
