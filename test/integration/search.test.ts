import { describe, expect, test } from "vitest";
import {
  ConfigurationError,
  HashingEmbedder,
  type MemoryFilter,
  type SearchOptions,
  ValidationError,
} from "../../src/index.ts";
import type { LiveEntry } from "../../src/stores/projection.ts";
import { unitVector } from "../support/memories.ts";
import { openWorld, sharedWorld } from "../support/world.ts";
import { put } from "../unit/faiss/support.ts";

const DIMENSION = 8;
const shared = sharedWorld();
const soon = () => AbortSignal.timeout(60_000);

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0;
  for (let index = 0; index < DIMENSION; index++) dot += a[index]! * b[index]!;
  return dot;
}

describe("a search", () => {
  test("returns the k nearest of what is there, after updates and deletes of many", async () => {
    const world = shared.current;
    const namespace = "nearest";
    await world.sync.syncBatch(world.memories(300).map((memory) => ({ ...memory, namespace })));
    // A third moves elsewhere, a third goes: dead slots outnumber live ones around every query.
    const moved = world.memories(100).map((memory, number) => ({
      ...memory,
      namespace,
      embedding: unitVector(5_000 + number, DIMENSION),
    }));
    await world.sync.syncBatch(moved);
    await Promise.all(world.memories(100, 100).map(({ memoryId }) => world.sync.delete(memoryId, { namespace })));
    const live = new Map<string, Float32Array>();
    for (const { memoryId, embedding } of moved) live.set(memoryId, embedding);
    for (let number = 200; number < 300; number++) live.set(`m${number}`, unitVector(number, DIMENSION));
    for (const [seed, k] of [
      [1, 1],
      [150, 10],
      [5_007, 50],
      [9_999, 200],
    ] as const) {
      const query = unitVector(seed, DIMENSION);
      const results = await world.sync.search(query, { k, namespace });
      const expected = [...live]
        .map(([memoryId, vector]) => ({ memoryId, score: cosine(query, vector) }))
        .sort((a, b) => b.score - a.score)
        .slice(0, k);
      expect(results.map(({ memory }) => memory.memoryId)).toEqual(expected.map(({ memoryId }) => memoryId));
      results.forEach(({ score }, position) => {
        expect(score).toBeCloseTo(expected[position]!.score, 5);
      });
    }
    expect(await world.sync.search(unitVector(1, DIMENSION), { k: 1_000, namespace })).toHaveLength(200);
  });

  test("shows a memory as it is now, however fresh its last write", async () => {
    const world = shared.current;
    const query = unitVector(77, DIMENSION);
    await world.put({ ...world.memory(77), namespace: "fresh", content: "first" });
    await world.put({ ...world.memory(77), namespace: "fresh", content: "second" });
    const [result] = await world.sync.search(query, { k: 1, namespace: "fresh" });
    expect(result).toMatchObject({ memory: { memoryId: "m77", content: "second", version: 2, source: "redis" } });
    expect(result!.score).toBeCloseTo(1, 6);
  });

  test("never crosses a namespace", async () => {
    const world = shared.current;
    const near = world.memory(1);
    await world.put({ ...near, namespace: "tenant-a" });
    await world.put({ ...world.memory(2), namespace: "tenant-b" });
    const ids = async (namespace: string) =>
      (await world.sync.search(near.embedding!, { k: 100, namespace })).map(({ memory }) => memory.memoryId);
    expect(await ids("tenant-a")).toEqual(["m1"]);
    expect(await ids("tenant-b")).toEqual(["m2"]);
    expect(await ids("tenant-c")).toEqual([]);
  });

  test("makes up for results that a filter refuses", async () => {
    const world = shared.current;
    const namespace = "filtered";
    await world.sync.syncBatch(world.memories(200).map((memory) => ({ ...memory, namespace })));
    const results = await world.sync.search(unitVector(3, DIMENSION), {
      k: 20,
      namespace,
      filter: ({ metadata }) => metadata.number === 3 || (metadata.number as number) % 10 === 0,
    });
    expect(results).toHaveLength(20);
    expect(results[0]?.memory.memoryId).toBe("m3");
    const scores = results.map(({ score }) => score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    const numbers = results.map(({ memory }) => memory.metadata.number as number);
    expect(numbers.every((number) => number === 3 || number % 10 === 0)).toBe(true);
  });

  test("filters by type and metadata, however few of them pass", async () => {
    const world = shared.current;
    const namespace = "by-data";
    await world.sync.syncBatch(
      world.memories(500).map((memory, number) => ({
        ...memory,
        namespace,
        memoryType: number % 100 === 7 ? "rare" : "common",
        metadata: { number, user: { id: number % 50, name: "x" }, tags: ["a", number % 2] },
      })),
    );
    const query = unitVector(3, DIMENSION);
    const find = async (filter: SearchOptions["filter"], k = 5) => {
      const results = await world.sync.search(query, { k, namespace, ...(filter && { filter }) });
      return results.map(({ memory }) => memory.metadata.number as number);
    };
    const all = await find(undefined, 500);
    expect(await find({ memoryType: "rare" }, 10)).toEqual(all.filter((number) => number % 100 === 7));
    expect(await find({ memoryType: ["rare", "unheard-of"] })).toHaveLength(5);
    const where = { memoryType: { eq: "rare" }, "metadata.user.id": { exists: true } };
    const wanted = await world.sync.search(query, { k: 10, namespace, where });
    expect(wanted.map(({ memory }) => memory.memoryId)).toEqual(
      (await world.sync.search(query, { k: 10, namespace, filter: { memoryType: "rare" } })).map(
        ({ memory }) => memory.memoryId,
      ),
    );
    const none = { where: { memoryType: { ne: "rare" } }, filter: { memoryType: "rare" } } as const;
    expect(await world.sync.search(query, { namespace, ...none })).toEqual([]);
    await expect(world.sync.search(query, { namespace, where: { type: {} } as never })).rejects.toThrow(
      "where.type: is no field",
    );
    expect(await find({ metadata: { user: { id: 7 } } }, 20)).toEqual(all.filter((number) => number % 50 === 7));
    expect(await find({ memoryType: "rare", metadata: { tags: ["a", 1] } }, 20)).toHaveLength(5);
    expect(await find({ metadata: { number: 7 } })).toEqual([7]);
    for (const metadata of [{ number: "7" }, { tags: ["a"] }, { user: { id: 7, name: "y" } }, { none: null }]) {
      expect(await find({ metadata }), JSON.stringify(metadata)).toEqual([]);
    }
    expect(await find({ memoryType: [] })).toEqual([]);
    for (const [filter, path] of [
      [{ type: "rare" }, "filter.type"],
      [{ memoryType: 3 }, "filter.memoryType"],
      [{ metadata: [] }, "filter.metadata"],
      ["rare", "filter"],
    ] as const) {
      const search = world.sync.search(query, { namespace, filter: filter as unknown as MemoryFilter });
      await expect(search).rejects.toMatchObject({ code: "VALIDATION", path });
    }
  });

  test("many at a time find what each finds alone, in their own namespaces", async () => {
    const world = shared.current;
    const memories = world.memories(400).map((memory, at) => ({ ...memory, namespace: `gathered-${at % 3}` }));
    await world.sync.syncBatch(memories);
    const ask = (at: number) =>
      world.sync.search(unitVector(9_000 + at, DIMENSION), { k: 1 + (at % 20), namespace: `gathered-${at % 3}` });
    const together = await Promise.all(Array.from({ length: 120 }, (_, at) => ask(at)));
    for (const [at, results] of together.entries()) {
      const alone = await ask(at);
      expect(results).toHaveLength(1 + (at % 20));
      expect(results.map(({ memory }) => memory.memoryId)).toEqual(alone.map(({ memory }) => memory.memoryId));
      for (const { memory } of results) expect(memory.namespace).toBe(`gathered-${at % 3}`);
    }
  });

  test("shows the score of the vector that the memory has now, when the index is behind it", async (t) => {
    const world = await openWorld(t, { clients: "own" });
    await world.put(world.memory(1));
    await world.put(world.memory(2));
    const [old] = await world.index.read([{ namespace: "default", memoryId: "m1" }], { data: true }, soon());
    const moved = { ...world.memory(1), embedding: unitVector(77, DIMENSION) };
    await world.put(moved);
    const back = await world.index.read([{ namespace: "default", memoryId: "m1" }], { data: false }, soon());
    const embedding = unitVector(1, DIMENSION);
    const change = { ...put("m1", 1, embedding), checksum: (old as LiveEntry).checksum };
    const key = { namespace: "default", memoryId: "m1" };
    await world.index.replace([{ key, found: back[0] ?? null, change }], soon());
    const results = await world.sync.search(embedding, { k: 2 });
    const found = results.find(({ memory }) => memory.memoryId === "m1");
    expect(found?.memory.version).toBe(2);
    expect(found?.score).toBeCloseTo(cosine(embedding, moved.embedding), 5);
    expect(await world.sync.search(embedding, { k: 2, scoreMin: 0.999 })).toEqual([]);
  });

  test("leaves out what scores below the minimum", async () => {
    const world = shared.current;
    const namespace = "scored";
    await world.sync.syncBatch(world.memories(100).map((memory) => ({ ...memory, namespace })));
    const query = unitVector(5, DIMENSION);
    const all = await world.sync.search(query, { k: 100, namespace });
    const scoreMin = all[30]!.score;
    const some = await world.sync.search(query, { k: 100, namespace, scoreMin });
    expect(some).toEqual(all.slice(0, 31));
  });

  test("refuses what cannot be searched for, naming the argument", async () => {
    const { sync } = shared.current;
    const query = unitVector(1, DIMENSION);
    const pathOf = async (call: Promise<unknown>) => {
      const error = await call.then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(ValidationError);
      return (error as ValidationError).path;
    };
    expect(await pathOf(sync.search([1, 2, 3]))).toBe("query");
    expect(await pathOf(sync.search(Array(DIMENSION).fill(0)))).toBe("query");
    expect(await pathOf(sync.search([1, 2, 3, 4, 5, 6, 7, Number.NaN]))).toBe("query[7]");
    for (const k of [0, -1, 1.5, Number.NaN, 1_001]) expect(await pathOf(sync.search(query, { k }))).toBe("k");
    expect(await pathOf(sync.search(query, { namespace: "a:b" }))).toBe("namespace");
    await expect(sync.search("words")).rejects.toBeInstanceOf(ConfigurationError);
  });

  test("falls back to the ledger when Redis lost or corrupted the memory", async () => {
    const world = shared.current;
    const namespace = "fallback";
    await world.sync.syncBatch(world.memories(3, 600).map((memory) => ({ ...memory, namespace })));
    await world.redis.del(world.redisKey("m600", namespace));
    await world.redis.hset(world.redisKey("m601", namespace), "data", '{"content":"forged"}');
    const results = await world.sync.search(unitVector(600, DIMENSION), { k: 3, namespace });
    const sources = Object.fromEntries(results.map(({ memory }) => [memory.memoryId, memory.source]));
    expect(sources).toEqual({ m600: "postgres", m601: "postgres", m602: "redis" });
    for (const { memory } of results) expect(memory.content).toMatch(/^memory number 60\d$/);
  });
});

describe("by text", () => {
  test("a search finds the memory that says it, which was written without a vector", async (t) => {
    const world = await openWorld(t, {
      faiss: { dimension: 256 },
      settings: { embedder: new HashingEmbedder({ dimension: 256 }) },
    });
    const texts = [
      "The cat sleeps on the warm windowsill all afternoon.",
      "Quarterly revenue grew by twelve percent in Europe.",
      "Remember to water the tomato plants every second day.",
    ];
    const outcomes = await world.sync.syncBatch(
      texts.map((content, number) => ({ memoryId: `t${number}`, content, memoryType: "note" })),
    );
    expect(outcomes.map(({ stores }) => stores.faiss)).toEqual(["applied", "applied", "applied"]);
    for (const [number, query] of [
      "sleeping cat on a windowsill",
      "revenue growth in Europe",
      "water tomato plants",
    ].entries()) {
      const [best] = await world.sync.search(query, { k: 1 });
      expect(best?.memory.memoryId).toBe(`t${number}`);
    }
    expect((await world.sync.get("t0"))?.embeddingModel).toMatch(/hash/);
    // The same text gives the same vector, so the second writing of it is none.
    const again = await world.sync.syncMemory("t0", { content: texts[0]!, memoryType: "note" });
    expect(again.status).toBe("unchanged");
  });
});

test("without a vector index, a search says that there is none", async (t) => {
  const world = await openWorld(t, { faiss: false });
  // Outcomes tell of the stores that there are.
  const { status, stores } = await world.put(world.memory(1));
  expect({ status, stores }).toEqual({ status: "synced", stores: { postgres: "applied", redis: "applied" } });
  await expect(world.sync.search(unitVector(1, DIMENSION))).rejects.toMatchObject({
    code: "CONFIGURATION",
    message: expect.stringMatching(/search needs a vector index/),
  });
});
