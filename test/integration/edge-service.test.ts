import { expect, onTestFinished, test } from "vitest";
import { EdgeStore, type OpenOptions } from "../../src/edge/index.ts";
import { temporaryFolder } from "../support/edges.ts";
import { openService, type TestService } from "../support/http-service.ts";

async function world(): Promise<{
  service: TestService;
  open: (options?: Partial<OpenOptions>) => Promise<EdgeStore>;
}> {
  const service = await openService({ onTestFinished }, { world: { faiss: false } });
  const hub = await service.app.listen({ host: "127.0.0.1", port: 0 });
  const folder = temporaryFolder();
  let edges = 0;
  const open = async (options: Partial<OpenOptions> = {}) => {
    const path = `${folder}/edge-${++edges}.db`;
    const edge = await EdgeStore.open({ path, hub, apiKey: service.keys.writer, retryBaseMs: 10, ...options });
    onTestFinished(() => edge.close());
    return edge;
  };
  return { service, open };
}

async function atHub(service: TestService, memoryId: string) {
  const answer = await service.request("GET", `/v1/namespaces/default/memories/${memoryId}`);
  return answer.statusCode === 200 ? answer.json() : null;
}

test("two edges and the real service: writes, edits, conflicts and deletions converge over HTTP", async () => {
  const { service, open } = await world();
  const [a, b] = [await open(), await open()];
  await a.put("m1", { content: "one", memoryType: "note", metadata: { tags: ["x", "ü"] }, importance: 0.25 });
  for (let index = 0; index < 60; index++) await a.put(`batch-${index}`, { content: `n${index}`, memoryType: "note" });
  expect(await a.syncNow()).toMatchObject({ pushed: 61, failed: 0, pending: 0 });
  expect(await atHub(service, "m1")).toMatchObject({ content: "one", metadata: { tags: ["x", "ü"] }, version: 1 });
  await b.syncNow();
  expect(await b.get("m1")).toMatchObject({ content: "one", importance: 0.25, version: 1, status: "synced" });
  expect((await b.list({ limit: 100 })).memories).toHaveLength(61);

  await a.patch("m1", { content: "of a" });
  await a.syncNow();
  await b.patch("m1", { content: "of b, later" });
  await b.syncNow();
  await a.syncNow();
  for (const edge of [a, b]) expect(await edge.get("m1")).toMatchObject({ content: "of b, later", status: "synced" });
  expect(await b.conflicts({ all: true })).toMatchObject([
    { resolution: "local", remote: { memory: { content: "of a" } } },
  ]);

  await b.delete("m1");
  await b.syncNow();
  await a.syncNow();
  expect(await a.get("m1")).toBeNull();
  expect(await atHub(service, "m1")).toBeNull();
  const statuses = await Promise.all([a.status(), b.status()]);
  for (const status of statuses) expect(status).toMatchObject({ mode: "online", pending: 0, failed: 0, conflicts: 0 });
}, 60_000);

test("privacy at the real service: nothing private arrives, and what is withdrawn goes, from its history too", async () => {
  const { service, open } = await world();
  const [a, b] = [await open(), await open()];
  await a.put("private", { content: "never leaves", memoryType: "note", privacy: "local_only" });
  await a.put("half", { content: "withheld words", memoryType: "note", privacy: "redacted" });
  await a.put("said", { content: "too much said", memoryType: "note" });
  await a.syncNow();
  await b.syncNow();
  expect(await b.get("half")).toMatchObject({ content: "", withheld: true });
  expect(await b.get("said")).toMatchObject({ content: "too much said" });
  await a.patch("said", { privacy: "redacted" });
  await a.syncNow();
  await b.patch("half", { importance: 0.9 });
  await b.syncNow();
  await a.syncNow();
  expect(await b.get("said")).toMatchObject({ content: "", withheld: true });
  expect(await a.get("said")).toMatchObject({ content: "too much said", status: "synced" });
  expect(await a.get("half")).toMatchObject({ content: "withheld words", importance: 0.9 });
  const history = await service.request("GET", "/v1/namespaces/default/memories/said/history");
  expect(history.body).not.toContain("too much said");
  expect(await atHub(service, "private")).toBeNull();
}, 60_000);

test("the waiting request brings a change of another edge without an interval", async () => {
  const { open } = await world();
  const [a, b] = [await open({ pullIntervalMs: 86_400_000 }), await open({ pullIntervalMs: 86_400_000 })];
  a.start();
  b.start();
  await expect.poll(async () => (await b.status()).lastPullAt, { timeout: 20_000 }).not.toBeNull();
  await a.put("m1", { content: "at once", memoryType: "note" });
  await expect.poll(async () => (await b.get("m1"))?.content, { timeout: 20_000 }).toBe("at once");
  await a.stop();
  await b.stop();
}, 60_000);

test("a reader's key may pull, and its changes wait as failed with the reason", async () => {
  const { service, open } = await world();
  const edge = await open({ apiKey: service.keys.reader });
  await edge.put("m1", { content: "kept", memoryType: "note" });
  await edge.syncNow().catch(() => undefined);
  const [item] = await edge.queue();
  expect(item?.memoryId).toBe("m1");
  expect(await edge.get("m1")).toMatchObject({ content: "kept" });
  expect(await atHub(service, "m1")).toBeNull();
}, 60_000);
