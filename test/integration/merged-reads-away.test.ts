import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { expect, test, vi } from "vitest";
import { MemorySynchronizer, type ReadSources } from "../../src/index.ts";
import { createMcpServer } from "../../src/mcp/index.ts";
import { serviceOn } from "../support/http-service.ts";
import { called, connected, httpClient, refused } from "../support/mcp-clients.ts";
import { openReplicaWorld } from "../support/replica-world.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

/**
 * Goal: reads go on with one of both sides, and say so through every door; searches by vector find what only the replica has.
 * Method: two real databases behind proxies, a real index over the replica.
 */

// Two index hosts start, which takes long on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

const settings = { syncIntervalMs: 100 };

async function proxied(t: { onTestFinished: (finish: () => Promise<void>) => void }, url: string) {
  const proxy = await TcpProxy.start(Number(new URL(url).port));
  t.onTestFinished(() => proxy.close());
  return { proxy, url: proxy.through(url) };
}

test("with the primary away, reads are answered by the replica alone where that is set, and marked so", async (t) => {
  const world = await openReplicaWorld(t, { world: { settings } });
  await world.put("a", { content: "one" });
  await world.put("b", { content: "two" });
  await world.caughtUp();
  const primary = await proxied(t, world.world.databaseUrl);
  const open = async (readsWhenPrimaryDown: boolean): Promise<MemorySynchronizer> => {
    const replica = { enabled: true, postgresUrl: world.replicaUrl, readsWhenPrimaryDown, readTimeoutMs: 20_000 };
    const sync = await MemorySynchronizer.connect({ postgresUrl: primary.url, redisUrl: "none", replica });
    t.onTestFinished(() => sync.close());
    return sync;
  };
  const [alone, strict] = [await open(true), await open(false)];
  await primary.proxy.refuse();
  const told: ReadSources[] = [];
  const onSources = (sources: ReadSources): void => void told.push(sources);
  expect(await alone.get("a", { onSources, createdAt: true })).toMatchObject({ content: "one", source: "replica" });
  expect(await alone.getMany(["b", "c"], { onSources })).toMatchObject([{ content: "two" }, null]);
  const sources = { primary: "unavailable", replica: "ok" };
  const page = await alone.list({ limit: 1 });
  expect(page).toMatchObject({ memories: [{ memoryId: "a" }], sources });
  expect(await alone.list({ limit: 1, cursor: page.cursor as string })).toMatchObject({
    memories: [{ memoryId: "b" }],
    sources,
  });
  expect(await alone.count()).toEqual({ count: 2, estimate: false, sources });
  expect(await alone.history("a", { onSources })).toMatchObject([{ version: 1, document: { content: "one" } }]);
  expect(told).toEqual([sources, sources, sources]);
  const [mine, theirs] = InMemoryTransport.createLinkedPair();
  await (await createMcpServer(alone)).connect(theirs);
  const client = await connected(t, mine);
  expect(await called(client, "get", { memoryId: "a" })).toMatchObject({ content: "one", sources });
  const { text, error } = await refused(client, "get", { memoryId: "c" });
  expect(error).toMatchObject({ code: "NOT_FOUND", sources });
  expect(text).toContain("as far as the side that answered knows");
  await expect(client.readResource({ uri: "memory://default/c" })).rejects.toMatchObject({ data: { sources } });
  await expect(strict.get("a")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
});

test("with the replica away, reads are the primary's, through the library and over HTTP, and a cursor leads on", async (t) => {
  const world = await openReplicaWorld(t, { world: { settings } });
  for (const id of ["a", "b", "c"]) await world.put(id, { content: id });
  await world.caughtUp();
  const replica = await proxied(t, world.replicaUrl);
  const sync = await MemorySynchronizer.connect({
    postgresUrl: world.world.databaseUrl,
    redisUrl: "none",
    replica: { enabled: true, postgresUrl: replica.url, readTimeoutMs: 20_000 },
  });
  t.onTestFinished(() => sync.close());
  await replica.proxy.refuse();
  const sources = { primary: "ok", replica: "unavailable" };
  const first = await sync.list({ limit: 1 });
  expect(first).toMatchObject({ memories: [{ memoryId: "a" }], sources });
  await replica.proxy.pass();
  const rest = await sync.list({ cursor: first.cursor as string });
  expect(rest).toMatchObject({ memories: [{ memoryId: "b" }, { memoryId: "c" }], sources: { replica: "ok" } });

  const service = await serviceOn(t, world.world);
  const path = "/v1/namespaces/default";
  const ok = { primary: "ok", replica: "ok" };
  expect((await service.request("GET", `${path}/memories/a`)).json()).toMatchObject({ content: "a", sources: ok });
  expect((await service.request("GET", `${path}/memories?limit=1`)).json()).toMatchObject({ sources: ok });
  expect((await service.request("GET", `${path}/count`)).json()).toEqual({ count: 3, estimate: false, sources: ok });
  expect((await service.request("GET", `${path}/memories/a/history`)).json()).toMatchObject({ sources: ok });
  const missing = await service.request("GET", `${path}/memories/x`);
  expect([missing.statusCode, missing.json()]).toMatchObject([404, { code: "NOT_FOUND", sources: ok }]);
  const unfound = await refused(await httpClient(t, service), "get", { memoryId: "x" });
  expect(unfound.error).toMatchObject({ code: "NOT_FOUND", sources: ok });
  expect(unfound.text).not.toContain("as far as"); // Both sides answered.
});

test("a replica whose connections take longer than a read may is read once there is one", async (t) => {
  const world = await openReplicaWorld(t, { world: { settings } });
  await world.put("a", { content: "a" });
  await world.caughtUp();
  const far = await proxied(t, world.replicaUrl);
  far.proxy.slow(300);
  const sync = await MemorySynchronizer.connect({
    postgresUrl: world.world.databaseUrl,
    redisUrl: "none",
    // Two answers of the server fit into it, and not the many of a new connection.
    replica: { enabled: true, postgresUrl: far.url, readTimeoutMs: 1_500, healthCheckIntervalMs: 200 },
  });
  t.onTestFinished(() => sync.close());
  expect((await sync.list()).sources).toEqual({ primary: "ok", replica: "unavailable" });
  await expect
    .poll(async () => (await sync.list()).sources, { timeout: 60_000, interval: 100 })
    .toEqual({ primary: "ok", replica: "ok" });
});

test("a search by vector finds what expired through an index over the replica, and says `off` without one", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "mnemosync-replica-index-"));
  t.onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const world = await openReplicaWorld(t, {
    replica: { archive: "expired", faissDirectory: directory, readTimeoutMs: 20_000 },
    world: { faiss: { dimension: 8 }, settings },
  });
  const vector = (at: number) => Array.from({ length: 8 }, (_, index) => (index === at ? 1 : 0.1));
  await world.put("near", { content: "near", embedding: vector(1) });
  await world.put("near", { content: "near", embedding: vector(1), expiresAt: "2020-01-01T00:00:00.000Z" });
  await world.put("far", { content: "far", embedding: vector(5) });
  let sources: ReadSources | null = null;
  const onSources = (told: ReadSources): void => {
    sources = told;
  };
  await expect
    .poll(
      async () => {
        const found = await world.sync.search(vector(1), { k: 2, onSources });
        return found.map(({ memory }) => `${memory.memoryId} ${memory.source}`);
      },
      { timeout: 60_000, interval: 200 },
    )
    .toEqual(["near replica", "far postgres"]);
  expect(sources).toEqual({ primary: "ok", replica: "ok" });
  await world.sync.delete("near");
  expect((await world.sync.search(vector(1), { k: 2 })).map(({ memory }) => memory.memoryId)).toEqual(["far"]);

  const plain = await openReplicaWorld(t, { world: { faiss: { dimension: 8 }, settings } });
  await plain.sync.search(vector(1), { onSources });
  expect(sources).toEqual({ primary: "ok", replica: "off" });
});
