import { Embeddings } from "@langchain/core/embeddings";
import { expect, test, vi } from "vitest";
import { EmbedderEmbeddings } from "../../../src/adapters/langchain/index.ts";
import { MnemosyncStore } from "../../../src/adapters/langgraph/index.ts";
import { HashingEmbedder } from "../../../src/index.ts";
import { loseVectors } from "../../support/lost-vectors.ts";
import { openWorld, sharedWorld } from "../../support/world.ts";

/** Goal: LangGraph's memory has what mnemosync promises: search by meaning, expiry, history, and nothing lost that was put. */

vi.setConfig({ testTimeout: 240_000 });

const OPTIONS = { faiss: { dimension: 64 }, settings: { embedding: { provider: "hashing" } } } as const;
const shared = sharedWorld(OPTIONS);
let stores = 0;

function newStore(options: Partial<ConstructorParameters<typeof MnemosyncStore>[0]> = {}) {
  const namespace = `graph-${stores++}`;
  return { namespace, store: new MnemosyncStore({ sync: shared.current.sync, namespace, ...options }) };
}

test("a query finds what is near to it, within the prefix and the filter, with a score", async () => {
  const { store } = newStore();
  await store.put(["users", "ada"], "1", { text: "Ada drinks green tea", kind: "likes" });
  await store.put(["users", "ada"], "2", { text: "The train to Basel leaves at nine", kind: "travel" });
  await store.put(["users", "ben"], "1", { text: "Ben drinks green tea", kind: "likes" });
  const [best, ...others] = await store.search(["users", "ada"], { query: "green tea", limit: 2 });
  expect(best).toMatchObject({ namespace: ["users", "ada"], key: "1", score: expect.any(Number) });
  expect(others).toHaveLength(1);
  expect(others[0]?.score).toBeLessThan(best?.score as number);
  const filtered = await store.search(["users"], { query: "green tea", filter: { kind: "travel" } });
  expect(filtered.map(({ key }) => key)).toEqual(["2"]);
  const second = await store.search(["users", "ada"], { query: "green tea", limit: 1, offset: 1 });
  expect(second.map(({ key }) => key)).toEqual(["2"]);
});

test("the fields of the index make the vector; a put may name its own, or none", async () => {
  const { store, namespace } = newStore({ index: { fields: ["title", "chapters[*].text", "authors[-1].name"] } });
  const value = {
    title: "On tea",
    chapters: [{ text: "Leaves" }, { text: "Water", notes: "not this" }],
    authors: [{ name: "Ada" }, { name: "Ben" }],
  };
  await store.put(["books"], "tea", value);
  await store.put(["books"], "own", value, ["chapters[0].text"]);
  await store.put(["books"], "none", value, false);
  const contents = await shared.current.sync.getMany(["books//tea", "books//own", "books//none"], { namespace });
  expect(contents.map((memory) => memory?.content)).toEqual([
    "On tea\nLeaves\nWater\nBen",
    "Leaves",
    JSON.stringify(value),
  ]);
  const found = await store.search(["books"], { query: "Leaves" });
  expect(found.map(({ key }) => key)).toEqual(["own", "tea"]); // Not the one without an index.
  expect((await store.search(["books"])).map(({ key }) => key).sort()).toEqual(["none", "own", "tea"]);
});

test("embeddings of LangChain make the vectors where the store is given some", async () => {
  const embedder = new EmbedderEmbeddings(new HashingEmbedder({ dimension: 64 }));
  const documents = vi.spyOn(embedder, "embedDocuments");
  const { store, namespace } = newStore({ index: { embeddings: embedder, fields: ["text"] } });
  expect(embedder).toBeInstanceOf(Embeddings);
  await store.batch([
    { namespace: ["a"], key: "1", value: { text: "green tea" } },
    { namespace: ["a"], key: "2", value: { text: "a train" } },
    { namespace: ["a"], key: "3", value: { other: "nothing" } },
  ]);
  expect(documents.mock.calls).toEqual([[["green tea", "a train"]]]);
  const memory = await shared.current.sync.get("a//1", { namespace });
  expect(Array.from(memory?.embedding ?? [])).toHaveLength(64);
  expect((await store.search(["a"], { query: "tea", limit: 1 }))[0]?.key).toBe("1");
});

test("items expire; a read begins their time anew where that is asked for", async () => {
  const now = { at: Date.now() };
  const { store, namespace } = newStore({ ttl: { defaultMs: 3_600_000, refreshOnRead: true }, now: () => now.at });
  const expiryOf = async () => Date.parse((await shared.current.sync.get("t//one", { namespace }))?.expiresAt ?? "");
  await store.put(["t"], "one", { a: 1 });
  expect(await expiryOf()).toBe(now.at + 3_600_000);
  await store.put(["t"], "gone", { a: 1 }, undefined, { ttlMs: 1 });
  await store.put(["t"], "stays", { a: 1 }, undefined, { ttlMs: null });
  expect((await shared.current.sync.get("t//stays", { namespace }))?.expiresAt).toBeUndefined();
  await expect.poll(() => store.get(["t"], "gone"), { timeout: 30_000 }).toBeNull();
  expect(await store.search(["t"], { filter: { a: 1 } })).toHaveLength(2);
  now.at += 1_000_000; // Less than half.
  const before = await expiryOf();
  const item = await store.get(["t"], "one");
  expect(await expiryOf()).toBe(before);
  now.at += 1_000_000; // More than half.
  expect(await store.get(["t"], "one")).toEqual(item); // As it was before the write that this read makes.
  expect(await expiryOf()).toBe(now.at + 3_600_000);
  const refreshed = await store.get(["t"], "one");
  expect(refreshed).toMatchObject({ value: { a: 1 }, createdAt: item?.createdAt });
  expect(refreshed?.updatedAt.getTime()).toBeGreaterThan(item?.updatedAt.getTime() as number);
  expect(await shared.current.sync.history("t//one", { namespace })).toHaveLength(2);
});

test("a read begins no time anew of an item that was put meanwhile, for good", async () => {
  const now = { at: Date.now() };
  const { store, namespace } = newStore({ ttl: { defaultMs: 3_600_000, refreshOnRead: true }, now: () => now.at });
  const { sync } = shared.current;
  await store.put(["t"], "one", { a: 1 });
  now.at += 2_000_000;
  const get = sync.get.bind(sync);
  vi.spyOn(sync, "get").mockImplementationOnce(async (...call) => {
    const read = await get(...call);
    await store.put(["t"], "one", { a: 2 }, undefined, { ttlMs: null });
    return read;
  });
  expect(await store.get(["t"], "one")).toMatchObject({ value: { a: 1 } });
  const kept = await get("t//one", { namespace });
  expect(kept).toMatchObject({ version: 2, metadata: { value: { a: 2 } } });
  expect(kept?.expiresAt).toBeUndefined();
});

test("a value comes back as JSON has it; one that is too large is refused, and the others of the batch are put", async () => {
  const { store } = newStore();
  await store.put(["v"], "one", { at: new Date(0), gone: undefined, list: [1, null, "x"], deep: { a: { b: 1 } } });
  expect((await store.get(["v"], "one"))?.value).toEqual({
    ...{ at: "1970-01-01T00:00:00.000Z", list: [1, null, "x"], deep: { a: { b: 1 } } },
  });
  const put = store.batch([
    { namespace: ["v"], key: "large", value: { text: "x".repeat(300_000) } },
    { namespace: ["v"], key: "small", value: { text: "x" } },
  ]);
  await expect(put).rejects.toMatchObject({ code: "VALIDATION" });
  expect(await store.get(["v"], "small")).not.toBeNull();
  await expect(store.search(["v"], { filter: { a: { $regex: "x" } } })).rejects.toThrow("$regex is no operator");
  expect(await store.search(["v"], { filter: { deep: { a: { b: 1 } } } })).toHaveLength(1);
});

test("many paths and many items: listing paths reads the beginning of each", async () => {
  const { store, namespace } = newStore({ index: false });
  const puts = Array.from({ length: 900 }, (_, number) => ({
    namespace: number < 600 ? ["big"] : ["user", `u${number % 60}`, `v${number % 2}`],
    key: `k${number}`,
    value: { number },
  }));
  await store.batch(puts);
  const list = vi.spyOn(shared.current.sync, "list");
  const all = await store.listNamespaces({ limit: 1_000 });
  expect(all).toHaveLength(61);
  expect(list.mock.calls.length).toBeLessThan(12);
  list.mockRestore();
  expect(await store.listNamespaces({ maxDepth: 1 })).toEqual([["big"], ["user"]]);
  expect(await store.listNamespaces({ prefix: ["user"], maxDepth: 2, limit: 1_000 })).toHaveLength(60);
  expect(await store.listNamespaces({ suffix: ["v1"], limit: 1_000 })).toHaveLength(30);
  expect((await shared.current.sync.count({ namespace })).count).toBe(900);
});

test("an item has the history of a memory, and a version of it can be brought back", async () => {
  const { store, namespace } = newStore();
  await store.put(["h"], "one", { text: "first" });
  await store.put(["h"], "one", { text: "second" });
  await shared.current.sync.rollback("h//one", 1, { namespace });
  expect((await store.get(["h"], "one"))?.value).toEqual({ text: "first" });
});

test("after a restart, and after the vectors were lost, what was put is found", async (t) => {
  const world = await openWorld(t, { ...OPTIONS, clients: "own" });
  const put = async () => new MnemosyncStore({ sync: world.sync }).put(["a"], "1", { text: "green tea" });
  await put();
  await world.restart();
  const store = new MnemosyncStore({ sync: world.sync });
  expect((await store.search(["a"], { query: "green tea" })).map(({ key }) => key)).toEqual(["1"]);
  expect(await loseVectors(world.index)).toHaveLength(1);
  // Few items pass the filter, so their vectors are read from the ledger: an item is found although the index lost it.
  expect(await world.sync.search("green tea", { namespace: "langgraph" })).toEqual([]);
  expect((await store.search(["a"], { query: "green tea" })).map(({ key }) => key)).toEqual(["1"]);
  const report = await world.sync.checkConsistency();
  expect(report.findings).toMatchObject([{ memoryId: "a//1", kind: "missing" }]);
  await world.sync.repairInconsistencies(report);
  expect(await world.sync.search("green tea", { namespace: "langgraph" })).toHaveLength(1);
});
