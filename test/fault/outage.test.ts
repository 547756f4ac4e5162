import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import type { MnemosyncError, SyncOutcome } from "../../src/index.ts";
import { expectConverged } from "../support/fault-attempts.ts";
import { faultServers } from "../support/fault-servers.ts";
import { FaultWorld } from "../support/fault-world.ts";
import { settles } from "../support/settles.ts";

/**
 * Goal: a long absence of Redis costs no write under `degrade` and changes nothing under `reject`. Method: load while it is
 * away for MNEMOSYNC_OUTAGE_SECONDS (default 2), then back; figures are printed, and nothing is asserted of a clock.
 */
const OUTAGE_MS = Number(process.env.MNEMOSYNC_OUTAGE_SECONDS ?? 2) * 1_000;
const servers = faultServers();

/** Of one who is patient: with a thousand memories to a transaction, a busy machine must not be taken for a lost store. */
const patient = { callTimeoutMs: 20_000, publishTimeoutMs: 10_000, prepareTimeoutMs: 5_000, batchSize: 500 };

async function inWorld(settings: object, work: (world: FaultWorld) => Promise<void>, faiss = true): Promise<void> {
  const world = await FaultWorld.open(servers.current, { faiss, settings: { ...patient, ...settings } });
  try {
    await work(world);
  } finally {
    await world.close();
  }
}

/** Neither the process nor its port are there. */
async function takeRedisAway(): Promise<void> {
  await servers.current.redis.kill();
  await servers.current.redisProxy.refuse();
}

/** Eight callers, each writing its own memories one after the other, until `until` has passed. */
async function load(world: FaultWorld, until: number): Promise<PromiseSettledResult<SyncOutcome>[]> {
  const results: PromiseSettledResult<SyncOutcome>[] = [];
  const caller = async (number: number): Promise<void> => {
    for (let turn = 0; performance.now() < until; turn++) {
      const memory = world.memory(number * 100 + (turn % 50), { content: `turn ${turn}` });
      results.push(await settles(`write ${turn} of caller ${number}`, world.put(memory)));
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, number) => caller(number)));
  return results;
}

test(
  `under degrade no write fails while Redis is away, each says so, and the backlog drains afterwards`,
  async () => {
    await inWorld({}, async (world) => {
      const started = performance.now();
      const filled = await world.sync.syncBatch(Array.from({ length: 3_000 }, (_, n) => world.memory(10_000 + n)));
      const batchRate = 3_000_000 / (performance.now() - started);
      expect(new Set(filled.map(({ status }) => status))).toEqual(new Set(["synced"]));
      await takeRedisAway();
      const results = await load(world, performance.now() + OUTAGE_MS);
      // More than the callers wrote, so that the rate means something.
      const more = await world.sync.syncBatch(Array.from({ length: 3_000 }, (_, n) => world.memory(20_000 + n)));
      const outcomes = [...results.map((result) => (result.status === "fulfilled" ? result.value : result)), ...more];
      for (const outcome of outcomes) {
        expect(outcome).toMatchObject({
          status: "degraded",
          stores: { postgres: "applied", redis: "pending", faiss: "applied" },
        });
      }
      await world.heal();
      const { backlog } = await world.sync.status();
      const draining = performance.now();
      await world.drain(180_000);
      const drainRate = (backlog.pending * 1_000) / (performance.now() - draining);
      process.stdout.write(
        `outage of ${OUTAGE_MS} ms: ${outcomes.length} degraded writes, ${backlog.pending} pending, ` +
          `drained at ${Math.round(drainRate)}/s, syncBatch at ${Math.round(batchRate)}/s, ` +
          `ratio ${(drainRate / batchRate).toFixed(2)}\n`,
      );
      await expectConverged(world);
    });
  },
  OUTAGE_MS + 300_000,
);

test(
  "under reject every write fails with a code while Redis is away, and nothing has changed",
  async () => {
    await inWorld({ onStoreDown: "reject" }, async (world) => {
      await world.sync.syncBatch(Array.from({ length: 10 }, (_, n) => world.memory(n * 100)));
      const memoryIds = Array.from({ length: 8 * 50 }, (_, n) => `m${Math.floor(n / 50) * 100 + (n % 50)}`);
      const before = await world.look(memoryIds);
      await takeRedisAway();
      const results = await load(world, performance.now() + OUTAGE_MS);
      expect(results.length).toBeGreaterThan(8);
      const codes = new Set(
        results.map((r) => (r.status === "rejected" ? (r.reason as MnemosyncError).code : "written")),
      );
      expect(codes).toEqual(new Set(["STORE_UNAVAILABLE"]));
      await world.heal();
      expect(await world.look(memoryIds)).toEqual(before);
      await expectConverged(world);
    });
  },
  OUTAGE_MS + 300_000,
);

test("10,000 pending memories survive a restart of everything and drain, and Redis never goes back", async () => {
  await inWorld(
    {},
    async (world) => {
      const memories = (turn: number) =>
        Array.from({ length: 10_000 }, (_, n) => {
          const { embedding: _embedding, ...fields } = world.memory(n, { content: `${n} of turn ${turn}` });
          return fields;
        });
      await world.sync.syncBatch(memories(1).slice(0, 1_000));
      await takeRedisAway();
      const outcomes = await world.sync.syncBatch(memories(2));
      expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["degraded"]));
      await world.disconnect();
      await servers.current.postgres.kill();
      await servers.current.heal();
      await world.connect();
      // Queued memories, and transactions whose memories are not queued yet.
      const [waiting] = await world.sql(
        (sql) => sql`
          select count(distinct memory_id)::int as count
          from (select memory_id from mnemosync.sync_queue
                union all select unnest(memory_ids) from mnemosync.sync_transactions where state = 'committed') w`,
      );
      expect(waiting?.count).toBe(10_000);
      const stop = new AbortController();
      const watching = watchVersions(world, stop.signal);
      const draining = world.drain(180_000);
      // Newer versions are written while the older wishes are worked off.
      await world.sync.syncBatch(memories(3).slice(0, 2_000));
      await draining;
      stop.abort();
      const { reads, wentBack } = await watching;
      process.stdout.write(`10,000 pending drained; ${reads} reads of versions meanwhile\n`);
      expect(reads).toBeGreaterThan(0);
      expect(wentBack).toEqual([]);
      await world.drain();
      await expectConverged(world);
    },
    false, // The index is not what is away, and without it the test takes a third of the time.
  );
}, 300_000);

/** Reads a hundred memories of Redis over and over. @returns those of which an older version was seen after a newer. */
async function watchVersions(world: FaultWorld, signal: AbortSignal): Promise<{ reads: number; wentBack: string[] }> {
  const memoryIds = Array.from({ length: 100 }, (_, n) => `m${n * 100}`);
  const seen = new Map<string, number>();
  const wentBack: string[] = [];
  let reads = 0;
  await world.redis(async (redis) => {
    await pollUntil("the end of the watch", 100_000, async () => {
      const versions = await Promise.all(memoryIds.map((id) => redis.hget(world.redisKey(id), "version")));
      for (const [position, text] of versions.entries()) {
        const memoryId = memoryIds[position] as string;
        const version = Number(text ?? 0);
        const before = seen.get(memoryId) ?? 0;
        if (version < before) wentBack.push(`${memoryId}: ${version} after ${before}`);
        seen.set(memoryId, version);
        reads++;
      }
      return signal.aborted;
    });
  });
  return { reads, wentBack };
}
