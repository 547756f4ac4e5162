import { describe, expect, onTestFinished, test } from "vitest";
import type { StoreId } from "../../src/domain/store-id.ts";
import type { DriftKind } from "../../src/index.ts";
import { closedIndex } from "../support/closed-index.ts";
import { type LedgerRow, otherContent, putHashes, readHashes, readRows } from "../support/raw-stores.ts";
import { openWorld, type World } from "../support/world.ts";

/** Goal: a repair does what its options say and nothing else. Method: the same drift in all stores, repaired in parts. */

const MEMORIES = 40;

/** Drift of several kinds in all three stores: 4 of Postgres, 12 of Redis, 3 of the index. */
async function driftedWorld(t: Parameters<typeof openWorld>[0]): Promise<World> {
  const world = await openWorld(t);
  await world.fill(MEMORIES);
  const editor = await closedIndex(world);
  for (const number of [30, 31, 32]) editor.kill(`m${number}`);
  editor.save();
  await world.connect();
  const key = (number: number): string => world.redisKey(`m${number}`);
  await world.redis.del([0, 1, 2, 3, 4].map(key));
  for (const number of [5, 6, 7]) await world.redis.hset(key(number), "data", "{}");
  const rows = await readRows(world, ["m8", "m9", "m10"]);
  const later = rows.map((row): LedgerRow => {
    const said = otherContent(row, `later ${row.memoryId}`, row.embedding);
    return { ...row, ...said, modifiedAt: row.modifiedAt + 1_000 };
  });
  await putHashes(world, later);
  const [other] = await readRows(world, ["m20"]);
  if (other === undefined) throw new Error("m20 is not in the ledger");
  await putHashes(world, [{ ...other, memoryId: "unknown" }]);
  await world.sql`
    update mnemosync.memory_bodies set embedding = set_bit(embedding, 9, 1 - get_bit(embedding, 9))
    where memory_id in ('m24', 'm25', 'm26', 'm27')`;
  return world;
}

const DRIFT: Record<string, number> = {
  "postgres corrupt": 4,
  "redis missing": 5,
  "redis corrupt": 3,
  "redis diverged": 3,
  "redis orphan": 1,
  "faiss missing": 3,
};

/** How many findings each store has of each kind. */
async function counts(world: World): Promise<Record<string, number>> {
  const counted: Record<string, number> = {};
  for (const { store, kind } of (await world.sync.checkConsistency({ scope: "deep" })).findings) {
    counted[`${store} ${kind}`] = (counted[`${store} ${kind}`] ?? 0) + 1;
  }
  return counted;
}

const without = (...names: string[]): Record<string, number> =>
  Object.fromEntries(Object.entries(DRIFT).filter(([name]) => !names.includes(name)));

async function everything(world: World): Promise<unknown> {
  const ids = Array.from({ length: MEMORIES }, (_, number) => `m${number}`);
  const [records] = await world.sql`select count(*)::int as kept from mnemosync.conflict_resolutions`;
  return {
    footprint: await world.footprint(),
    rows: await readRows(world, ids),
    hashes: await readHashes(world, [...ids, "unknown"]),
    records,
  };
}

describe("a repair", () => {
  test("that only says what it would do changes nothing and keeps nothing", async (t) => {
    const world = await driftedWorld(t);
    expect(await counts(world)).toEqual(DRIFT);
    const report = await world.sync.checkConsistency({ scope: "deep" });
    for (const strategy of ["latest_wins", "merge", "manual", "prefer_store"]) {
      const before = await everything(world);
      const plan = await world.sync.repairInconsistencies(report, { dryRun: true, strategy });
      expect(await everything(world)).toEqual(before);
      expect(plan).toMatchObject({ repaired: 0, failed: 0, deferred: 0, planned: 19 });
      expect(Object.values(plan.results)).not.toContain(true);
      for (const { outcome, note } of plan.details) {
        expect(outcome).toBe("planned");
        expect(note).toMatch(/\S/);
      }
      const decided = plan.details.filter((detail) => detail.strategy !== null);
      expect(decided.map((detail) => detail.memoryId).sort()).toEqual(["m10", "m8", "m9", "unknown"]);
    }
    // What was planned is what is done.
    expect(await world.sync.repairInconsistencies(report)).toMatchObject({ repaired: 19, failed: 0, deferred: 0 });
    expect(await counts(world)).toEqual({});
  });

  const PARTS: readonly [string, { kinds?: DriftKind[]; stores?: StoreId[] }, string[]][] = [
    ["of one kind leaves the others", { kinds: ["missing"] }, ["redis missing", "faiss missing"]],
    ["of kinds in which somebody has to decide", { kinds: ["diverged", "orphan"] }, ["redis diverged", "redis orphan"]],
    ["of one store leaves the others", { stores: ["faiss"] }, ["faiss missing"]],
    ["of the ledger leaves the copies", { stores: ["postgres"] }, ["postgres corrupt"]],
    [
      "of some kinds in some stores",
      { kinds: ["missing", "corrupt"], stores: ["redis"] },
      ["redis missing", "redis corrupt"],
    ],
  ];
  test.each(PARTS)("%s", async (_, options, repaired) => {
    const world = await driftedWorld({ onTestFinished });
    const report = await world.sync.checkConsistency({ scope: "deep" });
    const repair = await world.sync.repairInconsistencies(report, options);
    const wanted = repaired.reduce((sum, name) => sum + (DRIFT[name] as number), 0);
    expect(repair).toMatchObject({ repaired: wanted, failed: 0, deferred: 0 });
    expect(repair.details).toHaveLength(wanted);
    expect(await counts(world)).toEqual(without(...repaired));
  });

  test("of so many findings at most puts the rest off, and comes to an end when it is run again", async (t) => {
    const world = await driftedWorld(t);
    const left: number[] = [];
    for (let run = 0; run < 4; run++) {
      const report = await world.sync.checkConsistency({ scope: "deep" });
      const repair = await world.sync.repairInconsistencies(report, { repairsMax: 7 });
      expect(repair.repaired).toBe(Math.min(7, report.findings.length));
      expect(repair.deferred).toBe(report.findings.length - repair.repaired);
      for (const { outcome, note } of repair.details) {
        if (outcome === "deferred") expect(note).toMatch(/over the 7 .* run it again/);
      }
      left.push(repair.deferred);
    }
    expect(left).toEqual([12, 5, 0, 0]);
    expect(await counts(world)).toEqual({});
  });

  test("tells how far it is, of how many", async (t) => {
    const world = await driftedWorld(t);
    const told: { done: number; total: number }[] = [];
    const report = await world.sync.checkConsistency({ scope: "deep" });
    await world.sync.repairInconsistencies(report, { onProgress: (progress) => told.push(progress) });
    expect(told.length).toBeGreaterThanOrEqual(4);
    expect(told.every(({ total }) => total === 19)).toBe(true);
    expect(told.map(({ done }) => done)).toEqual(told.map(({ done }) => done).toSorted((a, b) => a - b));
    expect(told.at(-1)).toEqual({ done: 19, total: 19 });
  });

  test("that its caller gives up stops, and the next one does the rest", async (t) => {
    const world = await driftedWorld(t);
    const report = await world.sync.checkConsistency({ scope: "deep" });
    const stopping = new AbortController();
    await expect(
      world.sync.repairInconsistencies(report, {
        signal: stopping.signal,
        onProgress: () => stopping.abort(),
      }),
    ).rejects.toMatchObject({ code: "ABORTED" });
    const rest = await world.sync.checkConsistency({ scope: "deep" });
    expect(rest.findings.length).toBeLessThan(19);
    expect(rest.findings.length).toBeGreaterThan(0);
    expect(await world.sync.repairInconsistencies(rest)).toMatchObject({ failed: 0, deferred: 0 });
    expect(await counts(world)).toEqual({});
    const open = await world.sql`select * from mnemosync.conflict_resolutions where state <> 'resolved'`;
    expect([...open]).toEqual([]);
  });

  test.each([
    [{ repairsMax: 0 }, /repairsMax.*from 1/],
    [{ repairsMax: 1.5 }, /repairsMax.*whole number/],
    [{ kinds: ["lost"] as never }, /kinds.*"lost".*missing/],
    [{ stores: ["mongo"] as never }, /stores.*"mongo"/],
    [{ strategy: "coin" }, /unknown conflict strategy "coin"/],
  ])("with %o is refused, and nothing is touched", async (options, message) => {
    const world = await openWorld({ onTestFinished }, { faiss: false });
    await world.fill(1);
    await world.redis.del(world.redisKey("m0"));
    const report = await world.sync.checkConsistency();
    await expect(world.sync.repairInconsistencies(report, options)).rejects.toThrow(message);
    expect(await world.redis.exists(world.redisKey("m0"))).toBe(0);
  });
});
