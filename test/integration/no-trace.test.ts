import { describe, expect, onTestFinished, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { StoreRefusedError, StoreUnavailableError } from "../../src/index.ts";
import { openWorld, type World } from "../support/world.ts";

/** Goal: a failure before the commit leaves no trace in any store, and the rest of a chunk goes through. */

/** A trigger that refuses memories whose content says POISON, as a constraint of an operator's might. */
async function poison(world: World, errorCode = "check_violation"): Promise<void> {
  await world.sql.unsafe(`
    create function refuse_poison() returns trigger language plpgsql as $$
    begin
      if new.document::text like '%POISON%' then
        raise exception 'poisoned memory %', new.memory_id using errcode = '${errorCode}';
      end if;
      return new;
    end $$;
    create trigger refuse_poison before insert or update on mnemosync.memory_bodies
      for each row execute function refuse_poison();`);
}

describe("when Redis takes no writes and the policy is to reject", () => {
  const REFUSALS: [string, (world: World) => Promise<unknown>, (world: World) => Promise<unknown>][] = [
    [
      "OOM",
      (world) => world.redis.config("SET", "maxmemory", "1", "maxmemory-policy", "noeviction"),
      (world) => world.redis.config("SET", "maxmemory", "0"),
    ],
    ["READONLY", (world) => world.redis.replicaof("127.0.0.1", 1), (world) => world.redis.replicaof("NO", "ONE")],
    [
      "NOREPLICAS",
      (world) => world.redis.config("SET", "min-replicas-to-write", "1"),
      (world) => world.redis.config("SET", "min-replicas-to-write", "0"),
    ],
  ];
  test.each(REFUSALS)("(%s), a write fails and no store shows a trace of it", async (word, refuse, accept) => {
    const world = await openWorld(
      { onTestFinished },
      { ownRedis: true, settings: { onStoreDown: "reject", retryDelayMs: 1 } },
    );
    await world.fill(10);
    await refuse(world);
    const before = await world.footprint();
    const error = await world.put(world.memory(50)).then(
      () => null,
      (reason: unknown) => reason,
    );
    // After READONLY the client takes a new connection, so that an attempt may also find none.
    if (word === "READONLY" && error instanceof StoreUnavailableError) expect(error).toMatchObject({ store: "redis" });
    else {
      expect(error).toBeInstanceOf(StoreRefusedError);
      expect(error).toMatchObject({ store: "redis", message: expect.stringContaining(word) });
    }
    const outcomes = await world.sync.syncBatch([world.memory(0, { content: "changed" }), ...world.memories(5, 60)]);
    expect(outcomes.map(({ status, version }) => [status, version])).toEqual(Array(6).fill(["failed", 0]));
    await expect(world.sync.delete("m3")).rejects.toMatchObject({ store: "redis" });
    expect(await world.footprint()).toEqual(before);
    expect(await world.sync.get("m0")).toMatchObject({ version: 1, content: "memory number 0" });
    // The failed attempts are on record for operators, with their reason.
    const rows = await world.sql`select reason from mnemosync.sync_transactions where state = 'rolled_back'`;
    const reasons = rows.map(({ reason }) => reason as string);
    expect(reasons.length).toBeGreaterThan(0);
    if (word !== "READONLY") expect(reasons).toContainEqual(expect.stringContaining(word));
    await accept(world);
    await pollUntil(
      "Redis taking writes again",
      30_000,
      async () => (await world.sync.syncBatch([world.memory(50)]))[0]?.status === "synced",
    );
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: 11 });
  });

  test("(it is gone), a write fails and no store shows a trace of it", async (t) => {
    const world = await openWorld(t, {
      ownRedis: { persistent: true },
      settings: { onStoreDown: "reject", retryDelayMs: 1 },
    });
    await world.fill(10);
    const before = await world.footprint();
    await world.redisServer?.stop();
    await expect(world.put(world.memory(50))).rejects.toBeInstanceOf(StoreUnavailableError);
    await world.redisServer?.start();
    expect(await world.footprint()).toEqual(before);
  });
});

describe("when Postgres refuses a memory", () => {
  const CODES = ["check_violation", "raise_exception"]; // The latter is what "raise exception" says by itself.
  test.each(CODES)("(%s) the rest of its chunk goes through, in all stores, and it is in none", async (errorCode) => {
    const world = await openWorld({ onTestFinished });
    await poison(world, errorCode);
    const inputs = world.memories(100);
    inputs[13] = { ...inputs[13]!, content: "POISON" };
    inputs[77] = { ...inputs[77]!, content: "POISON too" };
    const outcomes = await world.sync.syncBatch(inputs);
    outcomes.forEach(({ status, error, stores, version }, number) => {
      if (number !== 13 && number !== 77) {
        expect([number, status]).toEqual([number, "synced"]);
        return;
      }
      expect({ status, version, stores }).toEqual({
        status: "failed",
        version: 0,
        stores: { postgres: "failed", redis: "failed", faiss: "failed" },
      });
      expect(error).toMatchObject({ code: "STORE_REFUSED", store: "postgres" });
      expect(error?.message).toContain(`poisoned memory m${number}`);
    });
    const { stores } = await world.sync.status();
    expect(Object.values(stores).map(({ memories }) => memories)).toEqual([98, 98, 98]);
    expect(await world.redis.exists(world.redisKey("m13"), world.redisKey("m77"))).toBe(0);
    expect(await world.sync.search(inputs[13].embedding!, { k: 100 })).toHaveLength(98);
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: 98 });
  });

  test("an update of it leaves the old version where it was", async (t) => {
    const world = await openWorld(t);
    await world.fill(3);
    await poison(world);
    const before = await world.footprint();
    await expect(world.put(world.memory(1, { content: "POISON" }))).rejects.toBeInstanceOf(StoreRefusedError);
    expect(await world.footprint()).toEqual(before);
    expect(await world.sync.get("m1")).toMatchObject({ version: 1, content: "memory number 1" });
    expect(await world.put(world.memory(1, { content: "fine" }))).toMatchObject({ version: 2, status: "synced" });
  });
});

test.each(["locked", "prepared", "committing"] as const)(
  "what stops a write at the moment %s leaves no trace of it",
  async (moment) => {
    let armed = false;
    const onStep = (step: string) => {
      if (armed && step === moment) throw new Error(`stopped when ${step}`);
    };
    const world = await openWorld({ onTestFinished }, { settings: { onStep } });
    await world.fill(5);
    const before = await world.footprint();
    armed = true;
    await expect(world.put(world.memory(1, { content: "changed" }))).rejects.toThrow(`stopped when ${moment}`);
    const outcomes = await world.sync.syncBatch([...world.memories(3, 20), world.memory(2, { content: "changed" })]);
    expect(outcomes.map(({ status }) => status)).toEqual(["failed", "failed", "failed", "failed"]);
    await expect(world.sync.delete("m4")).rejects.toThrow(`stopped when ${moment}`);
    armed = false;
    expect(await world.footprint()).toEqual(before);
    const hits = await world.sync.search(world.memory(20).embedding!, { k: 100 });
    expect(hits.map(({ memory }) => memory.memoryId).sort()).toEqual(["m0", "m1", "m2", "m3", "m4"]);
    expect(await world.put(world.memory(20))).toMatchObject({ version: 1, status: "synced" });
  },
);
