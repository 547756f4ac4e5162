import { describe, expect, test } from "vitest";
import { encodeMemory, type MemoryChange, putChange } from "../../src/domain/memory.ts";
import type { CheckScope, Finding, MemoryKey } from "../../src/index.ts";
import { unitVector } from "../support/memories.ts";
import { sharedWorld, type World } from "../support/world.ts";

/** Goal: every kind of drift in the vector index is found by its name and repaired; nothing else is. */

const shared = sharedWorld({ clients: "own" });
const soon = () => AbortSignal.timeout(60_000);

/** Makes the index hold something else than it holds, as no publish would. */
async function force(world: World, key: MemoryKey, change: MemoryChange | null): Promise<void> {
  const [found] = await world.index.read([key], { data: false }, soon());
  const answers = await world.index.replace([{ key, found: found ?? null, change }], soon());
  expect(answers).toEqual(["applied"]);
}

/** What the ledger holds of a memory, as the index is told of it, with changes. */
async function current(world: World, key: MemoryKey, changes: object = {}): Promise<MemoryChange> {
  const memory = await world.sync.get(key.memoryId);
  const { content, memoryType, importance, metadata, privacy, embedding, version, versionVector, modifiedAt } = memory!;
  const encoded = encodeMemory(key, { content, memoryType, importance, metadata, privacy }, embedding);
  return { ...putChange(encoded, version, { versionVector, modifiedAt }), ...changes } as MemoryChange;
}

interface Drift {
  readonly kind: Finding["kind"];
  readonly what: string;
  readonly scope: CheckScope;
  readonly versions: [expected: number | null, found: number | null];
  inject(world: World, key: MemoryKey): Promise<unknown>;
}

const DRIFTS: Drift[] = [
  {
    kind: "missing",
    what: "a vector was dropped",
    scope: "full",
    versions: [2, null],
    inject: (world, key) => force(world, key, null),
  },
  {
    kind: "missing",
    what: "a tombstone of the same version stands in its place",
    scope: "full",
    versions: [2, 2],
    inject: (world, key) => force(world, key, { kind: "tombstone", ...key, version: 2, modifiedAt: 1 }),
  },
  {
    kind: "stale",
    what: "an older version stands there",
    scope: "full",
    versions: [2, 1],
    inject: async (world, key) => force(world, key, await current(world, key, { version: 1 })),
  },
  {
    kind: "ahead",
    what: "a version stands there that nobody wrote",
    scope: "full",
    versions: [2, 40],
    inject: async (world, key) => force(world, key, await current(world, key, { version: 40 })),
  },
  {
    kind: "diverged",
    what: "the same version has another checksum",
    scope: "full",
    versions: [2, 2],
    inject: async (world, key) => force(world, key, await current(world, key, { checksum: "0".repeat(64) })),
  },
  {
    kind: "corrupt",
    what: "the vector of other content stands there",
    scope: "deep",
    versions: [2, 2],
    inject: async (world, key) => force(world, key, await current(world, key, { embedding: unitVector(999, 8) })),
  },
  {
    kind: "resurrected",
    what: "a deleted memory's vector is there again",
    scope: "full",
    versions: [3, 2],
    inject: async (world, key) => {
      const change = await current(world, key);
      await world.sync.delete(key.memoryId);
      await force(world, key, change);
    },
  },
];

describe("drift in the index", () => {
  test.each(DRIFTS)("$kind: $what", async ({ kind, what, scope, versions, inject }) => {
    const world = shared.current;
    const memoryId = `${kind} ${what}`;
    const key = { namespace: "default", memoryId };
    const input = { ...world.memory(7), memoryId };
    await world.put({ ...input, content: "first" });
    await world.put(input);
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
    await inject(world, key);

    if (scope === "deep") expect(await world.sync.checkConsistency({ scope: "full" })).toMatchObject({ clean: true });
    const [expectedVersion, foundVersion] = versions;
    const finding = { namespace: "default", memoryId, store: "faiss", kind, expectedVersion, foundVersion };
    expect((await world.sync.checkConsistency({ scope })).findings).toMatchObject([finding]);
    const report = await world.sync.checkConsistency({ scope: "deep" });
    expect(report.findings).toEqual([{ ...finding, evidence: expect.stringMatching(/\S/) }]);
    expect(report.byMemory).toEqual({ [memoryId]: ["faiss"] });

    const repair = await world.sync.repairInconsistencies(report);
    expect(repair).toMatchObject({ repaired: 1, failed: 0, deferred: 0, results: { [memoryId]: true } });
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
    const hits = await world.sync.search(input.embedding!, { k: 100 });
    const found = hits.find(({ memory }) => memory.memoryId === memoryId);
    if (kind === "resurrected") expect(found).toBeUndefined();
    else expect(found?.score).toBeCloseTo(1, 6);
    const [kept] = await world.sql`
      select kind, state, found_version::int from mnemosync.conflict_resolutions where memory_id = ${memoryId}`;
    expect(kept).toMatchObject({ kind, state: "resolved", found_version: foundVersion });
    await world.sync.delete(memoryId);
  });

  test("orphan: a vector for a memory that does not exist is found, kept as evidence, and removed", async () => {
    const world = shared.current;
    const key = { namespace: "elsewhere", memoryId: "never written" };
    const document = { content: "x", memoryType: "note", importance: 0.5, metadata: {}, privacy: "full" as const };
    const change = putChange(encodeMemory(key, document, unitVector(5, 8)), 3, { versionVector: {}, modifiedAt: 1 });
    await world.index.publish([change], soon());
    const report = await world.sync.checkConsistency();
    expect(report.findings).toMatchObject([
      { ...key, store: "faiss", kind: "orphan", expectedVersion: null, foundVersion: 3 },
    ]);
    // No search shows what the ledger does not know.
    expect(await world.sync.search(unitVector(5, 8), { k: 5, namespace: "elsewhere" })).toEqual([]);
    expect(await world.sync.repairInconsistencies(report)).toMatchObject({ repaired: 1 });
    expect(await world.index.read([key], { data: false }, soon())).toEqual([null]);
    const [kept] = await world.sql`
      select octet_length(found_embedding) as bytes, found_checksum from mnemosync.conflict_resolutions
      where memory_id = ${key.memoryId}`;
    expect(kept).toMatchObject({ bytes: 32, found_checksum: change.checksum });
  });

  test("a vector of a memory that has none is removed", async () => {
    const world = shared.current;
    const key = { namespace: "default", memoryId: "without vector" };
    await world.sync.syncMemory(key.memoryId, { content: "no vector", memoryType: "note" });
    const change = await current(world, key, { embedding: unitVector(6, 8), checksum: "1".repeat(64) });
    await force(world, key, change);
    const report = await world.sync.checkConsistency();
    expect(report.findings).toMatchObject([{ ...key, store: "faiss" }]);
    expect(await world.sync.repairInconsistencies(report)).toMatchObject({ repaired: 1 });
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
    expect(await world.index.read([key], { data: false }, soon())).toEqual([null]);
  });

  test("in both stores of one memory is told by memory, and repaired in both", async () => {
    const world = shared.current;
    await world.sync.syncBatch(world.memories(10));
    await world.untilMarked();
    await world.redis.del(world.redisKey("m1"), world.redisKey("m2"));
    await force(world, { namespace: "default", memoryId: "m2" }, null);
    await force(world, { namespace: "default", memoryId: "m3" }, null);
    const report = await world.sync.checkConsistency();
    expect(report.byMemory).toEqual({ m1: ["redis"], m2: expect.any(Array), m3: ["faiss"] });
    expect(report.byMemory.m2?.toSorted()).toEqual(["faiss", "redis"]);
    const repair = await world.sync.repairInconsistencies(report);
    expect(repair).toMatchObject({ repaired: 4, results: { m1: true, m2: true, m3: true } });
    expect(repair.details).toHaveLength(4);
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  });
});
