import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import type { ConsistencyReport } from "../../src/index.ts";
import { feedShown } from "../support/feed-shown.ts";
import { openWorld, type World } from "../support/world.ts";

/** Goal: a quick check looks at what changed, at all of that and at nothing else, and keeps looking at what it found. */

/** A quick check that is shown every write before it. */
async function quickCheck(world: World): Promise<ConsistencyReport> {
  await feedShown(world);
  return await world.sync.checkConsistency({ scope: "quick" });
}

test("the first pass looks at everything, later ones at changes, and one after no change at nothing", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.fill(30);
  const quick = () => quickCheck(world);
  expect(await quick()).toMatchObject({ clean: true, scope: "quick", checked: 30, findings: [] });
  expect(await quick()).toMatchObject({ clean: true, checked: 0 });
  await world.put(world.memory(3, { content: "changed" }));
  await world.put(world.memory(100));
  await world.sync.delete("m4"); // A deleted memory is looked at, and does not count as one that was compared.
  expect(await quick()).toMatchObject({ clean: true, checked: 2 });
});

test("drift of what changed is found and stays found until it is repaired; drift of the rest is not its business", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.fill(20);
  await quickCheck(world);
  await world.put(world.memory(1, { content: "changed" }));
  await world.untilMarked();
  await world.redis.hset(world.redisKey("m1"), "version", 1);
  await world.redis.del(world.redisKey("m2"));
  const finding = { memoryId: "m1", store: "redis", kind: "stale", expectedVersion: 2, foundVersion: 1 };
  const report = await quickCheck(world);
  expect(report).toMatchObject({ clean: false, checked: 1, findings: [finding] });
  expect((await world.sync.status()).consistency?.findings).toEqual([{ store: "redis", kind: "stale", count: 1 }]);
  const again = await quickCheck(world);
  expect(again).toMatchObject({ clean: false, findings: [finding] });
  expect(await world.sync.repairInconsistencies(again)).toMatchObject({ repaired: 1 });
  expect(await quickCheck(world)).toMatchObject({ clean: true });
  expect((await world.sync.status()).consistency?.findings).toEqual([]);
  expect((await world.sync.checkConsistency()).findings).toMatchObject([{ memoryId: "m2", kind: "missing" }]);
});

test("a memory whose publish was under way is looked at again once it should have arrived", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: { publishDeadlineMs: 30_000 } });
  await world.fill(5);
  await quickCheck(world);
  const { transactionId } = await world.put(world.memory(1, { content: "changed" }));
  await pollUntil("its mark", 30_000, async () => {
    const [row] = await world.sql`select state from mnemosync.sync_transactions where tx_id = ${transactionId}`;
    return row?.state === "published";
  });
  // As if its publish had not happened yet.
  await world.sql`update mnemosync.sync_transactions set state = 'committed', created_at = clock_timestamp()
                  where tx_id = ${transactionId}`;
  await world.redis.hset(world.redisKey("m1"), "version", 1);
  expect(await quickCheck(world)).toMatchObject({ clean: true, checked: 1 });
  // Time passes: it is overdue.
  await world.sql`update mnemosync.sync_transactions set created_at = created_at - interval '1 minute'
                  where tx_id = ${transactionId}`;
  const report = await quickCheck(world);
  expect(report).toMatchObject({ clean: false, checked: 1, findings: [{ memoryId: "m1", kind: "stale" }] });
});

test("a restored database (another epoch) makes it look at everything again", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.fill(10);
  await quickCheck(world);
  await world.sql`update mnemosync.sync_meta set value = 'restored' where name = 'store_epoch'`;
  expect(await quickCheck(world)).toMatchObject({ checked: 10 });
});

test("some stores only: what is left out is not looked at, and says nothing about when all was clean", async (t) => {
  const world = await openWorld(t);
  await world.fill(10);
  await world.redis.del(world.redisKey("m1"));
  const report = await world.sync.checkConsistency({ stores: ["faiss"] });
  expect(report).toMatchObject({ clean: true, stores: ["faiss"], checked: 10 });
  expect((await world.sync.status()).lastCleanCheckAt).toBeNull();
  expect(await world.sync.checkConsistency({ stores: ["postgres", "redis"] })).toMatchObject({ clean: false });
  await expect(world.sync.checkConsistency({ stores: [] })).rejects.toMatchObject({ code: "CONFIGURATION" });
});

test("where Redis may evict, what it does not hold is a miss; what it holds is compared as ever", async (t) => {
  const world = await openWorld(t, {
    faiss: false,
    ownRedis: { settings: { maxmemory: "100mb", "maxmemory-policy": "allkeys-lru" } },
  });
  await world.fill(20);
  await world.redis.del(world.redisKey("m1"), world.redisKey("m2"));
  await world.redis.hset(world.redisKey("m3"), "version", 9);
  for (const scope of ["full", "deep"] as const) {
    const report = await world.sync.checkConsistency({ scope });
    expect(report).toMatchObject({ misses: 2, findings: [{ memoryId: "m3", kind: "ahead" }] });
  }
  await world.redis.config("SET", "maxmemory-policy", "volatile-lru");
  await world.put(world.memory(50, { expiresAt: "2999-01-01T00:00:00.000Z" }));
  await world.untilMarked();
  await world.redis.del(world.redisKey("m50"));
  const report = await world.sync.checkConsistency();
  expect(report.misses).toBe(1);
  expect(report.findings.map(({ memoryId }) => memoryId).sort()).toEqual(["m1", "m2", "m3"]);
  await world.redis.config("SET", "maxmemory", "0");
  expect((await world.sync.checkConsistency()).findings).toHaveLength(4);
});
