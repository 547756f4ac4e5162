import { expect, test } from "vitest";
import { MemorySynchronizer } from "../../src/index.ts";
import { openWorld } from "../support/world.ts";

/** Goal: an optional field that is `undefined` counts as absent, in memories, options and filters alike. */

test("every optional option of connect may be undefined", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const { optionsSchema } = await import("../../src/config/options.ts");
  const optional = Object.entries(optionsSchema.shape).filter(([, schema]) => schema.safeParse(undefined).success);
  expect(optional.length).toBeGreaterThan(40);
  const absent = Object.fromEntries(optional.map(([name]) => [name, undefined]));
  const extras = { embedder: undefined, log: undefined, onIndexProgress: undefined, stores: undefined };
  const options = { ...world.connectOptions, ...absent, ...extras, redisPrefix: world.prefix };
  const sync = await MemorySynchronizer.connect(options, { signal: undefined });
  t.onTestFinished(() => sync.close());
  expect(await sync.syncMemory("m1", { content: "x", memoryType: "note" })).toMatchObject({ status: "synced" });
  const embedding = { provider: "hashing" as const, url: undefined, model: undefined, apiKey: undefined };
  const http = { keysFile: undefined, corsOrigins: undefined };
  const nested = await MemorySynchronizer.connect({ ...options, embedding, http });
  await nested.close();
});

test("every optional field of a memory, of a call's options and of a filter may be undefined", async (t) => {
  const { sync } = await openWorld(t);
  const call = { signal: undefined, timeoutMs: undefined, namespace: undefined };
  const write = { ...call, expectedVersion: undefined, idempotencyKey: undefined, wait: undefined };
  const fields = {
    namespace: undefined,
    content: "about figs",
    memoryType: "note",
    importance: undefined,
    metadata: undefined,
    embedding: undefined,
    embeddingModel: undefined,
    privacy: undefined,
    expiresAt: undefined,
  };
  await sync.syncMemory("m1", fields, write);
  const read = await sync.get("m1", call);
  expect(read).toMatchObject({ namespace: "default", importance: 0.5, metadata: {}, privacy: "full", embedding: null });
  expect(read).not.toHaveProperty("expiresAt");
  const plain = await sync.syncMemory("m2", { content: "about figs", memoryType: "note" });
  expect(plain.checksum).toBe(read?.checksum);

  const batch = { ...call, onProgress: undefined, atomic: undefined, idempotencyKey: undefined };
  const embedding = [1, 0, 0, 0, 0, 0, 0, 0];
  const [outcome] = await sync.syncBatch([{ ...fields, memoryId: "m3", metadata: { a: 1, b: 2 }, embedding }], batch);
  expect(outcome?.status).toBe("synced");
  const search = { ...call, k: undefined, scoreMin: undefined, filter: undefined };
  expect(await sync.search(embedding, search)).toHaveLength(1);
  const filter = { memoryType: undefined, metadata: { a: 1, b: undefined, none: undefined } };
  expect(await sync.search(embedding, { ...search, filter })).toHaveLength(1);
  const other = { memoryType: undefined, metadata: { a: 2, b: undefined } };
  expect(await sync.search(embedding, { ...search, filter: other })).toEqual([]);

  expect(await sync.history("m1", { ...call, limit: undefined })).toHaveLength(1);
  await sync.syncMemory("m1", { ...fields, content: "about dates" });
  expect((await sync.diff("m1", 1, 2, call)).fields).toHaveLength(1);
  expect((await sync.copies("m1", call)).copies.map(({ drift }) => drift)).not.toContain(undefined);
  expect(await sync.rollback("m1", 1, { ...call, expectedVersion: undefined })).toMatchObject({ version: 3 });
  const check = { scope: undefined, stores: undefined, resume: undefined, memoriesPerSecondMax: undefined };
  const report = await sync.checkConsistency({ ...check, signal: undefined, onProgress: undefined });
  expect(report).toMatchObject({ scope: "full", clean: true });
  const repair = { strategy: undefined, kinds: undefined, stores: undefined, repairsMax: undefined, dryRun: undefined };
  await sync.repairInconsistencies(report, { ...repair, signal: undefined, onProgress: undefined });
  const records = [];
  const exported = { namespace: undefined, history: undefined, includeLocal: undefined, after: undefined };
  for await (const record of sync.exportMemories({ ...exported, signal: undefined, onProgress: undefined })) {
    records.push(record);
  }
  const imported = { onConflict: undefined, strategy: undefined, onProgress: undefined, signal: undefined };
  expect(await sync.importMemories(records, imported)).toMatchObject({ unchanged: 3, complete: true });
  expect(await sync.jobs.list({ limit: undefined, signal: undefined })).toEqual([]);
  expect(await sync.conflicts.list({ limit: undefined, signal: undefined })).toEqual([]);
  expect(await sync.delete("m1", write)).toMatchObject({ status: "synced" });
});

test("undefined within metadata is refused, since no store could give it back", async (t) => {
  const { sync } = await openWorld(t, { faiss: false });
  const metadata = { user: { name: undefined as unknown as null } };
  await expect(sync.syncMemory("m1", { content: "x", memoryType: "note", metadata })).rejects.toMatchObject({
    code: "VALIDATION",
    path: "metadata.user.name",
  });
});
