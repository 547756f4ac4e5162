import { expect, onTestFinished, type TestContext, test } from "vitest";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { MemorySynchronizer } from "../../src/index.ts";
import { PastLedger } from "../../src/ledger/past-ledger.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { rememberLedger } from "../support/ledger-past.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { openWorld, type World, type WorldOptions } from "../support/world.ts";

/**
 * Goal: after the ledger lost a version, no read of any node shows it once the new epoch is proven, although Redis holds it
 * still. Method: the ledger is put back in place, as an asynchronous failover does; nodes that have not seen the memory
 * before read it, so that neither floors nor what they disproved help them.
 */

const within = { timeout: 60_000, interval: 20 };
const soon = (): AbortSignal => AbortSignal.timeout(90_000);

/** A world whose ledger has lost version 2 of `m0`, which Redis holds. `lose` puts the ledger back and proves it. */
async function openLoss(t: TestContext, settings: WorldOptions["settings"] = {}) {
  const world = await openWorld(t, { faiss: false, ownRedis: true, settings });
  const pool = new PostgresPool(world.databaseUrl, { max: 2 });
  onTestFinished(() => pool.close());
  const past = new PastLedger(pool, { callTimeoutMs: 20_000, log: silentLog });
  await past.prove(soon());
  await world.fill(3);
  expect(await world.sync.checkConsistency()).toMatchObject({ clean: true });
  const restore = await rememberLedger(world.sql);
  const lost = await world.put(world.memory(0, { content: "lost" }));
  past.noteCommitted(lost.transactionId as string);
  const lose = async (): Promise<void> => {
    await restore();
    await past.prove(soon());
  };
  return { world, lose };
}

async function openReader(world: World, options: Partial<Parameters<typeof MemorySynchronizer.connect>[0]> = {}) {
  const { onStep: _, ...given } = world.connectOptions;
  const reader = await MemorySynchronizer.connect({ ...given, nodeId: "reader", ...options });
  onTestFinished(() => reader.close());
  return reader;
}

test("a Redis that was silent when the new epoch was proven shows nothing of the earlier one on its return", async (t) => {
  const { world, lose } = await openLoss(t);
  const proxy = await TcpProxy.start(world.redisServer?.port as number);
  onTestFinished(() => proxy.close());
  const events: string[] = [];
  const write = (_fields: unknown, event?: string): void => void events.push(String(event));
  const log = { debug: write, info: write, warn: write, error: write, child: () => log };
  const reader = await openReader(world, {
    redisUrl: proxy.through(world.redisUrl),
    log: log as never,
    syncIntervalMs: 100,
    consistencyCheckIntervalMs: 3_600_000,
    healthCheckIntervalMs: 3_600_000,
    storeFailuresMax: 1_000,
    retriesMax: 0,
  });
  reader.start();
  expect(await reader.get("m0")).toMatchObject({ content: "lost", source: "redis" });
  proxy.blackHole();
  await lose();
  // The end of a look at which the ledger answered and Redis did not, begun after the loss: the second one at the latest.
  const ended = () => events.filter((event) => event === "store.standing_unknown").length;
  const before = ended();
  await expect.poll(ended, within).toBeGreaterThanOrEqual(before + 2);
  await proxy.pass(); // The link did not break.
  for (let turn = 0; turn < 50; turn++) expect((await reader.get("m0"))?.content).not.toBe("lost");
});

test("a check that passes over a memory on its way does not confirm a Redis that holds a lost version of it", async (t) => {
  let hold: Promise<void> | null = null;
  let release = (): void => undefined;
  const { world, lose } = await openLoss(t, {
    onStep: (step: string) => (step === "committed" ? (hold ?? undefined) : undefined),
  });
  await lose();
  const reader = await openReader(world);
  expect(await reader.get("m1")).toMatchObject({ source: "postgres" });
  hold = new Promise((resolve) => {
    release = resolve;
  });
  onTestFinished(() => release());
  // It is version 2 again, committed and not published: Redis need not have it yet.
  const held = world.put(world.memory(0, { content: "kept" }));
  const committed = () => world.sql`select 1 from mnemosync.memory_versions where memory_id = 'm0' and version = 2`;
  await expect.poll(async () => (await committed()).length, within).toBe(1);
  expect(await reader.checkConsistency()).toMatchObject({ clean: true });
  expect(await (await openReader(world)).get("m0")).toMatchObject({ content: "kept", source: "postgres" });
  release();
  expect(await held).toMatchObject({ status: "degraded" });
  // Its queue row is worked off: then the store holds what the ledger does, and the next check says so.
  const shownByRedis = async () => {
    await world.sync.backlog.drain();
    return await world.redis.hget(world.redisKey("m0"), "data");
  };
  await expect.poll(shownByRedis, within).toContain("kept");
  await expect
    .poll(async () => (await reader.checkConsistency()).clean && (await reader.get("m0"))?.source, within)
    .toBe("redis");
});
