import { expect, onTestFinished, test } from "vitest";
import { EdgeStore, HubError } from "../../src/edge/index.ts";
import { temporaryFolder } from "../support/edges.ts";
import { serveHub } from "../support/hub-server.ts";
import { MemoryHub } from "../support/memory-hub.ts";

/** A worker from sources takes a second to start; that of the built package is tested in edge-processes and edge-service. */
const IN_PROCESS = { inProcess: true } as const;

async function world() {
  const hub = new MemoryHub();
  const server = await serveHub(hub);
  onTestFinished(() => server.close());
  const path = `${temporaryFolder()}/edge.db`;
  const open = async () => {
    const hubAt = { hub: server.url, apiKey: server.apiKey };
    const edge = await EdgeStore.open({ path, ...hubAt, retryBaseMs: 10, pushIntervalMs: 100 }, IN_PROCESS);
    onTestFinished(() => edge.close());
    return edge;
  };
  return { hub, server, open };
}

test("pause and resume hold for all processes and over restarts, and nothing counts as sent meanwhile", async () => {
  const { hub, open } = await world();
  const edge = await open();
  await edge.pause();
  edge.start();
  await edge.put("m1", { content: "held back", memoryType: "note" });
  await edge.close();
  const again = await open();
  again.start();
  expect(await again.status()).toMatchObject({ mode: "paused", pending: 1 });
  expect(hub.memories.size).toBe(0);
  await again.resume();
  await expect.poll(() => hub.get("m1")?.version, { timeout: 30_000 }).toBe(1);
  await expect.poll(async () => (await again.status()).mode).toBe("online");
});

test("a blocked network, then restored: the outbox drains by itself, and no change lost an attempt", async () => {
  const { hub, open } = await world();
  const edge = await open();
  let isBlocked = true;
  hub.intercept = () => {
    if (isBlocked) throw new Error("blocked");
  };
  edge.start();
  for (let index = 0; index < 100; index++)
    await edge.put(`m${index}`, { content: `message ${index}`, memoryType: "note" });
  await expect.poll(async () => (await edge.status()).mode, { timeout: 30_000 }).toBe("offline");
  expect((await edge.queue()).every(({ attempts }) => attempts === 0)).toBe(true);
  isBlocked = false;
  await expect.poll(() => hub.memories.size, { timeout: 25_000 }).toBe(100);
  await expect.poll(async () => (await edge.status()).pending).toBe(0);
  const sizes = hub.seen.map((text) => (JSON.parse(text) as { changes: unknown[] }).changes.length);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(50);
}, 240_000);

test("over HTTP: gzip both ways, the key, a revoked key, an answer that is none, and an address without a hub", async () => {
  const { hub, server, open } = await world();
  const edge = await open();
  for (let index = 0; index < 20; index++)
    await edge.put(`m${index}`, { content: "x".repeat(200), memoryType: "note" });
  expect(await edge.syncNow()).toMatchObject({ pushed: 20 });
  expect(server.headersSeen.some((headers) => headers["content-encoding"] === "gzip")).toBe(true);
  expect(server.headersSeen.every((headers) => (headers["accept-encoding"] ?? "").includes("gzip"))).toBe(true);
  expect((await edge.doctor()).checks).toContainEqual(expect.objectContaining({ name: "hub", state: "ok" }));

  await edge.put("late", { content: "late", memoryType: "note" });
  const unknown = await EdgeStore.open(
    { path: `${temporaryFolder()}/x.db`, hub: server.url, apiKey: "mns_wrong" },
    IN_PROCESS,
  );
  onTestFinished(() => unknown.close());
  await unknown.put("m", { content: "kept", memoryType: "note" });
  await expect(unknown.syncNow()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  expect(await unknown.status()).toMatchObject({ mode: "refused", pending: 1 });

  const nowhere = await EdgeStore.open(
    { path: `${temporaryFolder()}/y.db`, hub: "http://127.0.0.1:1", apiKey: "k" },
    IN_PROCESS,
  );
  onTestFinished(() => nowhere.close());
  await expect(nowhere.syncNow()).rejects.toMatchObject({ code: "SYNC_CONNECTION" });
  const silentAt = { path: `${temporaryFolder()}/z.db`, hub: server.url, apiKey: server.apiKey };
  const silent = await EdgeStore.open({ ...silentAt, requestTimeoutMs: 200 }, IN_PROCESS);
  onTestFinished(() => silent.close());
  hub.intercept = () => new Promise(() => undefined);
  await expect(silent.syncNow()).rejects.toThrow("no answer within 200 ms");
});

test("from the worker's thread: refusals keep their codes, pages are applied there, and a stop ends a request that waits", async () => {
  const { hub, server } = await world();
  const about = { path: `${temporaryFolder()}/w.db`, hub: server.url, apiKey: server.apiKey, requestTimeoutMs: 60_000 };
  const edge = await EdgeStore.open(about);
  onTestFinished(() => edge.close());
  const memory = { memoryType: "note", importance: 0.5, metadata: {}, embedding: null, privacy: "full" } as const;
  for (let index = 0; index < 450; index++) hub.write(`m${index}`, { ...memory, content: `n${index}` });
  await edge.put("own", { content: "own", memoryType: "note" });
  expect(await edge.syncNow()).toMatchObject({ pushed: 1, failed: 0 });
  expect((await edge.status()).memories).toBe(451);

  await edge.put("refused", { content: "kept", memoryType: "note" });
  hub.intercept = () => {
    throw new HubError("DEVICE_REVOKED", "revoked by an administrator");
  };
  await expect(edge.syncNow()).rejects.toMatchObject({ name: "HubError", code: "DEVICE_REVOKED", retryable: false });
  expect(await edge.status()).toMatchObject({ mode: "refused", pending: 1 });
  hub.intercept = () => undefined;
  hub.pruneTombstones();
  hub.prunedThrough = 1_000_000; // The hub asks for a resync, and says why.
  await expect(edge.pullOnce()).resolves.toMatchObject({ more: true });
  expect((await edge.status()).resync).toBe("tombstones");
  hub.prunedThrough = 0;
  expect(await edge.syncNow()).toMatchObject({ pending: 0 });

  let isHeld = false;
  hub.intercept = async (step) => {
    if (step !== "pull") return;
    isHeld = true;
    await new Promise(() => undefined); // Never answered: only the caller ends it.
  };
  edge.start();
  await expect.poll(() => isHeld, { timeout: 60_000 }).toBe(true);
  await edge.stop();
  hub.intercept = () => undefined;
  expect(await edge.syncNow()).toMatchObject({ failed: 0 });
});
