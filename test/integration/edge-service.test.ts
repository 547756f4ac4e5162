import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { EdgeStore, type OpenOptions } from "../../src/edge/index.ts";
import { temporaryFolder } from "../support/edges.ts";
import { feedShown } from "../support/feed-shown.ts";
import { openService, type TestService } from "../support/http-service.ts";

/** One for all tests: each has a namespace of its own. */
let service: TestService;
let hub = "";
let tests = 0;
const finishers: (() => Promise<void>)[] = [];

beforeAll(async () => {
  const suite = { onTestFinished: (finish: () => Promise<void>) => void finishers.push(finish) };
  service = await openService(suite, { world: { faiss: false } });
  hub = await service.app.listen({ host: "127.0.0.1", port: 0 });
});
afterAll(async () => {
  for (const finish of finishers.toReversed()) await finish();
});

/** @returns `here`: the namespace of this test, for every call of an edge. */
function world() {
  const here = { namespace: `edges-${++tests}` };
  const folder = temporaryFolder();
  let edges = 0;
  const open = async (options: Partial<OpenOptions> = {}, inProcess = true) => {
    const path = `${folder}/edge-${++edges}.db`;
    const about = { path, hub, apiKey: service.keys.writer, namespaces: [here.namespace], retryBaseMs: 10 };
    const edge = await EdgeStore.open({ ...about, ...options }, { inProcess });
    onTestFinished(() => edge.close());
    return edge;
  };
  return { here, open };
}

/** A round that is shown all that the service has written so far. */
async function round(edge: EdgeStore) {
  await feedShown(service.world);
  return await edge.syncNow();
}

async function atHub({ namespace }: { readonly namespace: string }, memoryId: string) {
  const answer = await service.request("GET", `/v1/namespaces/${namespace}/memories/${memoryId}`);
  return answer.statusCode === 200 ? answer.json() : null;
}

test("two edges and the real service: writes, edits, conflicts and deletions converge over HTTP", async () => {
  const { here, open } = world();
  const [a, b] = [await open(), await open()];
  await a.put("m1", { content: "one", memoryType: "note", metadata: { tags: ["x", "ü"] }, importance: 0.25 }, here);
  for (let index = 0; index < 60; index++)
    await a.put(`batch-${index}`, { content: `n${index}`, memoryType: "note" }, here);
  expect(await round(a)).toMatchObject({ pushed: 61, failed: 0, pending: 0 });
  expect(await atHub(here, "m1")).toMatchObject({ content: "one", metadata: { tags: ["x", "ü"] }, version: 1 });
  await round(b);
  expect(await b.get("m1", here)).toMatchObject({ content: "one", importance: 0.25, version: 1, status: "synced" });
  expect((await b.list({ limit: 100, ...here })).memories).toHaveLength(61);

  await a.patch("m1", { content: "of a" }, here);
  await round(a);
  await b.patch("m1", { content: "of b, later" }, here);
  await round(b);
  await round(a);
  for (const edge of [a, b])
    expect(await edge.get("m1", here)).toMatchObject({ content: "of b, later", status: "synced" });
  expect(await b.conflicts({ all: true })).toMatchObject([
    { resolution: "local", remote: { memory: { content: "of a" } } },
  ]);

  await b.delete("m1", here);
  await round(b);
  await round(a);
  expect(await a.get("m1", here)).toBeNull();
  expect(await atHub(here, "m1")).toBeNull();
  const statuses = await Promise.all([a.status(), b.status()]);
  for (const status of statuses) expect(status).toMatchObject({ mode: "online", pending: 0, failed: 0, conflicts: 0 });
}, 300_000);

test("privacy at the real service: nothing private arrives, and what is withdrawn goes, from its history too", async () => {
  const { here, open } = world();
  const [a, b] = [await open(), await open()];
  await a.put("private", { content: "never leaves", memoryType: "note", privacy: "local_only" }, here);
  await a.put("half", { content: "withheld words", memoryType: "note", privacy: "redacted" }, here);
  await a.put("said", { content: "too much said", memoryType: "note" }, here);
  await round(a);
  await round(b);
  expect(await b.get("half", here)).toMatchObject({ content: "", withheld: true });
  expect(await b.get("said", here)).toMatchObject({ content: "too much said" });
  await a.patch("said", { privacy: "redacted" }, here);
  await round(a);
  await b.patch("half", { importance: 0.9 }, here);
  await round(b);
  await round(a);
  expect(await b.get("said", here)).toMatchObject({ content: "", withheld: true });
  expect(await a.get("said", here)).toMatchObject({ content: "too much said", status: "synced" });
  expect(await a.get("half", here)).toMatchObject({ content: "withheld words", importance: 0.9 });
  const history = await service.request("GET", `/v1/namespaces/${here.namespace}/memories/said/history`);
  expect(history.body).not.toContain("too much said");
  expect(await atHub(here, "private")).toBeNull();
}, 300_000);

test("the waiting request brings a change of another edge without an interval", async () => {
  const { here, open } = world();
  // In a worker each, as edges run.
  const rarely = { pullIntervalMs: 86_400_000 };
  const [a, b] = [await open(rarely, false), await open(rarely, false)];
  a.start();
  b.start();
  await expect.poll(async () => (await b.status()).lastPullAt, { timeout: 60_000 }).not.toBeNull();
  await a.put("m1", { content: "at once", memoryType: "note" }, here);
  await expect.poll(async () => (await b.get("m1", here))?.content, { timeout: 60_000 }).toBe("at once");
  await a.stop();
  await b.stop();
}, 300_000);

test("a reader's key may pull, and its changes wait as failed with the reason", async () => {
  const { here, open } = world();
  const edge = await open({ apiKey: service.keys.reader });
  await edge.put("m1", { content: "kept", memoryType: "note" }, here);
  await edge.syncNow().catch(() => undefined);
  const [item] = await edge.queue();
  expect(item?.memoryId).toBe("m1");
  expect(await edge.get("m1", here)).toMatchObject({ content: "kept" });
  expect(await atHub(here, "m1")).toBeNull();
}, 300_000);
