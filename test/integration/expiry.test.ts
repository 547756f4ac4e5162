import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { unitVector } from "../support/memories.ts";
import { sharedWorld } from "../support/world.ts";

const shared = sharedWorld();
const soon = (milliseconds: number) => new Date(Date.now() + milliseconds);

test("Redis drops a memory at the moment at which it expires, to the millisecond", async () => {
  const world = shared.current;
  const expiresAt = new Date("2031-02-03T04:05:06.789Z");
  await world.put(world.memory(1, { expiresAt }));
  expect(await world.redis.pexpiretime(world.redisKey("m1"))).toBe(expiresAt.getTime());
  expect(await world.sync.get("m1")).toMatchObject({ expiresAt: expiresAt.toISOString() });
  const [row] = await world.sql`
    select extract(epoch from expires_at)::float8 * 1000 as at from mnemosync.memory_versions where memory_id = 'm1'`;
  expect(row?.at).toBe(expiresAt.getTime());
});

test("an update without an expiry takes the old one away", async () => {
  const world = shared.current;
  await world.put(world.memory(2, { expiresAt: soon(600_000) }));
  expect(await world.redis.pttl(world.redisKey("m2"))).toBeGreaterThan(0);
  await world.put(world.memory(2));
  expect(await world.redis.pttl(world.redisKey("m2"))).toBe(-1);
  expect(await world.sync.get("m2")).not.toHaveProperty("expiresAt");
});

test("one instant given as a Date and as a text in another time zone is the same memory", async () => {
  const world = shared.current;
  const first = await world.put(world.memory(3, { expiresAt: new Date("2031-01-01T00:00:00.000Z") }));
  const second = await world.put(world.memory(3, { expiresAt: "2031-01-01T02:00:00+02:00" }));
  expect(second).toMatchObject({ status: "unchanged", checksum: first.checksum });
});

test("an expired memory is found by no read and no search, and is no drift", async () => {
  const world = shared.current;
  const namespace = "expiring";
  await world.put({ ...world.memory(10), namespace });
  await world.put({ ...world.memory(11, { expiresAt: soon(5_000) }), namespace });
  expect(await world.sync.get("m11", { namespace })).toMatchObject({ memoryId: "m11" });
  expect(await world.sync.search(unitVector(11, 8), { k: 2, namespace })).toHaveLength(2);
  const gone = async () => (await world.sync.get("m11", { namespace })) === null;
  await pollUntil("the expiry", 30_000, gone);
  const results = await world.sync.search(unitVector(11, 8), { k: 2, namespace });
  expect(results.map(({ memory }) => memory.memoryId)).toEqual(["m10"]);
  // Redis may have dropped it already; either way it is as it should be.
  const report = await world.sync.checkConsistency({ scope: "deep" });
  expect(report.findings.filter((finding) => finding.namespace === namespace)).toEqual([]);
});

test("a memory that is written when its time is over already is never seen, and no drift", async () => {
  const world = shared.current;
  const namespace = "late";
  const outcome = await world.put({ ...world.memory(20, { expiresAt: "2001-01-01T00:00:00Z" }), namespace });
  expect(outcome.version).toBe(1);
  expect(await world.sync.get("m20", { namespace })).toBeNull();
  expect(await world.sync.search(unitVector(20, 8), { k: 1, namespace })).toEqual([]);
  for (const scope of ["full", "deep"] as const) {
    const report = await world.sync.checkConsistency({ scope });
    expect(report.findings.filter((finding) => finding.namespace === namespace)).toEqual([]);
  }
  // It can be written anew.
  const revived = await world.put({ ...world.memory(20), namespace });
  expect(revived).toMatchObject({ version: 2, status: "synced" });
  expect(await world.sync.get("m20", { namespace })).toMatchObject({ version: 2, source: "redis" });
});
