import { expect, test, vi } from "vitest";
import { encodeMemory, type MemoryChange, putChange } from "../../src/domain/memory.ts";
import { checksumOf, type MemoryCopy, type MemoryKey } from "../../src/index.ts";
import { unitVector } from "../support/memories.ts";
import { sharedWorld, type World } from "../support/world.ts";

/** Goal: a reader sees what each store holds of one memory, before any repair, and nothing that belongs to another memory. */

vi.setConfig({ testTimeout: 240_000 });

const shared = sharedWorld({ clients: "own" });
const soon = () => AbortSignal.timeout(60_000);

type Copies = Readonly<Record<"postgres" | "redis" | "faiss", MemoryCopy>>;

async function copiesOf({ sync }: World, memoryId: string, namespace = "default"): Promise<Copies> {
  const { copies, ...key } = await sync.copies(memoryId, { namespace });
  expect(key).toEqual({ namespace, memoryId });
  expect(copies.map(({ store }) => store)).toEqual(["postgres", "redis", "faiss"]);
  return Object.fromEntries(copies.map((copy) => [copy.store, copy])) as Copies;
}

async function written(world: World, memoryId: string, namespace = "default"): Promise<void> {
  await world.put({ ...world.memory(1), memoryId, namespace, content: `the words of ${memoryId}` });
}

/** Redis says something else, whole and at the same version. */
async function divergeRedis(world: World, memoryId: string, content: string): Promise<void> {
  const key = world.redisKey(memoryId);
  const said = JSON.parse((await world.redis.hget(key, "data")) ?? "") as object;
  const data = JSON.stringify({ ...said, content });
  const embedding = await world.redis.hgetBuffer(key, "embedding");
  await world.redis.hset(key, { data, checksum: checksumOf(data, embedding) });
}

async function forceIndex(world: World, key: MemoryKey, changes: object): Promise<void> {
  const memory = await world.sync.get(key.memoryId, { namespace: key.namespace });
  const { content, memoryType, importance, metadata, privacy, embedding, version, versionVector, modifiedAt } = memory!;
  const encoded = encodeMemory(key, { content, memoryType, importance, metadata, privacy }, embedding);
  const change = { ...putChange(encoded, version, { versionVector, modifiedAt }), ...changes } as MemoryChange;
  const [found = null] = await world.index.read([key], { data: false }, soon());
  expect(await world.index.replace([{ key, found, change }], soon())).toEqual(["applied"]);
}

test("stores that agree say so, and the index says that it holds no contents", async () => {
  const world = shared.current;
  await written(world, "sound");
  const memory = await world.sync.get("sound");
  const { postgres, redis, faiss } = await copiesOf(world, "sound");
  const { version, checksum, versionVector, modifiedAt, embedding } = memory!;
  const held = { state: "live", version, checksum, drift: null, error: null };
  const content = { document: { content: "the words of sound" }, raw: null, embedding, versionVector, modifiedAt };
  expect(postgres).toMatchObject({ ...held, ...content, scope: "shared", note: null, differences: null });
  expect(redis).toMatchObject({ ...held, ...content, scope: "shared", note: null, differences: { same: true } });
  expect(faiss).toMatchObject({ ...held, scope: "node", holds: ["vectors"], document: null, modifiedAt: null });
  expect(faiss.note).toBe("it holds vectors and no contents");
  expect(faiss.embedding).toHaveLength(8);
});

test("of every kind of drift it says what a deep check proves, and changes nothing", async () => {
  const world = shared.current;
  const { redis } = world;
  const at = (memoryId: string) => ({ namespace: "default", memoryId });
  const injected: Readonly<Record<string, (id: string) => Promise<unknown>>> = {
    missing: (id) => redis.del(world.redisKey(id)),
    ended: (id) => redis.hset(world.redisKey(id), { deleted: 1 }),
    stale: (id) => redis.hset(world.redisKey(id), { version: 1 }),
    ahead: (id) => redis.hset(world.redisKey(id), { version: 9 }),
    diverged: (id) => divergeRedis(world, id, "other words"),
    corrupt: (id) => redis.hset(world.redisKey(id), { data: '{"content":"cut short' }),
    aheadInIndex: (id) => forceIndex(world, at(id), { version: 40 }),
    divergedInIndex: (id) => forceIndex(world, at(id), { checksum: "0".repeat(64) }),
    corruptInIndex: (id) => forceIndex(world, at(id), { embedding: unitVector(999, 8) }),
  };
  for (const [id, inject] of Object.entries(injected)) {
    await world.put({ ...world.memory(1), memoryId: id, content: "former words" });
    await written(world, id);
    await inject(id);
  }
  await world.untilMarked();
  const before = await world.footprint();
  const { findings } = await world.sync.checkConsistency({ scope: "deep" });
  expect(new Set(findings.map(({ memoryId }) => memoryId))).toEqual(new Set(Object.keys(injected)));
  for (const { memoryId, store, kind, evidence, foundVersion } of findings) {
    const copies = Object.values(await copiesOf(world, memoryId));
    const own = copies.find((copy) => copy.store === store);
    expect([memoryId, own?.drift, own?.version]).toEqual([memoryId, { kind, evidence }, foundVersion]);
    expect(copies.filter((copy) => copy !== own).map(({ drift }) => drift)).toEqual([null, null]);
  }

  const { redis: diverged, postgres } = await copiesOf(world, "diverged");
  expect([postgres.document?.content, diverged.document?.content]).toEqual(["the words of diverged", "other words"]);
  const field = { path: "/content", left: "the words of diverged", right: "other words" };
  expect(diverged).toMatchObject({ note: null, differences: { same: false, fields: [field] } });
  expect((await copiesOf(world, "missing")).redis).toMatchObject({
    state: "nothing",
    version: null,
    differences: null,
  });
  expect((await copiesOf(world, "ended")).redis).toMatchObject({ state: "tombstone", document: null });
  expect((await copiesOf(world, "corrupt")).redis).toMatchObject({ document: null, raw: '{"content":"cut short' });
  const { faiss } = await copiesOf(world, "divergedInIndex");
  expect(faiss.note).toBe("it holds vectors and no contents: a vector alone never wins");

  expect(await world.sync.conflicts.list()).toEqual([]);
  expect(await world.footprint()).toEqual(before);
  expect(await world.sync.repairInconsistencies({ findings }, { strategy: "prefer_store" })).toMatchObject({
    failed: 0,
  });
});

test("what is no entry is shown as the bytes that stand there", async () => {
  const world = shared.current;
  await written(world, "malformed");
  const key = world.redisKey("malformed");
  await world.redis.del(key);
  await world.redis.set(key, "no hash");
  const { redis } = await copiesOf(world, "malformed");
  expect(redis).toMatchObject({ state: "malformed", drift: { kind: "corrupt" }, version: null, document: null });
  expect([redis.note, redis.raw]).toEqual([redis.drift?.evidence, expect.stringContaining("no hash")]);
  await world.redis.del(key);
});

test("a memory that the ledger does not know is shown as the store has it", async () => {
  const world = shared.current;
  await written(world, "known");
  const { digest: _digest, embedding: _embedding, ...fields } = await world.redis.hgetall(world.redisKey("known"));
  await world.redis.hset(world.redisKey("orphan"), { ...fields, checksum: checksumOf(fields.data ?? "", null) });
  const { postgres, redis, faiss } = await copiesOf(world, "orphan");
  expect([postgres.state, faiss.state]).toEqual(["nothing", "nothing"]);
  expect(redis).toMatchObject({ drift: { kind: "orphan" }, document: { content: "the words of known" }, note: null });
  expect(redis.differences).toMatchObject({ leftDeleted: true });
  await world.redis.del(world.redisKey("orphan"));
});

test("what was copied from another tenant's memory is not shown under this key", async () => {
  const world = shared.current;
  await written(world, "theirs", "tenant-b");
  await written(world, "own", "tenant-a");
  const theirs = await world.redis.hgetall(world.redisKey("theirs", "tenant-b"));
  const embedding = (await world.redis.hgetBuffer(world.redisKey("theirs", "tenant-b"), "embedding")) ?? "";
  for (const memoryId of ["own", "unknown"]) {
    await world.redis.del(world.redisKey(memoryId, "tenant-a"));
    await world.redis.hset(world.redisKey(memoryId, "tenant-a"), { ...theirs, embedding });
    const { redis } = await copiesOf(world, memoryId, "tenant-a");
    expect(redis.note).toContain("copied from another memory");
    expect(redis).toMatchObject({ state: "live", document: null, raw: null, embedding: null, differences: null });
    expect(JSON.stringify(redis)).not.toContain("the words of theirs");
  }
  await world.redis.del(world.redisKey("own", "tenant-a"), world.redisKey("unknown", "tenant-a"));
});

test("of an erased memory no content is shown that a store still holds", async () => {
  const world = shared.current;
  await written(world, "erased");
  const key = world.redisKey("erased");
  const dump = await world.redis.dumpBuffer(key);
  await world.sync.erase("erased");
  await world.redis.restore(key, 0, dump, "REPLACE");
  const { postgres, redis } = await copiesOf(world, "erased");
  expect(postgres).toMatchObject({ state: "tombstone", document: null });
  expect(redis).toMatchObject({
    state: "live",
    drift: { kind: "resurrected" },
    document: null,
    raw: null,
    embedding: null,
  });
  expect(redis.note).toContain("erased");
  await world.redis.del(key);
});

test("an unknown memory is in no store, and an id that is none is refused", async () => {
  const world = shared.current;
  const copies = Object.values(await copiesOf(world, "never written"));
  expect(copies.map(({ state, drift }) => [state, drift])).toEqual(Array(3).fill(["nothing", null]));
  await expect(world.sync.copies("")).rejects.toMatchObject({ code: "VALIDATION" });
});
