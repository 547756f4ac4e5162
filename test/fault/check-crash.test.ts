import { expect, onTestFinished, test } from "vitest";
import { MemorySynchronizer } from "../../src/index.ts";
import { startCheckProcess } from "../support/run-check-process.ts";
import { openWorld, type World } from "../support/world.ts";

/** Goal: a check that is killed is gone on with, and the role of checking passes on when its holder is killed. */

const soon = { timeout: 60_000, interval: 50 };

const progressOf = async (world: World) => {
  const { consistency } = await world.sync.status();
  return consistency?.checks.find(({ scope }) => scope === "deep");
};

/** As if the killed run had fallen silent long enough ago to be taken for dead. */
const passTime = (world: World) =>
  world.sql`update mnemosync.check_progress set updated_at = updated_at - interval '1 minute'`;

test("a deep check killed with -9 half-way goes on where it was, with what it had found", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: { nodeId: "node" } });
  await world.fill(2_000);
  const drifted = Array.from({ length: 40 }, (_, at) => `m${at * 50}`);
  for (const id of drifted) await world.redis.hset(world.redisKey(id), "data", "{}");
  const process = await startCheckProcess({
    options: world.connectOptions,
    task: "deep check",
    memoriesPerSecondMax: 200,
  });
  const checked = async () => (await progressOf(world))?.checked ?? 0;
  await expect.poll(checked, soon).toBeGreaterThan(600);
  await process.kill();
  await passTime(world);
  const before = (await progressOf(world))!;
  expect(before).toMatchObject({ finishedAt: null });
  expect(before.findings).toBeGreaterThan(0);
  expect(before.coverage).toBeGreaterThan(0.2);
  expect(before.coverage).toBeLessThan(1);
  const compared: number[] = [];
  const report = await world.sync.checkConsistency({
    scope: "deep",
    onProgress: (progress) => compared.push(progress.checked),
  });
  // Nothing from before is compared again, and nothing is left out.
  expect(compared[0]).toBeGreaterThan(before.checked);
  expect(compared[0]).toBeLessThanOrEqual(before.checked + 64);
  expect(report).toMatchObject({ clean: false, resumed: true, checked: 2_000 });
  expect(new Date(report.startedAt).toISOString()).toBe(before.startedAt);
  expect(report.findings.map(({ memoryId }) => memoryId).sort()).toEqual(drifted.toSorted());
  expect(report.findings.every(({ kind, store }) => kind === "corrupt" && store === "redis")).toBe(true);
  // It has ended: the next one begins anew.
  expect(await world.sync.repairInconsistencies(report)).toMatchObject({ repaired: 40 });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, resumed: false });
});

test("one that was killed can be begun anew, and one that its caller aborted always is", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: { nodeId: "node" } });
  await world.fill(1_000);
  const order = { options: world.connectOptions, task: "deep check", memoriesPerSecondMax: 100 } as const;
  const process = await startCheckProcess(order);
  await expect.poll(async () => (await progressOf(world))?.checked ?? 0, soon).toBeGreaterThan(200);
  await process.kill();
  await passTime(world);
  await world.redis.del(...world.memories(1_000).map(({ memoryId }) => world.redisKey(memoryId)));
  const report = await world.sync.checkConsistency({ scope: "deep", resume: false });
  expect(report).toMatchObject({ resumed: false, checked: 1_000 });
  expect(report.findings).toHaveLength(1_000);
  const abort = new AbortController();
  const aborted = world.sync.checkConsistency({
    scope: "deep",
    signal: abort.signal,
    onProgress: ({ checked }) => checked > 300 && abort.abort(),
  });
  await expect(aborted).rejects.toMatchObject({ code: "ABORTED" });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ resumed: false, checked: 1_000 });
});

test("when the leader is killed with -9, the other node checks within the lease, and there was one at a time", async (t) => {
  const leaseMs = 3_000;
  const settings = { consistencyCheckIntervalMs: 50, consistencySweepMs: 200, checkerLeaseMs: leaseMs };
  const world = await openWorld(t, { faiss: false, settings: { ...settings, nodeId: "second" } });
  await world.fill(50);
  const leader = await startCheckProcess({ options: { ...world.connectOptions, nodeId: "first" }, task: "loops" });
  const third = await MemorySynchronizer.connect({ ...world.connectOptions, nodeId: "third" });
  onTestFinished(() => third.close());
  const holder = async () => {
    const [row] = await world.sql<{ holder: string; left: number }[]>`
      select holder, extract(epoch from expires_at - clock_timestamp())::float8 * 1000 as left
      from mnemosync.leases where name = 'checker'`;
    return { name: row?.holder.split("/")[0], leftMs: row?.left ?? 0 };
  };
  await expect.poll(async () => (await holder()).name, soon).toBe("first");
  world.sync.start();
  third.start();
  const checkers = async () => {
    const rows = await world.sql`select node_id from mnemosync.check_progress where scope = 'quick' order by node_id`;
    return rows.map(({ node_id }) => node_id);
  };
  await expect.poll(checkers, soon).toEqual(["first"]);
  // By the ledger's clock, which the lease runs on: from here to the next holder's first lease.
  const [killed] = await world.sql<{ at: number }[]>`select extract(epoch from clock_timestamp())::float8 * 1000 as at`;
  await leader.kill();
  await expect.poll(async () => (await holder()).name, soon).not.toBe("first");
  const next = await world.sql<{ at: number }[]>`
    select extract(epoch from expires_at)::float8 * 1000 - ${(leaseMs * 2) / 3}::float8 as at
    from mnemosync.leases where name = 'checker'`;
  expect(next[0]!.at - killed!.at).toBeLessThan(leaseMs * 2); // The lease, and a busy machine's share.
  await world.redis.del(world.redisKey("m1"));
  await expect.poll(() => world.redis.hget(world.redisKey("m1"), "version"), soon).toBe("1");
  expect((await checkers()).length).toBe(2);
});
