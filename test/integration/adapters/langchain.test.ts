import { Document } from "@langchain/core/documents";
import { index } from "@langchain/core/indexing";
import { expect, test, vi } from "vitest";
import {
  EmbedderEmbeddings,
  MnemosyncRecordManager,
  MnemosyncVectorStore,
} from "../../../src/adapters/langchain/index.ts";
import { HashingEmbedder } from "../../../src/index.ts";
import { sharedWorld } from "../../support/world.ts";

/**
 * Goal: LangChain's vector store and record manager do what the documentation of LangChain says of each method, case by case. LangChain
 * publishes no tests of either: docs/testing.md says what it has.
 */

vi.setConfig({ testTimeout: 240_000 });

const shared = sharedWorld({ faiss: { dimension: 64 } });
const embeddings = new EmbedderEmbeddings(new HashingEmbedder({ dimension: 64 }));
let stores = 0;

function newStore() {
  const namespace = `chain-${stores++}`;
  return { namespace, store: new MnemosyncVectorStore(embeddings, { sync: shared.current.sync, namespace }) };
}

const TEXTS = ["green tea is good", "green tea is hot", "the train leaves at nine", "tea with milk"];

function documents(): Document[] {
  return TEXTS.map((pageContent, number) => {
    const metadata = { number, source: number < 2 ? "a.txt" : "b.txt", gone: undefined };
    return new Document({ id: `d${number}`, pageContent, metadata });
  });
}

test("documents are added under their ids, given ones or new ones, and come back whole", async () => {
  const { store, namespace } = newStore();
  expect(await store.addDocuments(documents())).toEqual(["d0", "d1", "d2", "d3"]);
  const given = await store.addDocuments([new Document({ pageContent: "one more" })], { ids: ["own"] });
  const [made] = await store.addDocuments([new Document({ pageContent: "another" })]);
  expect(given).toEqual(["own"]);
  expect(made).toHaveLength(36);
  const [found] = await store.similaritySearch("green tea is hot", 1);
  expect(found).toBeInstanceOf(Document);
  expect(found).toEqual(
    new Document({ id: "d1", pageContent: TEXTS[1] as string, metadata: { number: 1, source: "a.txt" } }),
  );
  await store.addDocuments([new Document({ id: "d1", pageContent: "the train is late" })]);
  expect(await shared.current.sync.get("d1", { namespace })).toMatchObject({
    version: 2,
    content: "the train is late",
  });
  await expect(store.addDocuments(documents(), { ids: ["a"] })).rejects.toThrow("expected one each");
  expect(await store.addDocuments([])).toEqual([]);
});

test("searches go by text, by vector, with a score, and best first", async () => {
  const { store } = newStore();
  await store.addDocuments(documents());
  expect(await store.similaritySearch("tea")).toHaveLength(4); // Four by default.
  const scored = await store.similaritySearchWithScore("green tea is good", 3);
  expect(scored[0]?.[0].id).toBe("d0");
  expect(scored[0]?.[1]).toBeCloseTo(1, 5);
  expect(scored.map(([, score]) => score)).toEqual(scored.map(([, score]) => score).sort((one, other) => other - one));
  const vector = await embeddings.embedQuery("the train leaves at nine");
  expect((await store.similaritySearchVectorWithScore(vector, 1))[0]?.[0].id).toBe("d2");
  expect(await store.similaritySearch("tea", 0)).toEqual([]);
  const vectors = await embeddings.embedDocuments(["by vector"]);
  expect(await store.addVectors(vectors, [new Document({ id: "v", pageContent: "by vector" })])).toEqual(["v"]);
  await expect(store.addVectors([], documents())).rejects.toThrow("0 vectors were given for 4 documents");
});

test("a filter is plain metadata, the filter language, or a function", async () => {
  const { store } = newStore();
  await store.addDocuments(documents());
  const ids = async (filter: Parameters<typeof store.similaritySearch>[2]) =>
    (await store.similaritySearch("tea", 4, filter)).map(({ id }) => id).sort();
  expect(await ids({ source: "a.txt" })).toEqual(["d0", "d1"]);
  expect(await ids({ "metadata.number": { gte: 2 }, source: "b.txt" })).toEqual(["d2", "d3"]);
  expect(await ids({ or: [{ "metadata.number": { eq: 0 } }, { "metadata.number": { eq: 3 } }] })).toEqual(["d0", "d3"]);
  expect(await ids((memory) => memory.content.includes("milk"))).toEqual(["d3"]);
  await expect(ids({ colour: { eq: "red" } })).rejects.toMatchObject({ code: "VALIDATION" });
});

test("documents are deleted by ids or by a filter, and by nothing less", async () => {
  const { store, namespace } = newStore();
  await store.addDocuments(documents());
  await store.delete({ ids: ["d0", "never"] });
  await store.delete({ filter: { source: "b.txt" } });
  expect((await store.similaritySearch("tea")).map(({ id }) => id)).toEqual(["d1"]);
  await expect(store.delete()).rejects.toThrow("either { ids } or { filter }");
  for (const filter of [{}, { source: undefined }, { source: "c.txt", part: undefined }]) {
    await expect(store.delete({ filter })).rejects.toThrow("it would take others along");
  }
  expect((await shared.current.sync.history("d0", { namespace }))[0]).toMatchObject({ endedBy: "deleted" });
});

test("maximal marginal relevance leaves out what says the same again", async () => {
  const { store } = newStore();
  const texts = ["green tea is good", "green tea is good!", "green tea is good?", "milk for the tea"];
  await store.addDocuments(texts.map((pageContent, number) => new Document({ id: `m${number}`, pageContent })));
  const near = await store.similaritySearch("green tea", 2);
  expect(near.map(({ id }) => id)).not.toContain("m3");
  const diverse = await store.maxMarginalRelevanceSearch("green tea", { k: 2, lambda: 0.1 });
  expect(diverse.map(({ id }) => id)).toContain("m3");
  const relevant = await store.maxMarginalRelevanceSearch("green tea", {
    k: 2,
    lambda: 1,
    filter: { memoryId: { in: ["m0", "m3"] } },
  });
  expect(relevant.map(({ id }) => id)).toEqual(["m0", "m3"]);
});

test("a retriever searches by likeness, by a filter and by maximal marginal relevance", async () => {
  const { store } = newStore();
  await store.addDocuments(documents());
  expect((await store.asRetriever(1).invoke("the train leaves at nine")).map(({ id }) => id)).toEqual(["d2"]);
  const filtered = store.asRetriever({ k: 4, filter: { source: "b.txt" } });
  expect((await filtered.invoke("tea")).map(({ id }) => id).sort()).toEqual(["d2", "d3"]);
  const diverse = store.asRetriever({ k: 2, searchType: "mmr", searchKwargs: { fetchK: 4, lambda: 0.5 } });
  expect(await diverse.invoke("green tea")).toHaveLength(2);
  await store.asRetriever().addDocuments([new Document({ id: "late", pageContent: "late" })]);
  expect((await store.similaritySearch("late", 1))[0]?.id).toBe("late");
});

test("a store is made from texts and from documents", async () => {
  const options = { sync: shared.current.sync, namespace: `chain-${stores++}` };
  const texts = await MnemosyncVectorStore.fromTexts(["a text", "another"], [{ n: 1 }, { n: 2 }], embeddings, options);
  expect((await texts.similaritySearch("another", 1))[0]?.metadata).toEqual({ n: 2 });
  const same = await MnemosyncVectorStore.fromTexts(["a third"], { n: 3 }, embeddings, options);
  expect((await same.similaritySearch("a third", 1))[0]?.metadata).toEqual({ n: 3 });
  const made = await MnemosyncVectorStore.fromDocuments(documents(), embeddings, options);
  expect(await made.similaritySearch("tea", 10)).toHaveLength(7);
  expect(made._vectorstoreType()).toBe("mnemosync");
});

test("index() adds what is new, skips what it knows, and cleans up what is gone: incrementally, in full, and not", async () => {
  const { store } = newStore();
  const recordManager = new MnemosyncRecordManager({ sync: shared.current.sync, namespace: `records-${stores}` });
  await recordManager.createSchema();
  const run = async (docsSource: Document[], options: object) =>
    await index({ docsSource, recordManager, vectorStore: store, options });
  const [a, b, c, d] = documents() as [Document, Document, Document, Document];
  const counts = (numAdded: number, numUpdated: number, numDeleted: number, numSkipped: number) => {
    return { numAdded, numUpdated, numDeleted, numSkipped };
  };
  const incremental = { cleanup: "incremental", sourceIdKey: "source" };
  expect(await run([a, b, c], incremental)).toEqual(counts(3, 0, 0, 0));
  expect(await run([a, b, c], incremental)).toEqual(counts(0, 0, 0, 3));
  // A changed document of a source takes the place of what the source had; another source stays as it is.
  const changed = new Document({ pageContent: "green tea is cold", metadata: b.metadata });
  expect(await run([a, changed], incremental)).toEqual(counts(1, 0, 1, 1));
  expect((await store.similaritySearch("tea", 10)).map(({ pageContent }) => pageContent).sort()).toEqual([
    ...["green tea is cold", "green tea is good", "the train leaves at nine"],
  ]);
  expect(await run([d], {})).toEqual(counts(1, 0, 0, 0));
  expect(await run([d], { forceUpdate: true })).toEqual(counts(0, 1, 0, 0));
  expect(await run([a], { cleanup: "full" })).toEqual(counts(0, 0, 3, 1));
  expect((await store.similaritySearch("tea", 10)).map(({ pageContent }) => pageContent)).toEqual([
    "green tea is good",
  ]);
});

test("a record manager knows keys, groups and times, by the ledger's clock", async () => {
  const manager = new MnemosyncRecordManager({ sync: shared.current.sync, namespace: `records-own-${stores++}` });
  const start = await manager.getTime();
  expect(await manager.getTime()).toBeGreaterThanOrEqual(start);
  await manager.update(["k1", "k2", "k3"], { groupIds: ["g1", "g1", null], timeAtLeast: start });
  expect(await manager.exists(["k1", "none", "k3"])).toEqual([true, false, true]);
  expect(await manager.exists([])).toEqual([]);
  expect(await manager.listKeys()).toEqual(["k1", "k2", "k3"]);
  expect(await manager.listKeys({ groupIds: ["g1"] })).toEqual(["k1", "k2"]);
  expect(await manager.listKeys({ groupIds: [null] })).toEqual(["k3"]);
  expect(await manager.listKeys({ groupIds: ["g1", null], limit: 2 })).toHaveLength(2);
  expect(await manager.listKeys({ groupIds: [] })).toEqual([]);
  const middle = (await manager.getTime()) + 1;
  await expect.poll(() => manager.getTime()).toBeGreaterThan(middle);
  await manager.update(["k1"]); // Keeps its group.
  expect(await manager.listKeys({ before: middle })).toEqual(["k2", "k3"]);
  expect(await manager.listKeys({ after: middle })).toEqual(["k1"]);
  expect(await manager.listKeys({ groupIds: ["g1"] })).toEqual(["k1", "k2"]);
  await expect(manager.update(["k1"], { timeAtLeast: Date.now() + 60_000 })).rejects.toThrow("index anew");
  await expect(manager.update(["k1"], { groupIds: [] })).rejects.toThrow("expected one each");
  await manager.deleteKeys(["k1", "k2", "none"]);
  expect(await manager.listKeys()).toEqual(["k3"]);
});
