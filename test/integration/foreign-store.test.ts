import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { MemorySynchronizer, StoreForeignError } from "../../src/index.ts";
import { postgresUrl } from "../support/services.ts";
import { createTestDatabase } from "../support/template-database.ts";
import { openWorld, type World } from "../support/world.ts";

/**
 * Goal: two ledgers on one Redis with the same prefix never read, adopt or overwrite each other's memories. Method: a
 * second database with the options of the first world.
 */

const soon = { timeout: 60_000, interval: 50 };

/** A second ledger's options: the same Redis, the same prefix. */
async function secondLedger(world: World) {
  const database = await createTestDatabase(postgresUrl());
  onTestFinished(() => database.drop());
  const { faiss: _, ...options } = world.connectOptions;
  return { ...options, postgresUrl: database.url, nodeId: "second" };
}

test("the second ledger is refused at its start, told what to do, and nothing of the first is touched", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.fill(3);
  const before = await world.footprint();
  const brand = await world.redis.hgetall(`${world.prefix}:owner`);
  expect(brand).toEqual({ ledger: expect.any(String), epoch: expect.any(String), mark: expect.any(String) });

  const connecting = MemorySynchronizer.connect(await secondLedger(world));
  const error = await connecting.then(
    (second) => second.close().then(() => null),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StoreForeignError);
  expect(error).toMatchObject({ code: "STORE_FOREIGN", store: "redis", retryable: false });
  expect((error as Error).message).toMatch(/redisPrefix.*DEL <redisPrefix>:owner/s);
  expect(await world.footprint()).toEqual(before);
  expect(await world.redis.hgetall(`${world.prefix}:owner`)).toEqual(brand);
});

test("a store that becomes another ledger's while it is used is left at once, and its memories are not adopted", async (t) => {
  const world = await openWorld(t, { faiss: false, ownRedis: { persistent: true }, settings: { retryDelayMs: 1 } });
  await world.fill(2);
  let turn = 0;
  // Another ledger moves in while the link is down: its brand, and an entry of its own.
  await world.redis.hset(`${world.prefix}:owner`, { ledger: randomBytes(8).toString("hex"), epoch: "e", mark: "" });
  await world.redis.copy(world.redisKey("m1"), world.redisKey("secret"));
  await world.redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  await expect.poll(async () => (await world.sync.get("m0"))?.source, soon).toBe("postgres");
  await expect
    .poll(async () => (await world.put(world.memory(0, { content: `turn ${turn++}` }))).reasons?.redis, soon)
    .toContain("belongs to another ledger");
  expect(await world.redis.hget(world.redisKey("m0"), "version")).toBe("1");
  await expect(world.sync.checkConsistency()).rejects.toMatchObject({ code: "STORE_FOREIGN" });
  expect((await world.sync.status()).stores.redis?.state).toBe("down");

  // The other one is gone for good: its brand is removed, and the store is used again.
  await world.redis.del(`${world.prefix}:owner`);
  await expect.poll(async () => (await world.sync.status()).stores.redis?.state, soon).toBe("healthy");
  const report = await world.sync.checkConsistency();
  expect(report.byMemory).toMatchObject({ secret: ["redis"] });
  await world.sync.repairInconsistencies(report);
  await expect
    .poll(async () => {
      await world.sync.backlog.drain(); // Does nothing until the breaker has probed the store.
      return await world.redis.hget(world.redisKey("m0"), "version");
    }, soon)
    .toBe(String(turn + 1));
  // Until it was compared as a whole and found to agree, reads go to the ledger.
  expect(await world.sync.get("m0")).toMatchObject({ source: "postgres" });
  expect(await world.sync.checkConsistency()).toMatchObject({ clean: true });
  await expect.poll(async () => (await world.sync.get("m0"))?.source, soon).toBe("redis");
  expect(await world.sync.get("m0")).toMatchObject({ content: `turn ${turn - 1}` });
});
