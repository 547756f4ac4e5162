import { expect, test, vi } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { EmbeddingError } from "../../src/index.ts";
import { openService } from "../support/http-service.ts";
import { idsFound, MEMORIES, models, NamedEmbedder, openPair } from "../support/reembedding.ts";

/**
 * Goal: memories get vectors of another model while searches go on, and no search mixes models. Method: a node of the former
 * model (8 numbers) and one of the new model (16 numbers) on one ledger; the new embedder is held up by the test.
 */

vi.setConfig({ testTimeout: 240_000 });

test("nodes of the former model find everything throughout; the new one answers once all is embedded anew", async (t) => {
  const { world, former, next, embedder } = await openPair(t);
  const all = await idsFound(former);
  expect(all).toHaveLength(MEMORIES);
  const bestBefore = (await former.search("memory number 7 about trains", { k: 5 })).map(({ score }) => score);

  let goOn = (): void => undefined;
  const held = new Promise<void>((resolve) => (goOn = resolve));
  // A search embeds one text, the job many.
  embedder.before = (texts) => (texts.length > 1 && embedder.texts.length >= 250 ? held : undefined);
  const figures: Record<string, number>[] = [];
  const running = next.reembed({ model: "next", onProgress: (shown) => figures.push({ ...shown }) });
  await pollUntil("the first page", 60_000, async () => (await models(world)).next === 250);
  // The former node has been told of the first page, and goes by the vectors that it has.
  await pollUntil("the feed", 60_000, async () => (await former.get("m0"))?.embeddingModel !== undefined);
  expect(await idsFound(former)).toEqual(all);
  const where = { memoryId: { in: ["m0", "m1", "m599"] } }; // Some of them are embedded anew by now, and one is not.
  expect(await former.search("a memory about tea", { where })).toHaveLength(3);
  await expect(next.search("tea")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", retryable: true });
  expect(next.capabilities()).toEqual({ read: true, write: true, search: false });

  // Writes and patches of the former node go on; the job takes them in its next pass. A delete ends a memory in its index too.
  await former.syncMemory("m3", { content: "a new text about tea", memoryType: "odd" });
  const [embeddedAlready] =
    (await world.sql<{ id: string }[]>`
    select memory_id as id from mnemosync.memories where document ->> 'embeddingModel' = 'next' order by 1`) ?? [];
  const patched = await former.patch(embeddedAlready!.id, { importance: 0.9 });
  expect(patched).toMatchObject({ status: "synced", stores: { faiss: "applied" } });
  await former.delete("m5");
  goOn();
  const report = await running;
  expect(report).toMatchObject({ model: "next", failed: 0, failures: [], withoutText: 0, complete: true });
  expect(report.passes).toBeGreaterThanOrEqual(2);
  expect(report.embedded).toBeGreaterThanOrEqual(MEMORIES - 1);
  expect(figures.at(-1)).toMatchObject({ embedded: report.embedded, failed: 0 });
  expect(await models(world)).toEqual({ next: MEMORIES - 1 });

  const rest = all.filter((id) => id !== "m5");
  await pollUntil("the feed's end", 60_000, async () => (await idsFound(former)).length === rest.length);
  expect(await idsFound(former)).toEqual(rest);
  expect((await former.search("memory number 7 about trains", { k: 5 })).map(({ score }) => score)).toEqual(bestBefore);
  await pollUntil("the new node's search", 60_000, () => next.capabilities().search);
  expect(await idsFound(next)).toEqual(rest);
  const [best] = await next.search("memory number 7 about trains", { k: 1 });
  expect(best).toMatchObject({ memory: { memoryId: "m7", embeddingModel: "next", version: 2 } });
  expect((await next.get(embeddedAlready!.id))?.importance).toBe(0.9);
  expect((await next.checkConsistency({ scope: "deep" })).findings).toEqual([]);
  const texts = embedder.texts.length;
  expect(await next.reembed()).toMatchObject({ embedded: 0, passes: 1, complete: true });
  expect(embedder.texts).toHaveLength(texts);
});

test("`where` and `namespace` choose; a text that the embedder refuses is named, and the rest goes on", async (t) => {
  const { world, next, embedder } = await openPair(t, 20);
  embedder.before = (texts) => {
    if (texts.some((text) => text.includes("number 4 "))) throw new EmbeddingError("too long for the model");
  };
  const where = { memoryType: { eq: "even" } } as const;
  expect(await next.reembed({ where, namespace: "elsewhere" })).toMatchObject({ embedded: 0, complete: true });
  const report = await next.reembed({ where, namespace: "default" });
  expect(report).toMatchObject({ embedded: 9, failed: 1, complete: false });
  expect(report.failures).toEqual([
    { namespace: "default", memoryId: "m4", code: "EMBEDDING_FAILED", message: "too long for the model" },
  ]);
  expect(await models(world)).toEqual({ next: 9, former: 11 });
  await expect(next.reembed({ model: "former" })).rejects.toMatchObject({ code: "CONFIGURATION" });
  await expect(next.reembed({ where: { colour: { eq: "red" } } as never })).rejects.toMatchObject({
    code: "VALIDATION",
  });

  embedder.before = () => {
    throw new EmbeddingError("no route to the endpoint", { retryable: true });
  };
  await expect(next.reembed()).rejects.toMatchObject({ code: "EMBEDDING_FAILED", retryable: true });
  embedder.before = () => undefined;
  expect(await next.reembed()).toMatchObject({ embedded: 11, complete: true });
});

test("over HTTP it is a job", async (t) => {
  const service = await openService(t, { world: { settings: { embedder: new NamedEmbedder("next", 8) } } });
  // Of a model that nobody named: it may be any.
  await service.world.put({ memoryId: "m1", content: "tea", memoryType: "note", embedding: [1, 0, 0, 0, 0, 0, 0, 0] });
  const refused = await service.request("POST", "/v1/reembeddings", { body: { model: "former" } });
  expect(refused.json()).toMatchObject({ status: 422, code: "VALIDATION", path: "input.model" });
  const where = { memoryType: { eq: "note" } };
  const started = await service.request("POST", "/v1/reembeddings", { body: { where } });
  expect(started).toMatchObject({ statusCode: 202 });
  const { id } = started.json<{ id: string }>();
  const job = async () => (await service.request("GET", `/v1/jobs/${id}`)).json<{ state: string; result: unknown }>();
  await pollUntil("the job", 60_000, async () => (await job()).state === "done");
  expect((await job()).result).toMatchObject({ model: "next", embedded: 1, failed: 0, complete: true });
});
