import { expect, onTestFinished, test } from "vitest";
import { StoreEpochError } from "../../src/domain/errors.ts";
import type { MemoryChange } from "../../src/domain/memory.ts";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { MemorySynchronizer } from "../../src/index.ts";
import { PastLedger } from "../../src/ledger/past-ledger.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { openWorld, type World } from "../support/world.ts";

/**
 * Goal: once a new epoch has begun, stores refuse what was written in an earlier one, before they are compared. Method: a
 * node that does not know the new epoch yet, and what Redis and FAISS hold after its writes.
 */

const soon = (): AbortSignal => AbortSignal.timeout(90_000);
const within = { timeout: 60_000, interval: 20 };

/** Begins a new epoch, as a node does that has seen a mark which the ledger lost. */
async function beginEpoch({ databaseUrl }: World): Promise<string> {
  const pool = new PostgresPool(databaseUrl, { max: 2 });
  onTestFinished(() => pool.close());
  const past = new PastLedger(pool, { callTimeoutMs: 20_000, log: silentLog });
  const { epoch } = await past.prove(soon());
  const lost = (await past.mark(soon())).replace(/\..*/, ".lost");
  const begun = await past.prove(soon(), [{ epoch, marks: [lost] }]);
  expect(begun.epoch).not.toBe(epoch);
  return begun.epoch;
}

test("Redis bears the new epoch before it is compared, and refuses a node that writes in the earlier one", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.fill(3);
  await world.sync.checkConsistency();
  const epoch = await beginEpoch(world);
  const second = await MemorySynchronizer.connect({ ...world.connectOptions, nodeId: "second" });
  onTestFinished(() => second.close());
  expect(await world.redis.hgetall(`${world.prefix}:owner`)).toMatchObject({ epoch, mark: "" });

  const outcome = await world.put(world.memory(0, { content: "of the earlier epoch" }));
  expect(outcome).toMatchObject({ status: "degraded", stores: { postgres: "applied", redis: "pending" } });
  expect(await world.redis.hget(world.redisKey("m0"), "version")).toBe("1");

  // The refusal makes the node look: it learns the epoch without a restart, and Redis was never taken for broken.
  await expect
    .poll(async () => {
      await world.sync.backlog.drain();
      return await world.redis.hget(world.redisKey("m0"), "version");
    }, within)
    .toBe("2");
  expect(await world.put(world.memory(1, { content: "of the new epoch" }))).toMatchObject({ status: "synced" });
  // Not shown from Redis until it was compared as a whole.
  expect(await second.get("m1")).toMatchObject({ content: "of the new epoch", source: "postgres" });
  expect(await second.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  await expect.poll(async () => (await second.get("m1"))?.source, within).toBe("redis");
});

test("FAISS refuses changes of another epoch than that of the ledger from which it is filled", async (t) => {
  const world = await openWorld(t, { clients: "own" });
  await world.fill(2);
  const faiss = world.index;
  const key = { namespace: "default", memoryId: "m0" };
  const newer: MemoryChange = { ...key, kind: "tombstone", version: 7, modifiedAt: Date.now() };
  const failure = await faiss.publish([newer], soon(), undefined, "another epoch").catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(StoreEpochError);
  expect(await faiss.read([key], { data: false }, soon())).toMatchObject([{ version: 1 }]);
  expect(await faiss.publish([newer], soon())).toEqual(["applied"]);
});
