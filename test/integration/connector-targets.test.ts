import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MemorySpaceClient } from "../../src/connectors/memory-space/client.ts";
import { MemorySpaceSource } from "../../src/connectors/memory-space/source.ts";
import { EdgeTarget } from "../../src/connectors/run/edge-target.ts";
import { HubTarget } from "../../src/connectors/run/hub-target.ts";
import { runSource, type SourceRunOptions } from "../../src/connectors/run/source-run.ts";
import type { Target } from "../../src/connectors/run/target.ts";
import { JsonState } from "../../src/connectors/state/json-state.ts";
import { EdgeStore } from "../../src/edge/index.ts";
import { MemorySpaceServer } from "../support/connectors/memory-space-server.ts";
import { sharedWorld } from "../support/world.ts";

const shared = sharedWorld({ faiss: false });

let folder: string;
let server: MemorySpaceServer;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "connector-targets-"));
  server = await MemorySpaceServer.start();
  for (let index = 0; index < 120; index++) {
    const created_at = new Date(Date.UTC(2026, 0, 1) + index * 60_000).toISOString();
    server.put({ id: `i${index}`, created_at, transcript: `we talked about ${index}`, tags: ["talk"] });
  }
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

async function run(target: Target, options: Partial<SourceRunOptions> = {}) {
  const state = await JsonState.open(join(folder, "state.json"));
  try {
    const client = new MemorySpaceClient({ url: server.url, context: server.context, apiKey: "secret-key" });
    const source = new MemorySpaceSource(client, { namespace: "space" });
    return await runSource({ source, target, state }, { scope: "full", ...options }, new AbortController().signal);
  } finally {
    await state.close();
  }
}

describe("items of Memory Space", () => {
  test("become memories of a hub, their edits versions, and their ends deletions with history", async () => {
    const { sync } = shared.current;
    const target = new HubTarget(sync, "space");
    expect(await run(target)).toMatchObject({ state: "succeeded", counts: { created: 120 } });
    const found = await sync.get("memory-space/i7", { namespace: "space" });
    expect(found).toMatchObject({
      content: "we talked about 7",
      version: 1,
      metadata: {
        source: { service: "memory-space", id: "i7" },
        createdAt: "2026-01-01T00:07:00.000Z",
        tags: ["talk"],
      },
    });
    server.put({ id: "i7", created_at: "2026-01-01T00:07:00Z", transcript: "we talked about seven" });
    server.items.delete("i9");
    expect(await run(target)).toMatchObject({ counts: { created: 0, updated: 1, unchanged: 118, deleted: 1 } });
    expect((await sync.history("memory-space/i7", { namespace: "space" })).length).toBe(2);
    expect(await sync.get("memory-space/i9", { namespace: "space" })).toBeNull();
    expect((await sync.history("memory-space/i9", { namespace: "space" })).length).toBe(2);
    expect(await sync.count({ namespace: "space" })).toMatchObject({ count: 119 });
  });

  test("that were erased are not brought back, also where the connector has forgotten them", async () => {
    const { sync } = shared.current;
    await run(new HubTarget(sync, "space"));
    await sync.erase("memory-space/i11", { namespace: "space" });
    await rm(join(folder, "state.json"));
    expect(await run(new HubTarget(sync, "space"))).toMatchObject({ counts: { erased: 1 } });
    expect(await sync.get("memory-space/i11", { namespace: "space" })).toBeNull();
  });

  test("that a hub refuses go to the dead letters, and the others come through", async () => {
    server.put({ id: "long", created_at: "2026-01-01T00:00:00Z", transcript: "x".repeat(1_100_000) });
    const record = await run(new HubTarget(shared.current.sync, "space"));
    expect(record).toMatchObject({ state: "partial", counts: { failed: 1 } });
    const state = await JsonState.open(join(folder, "state.json"));
    expect(await state.deadLetters(10)).toMatchObject([{ itemId: "long", code: "VALIDATION" }]);
  });

  test("become memories of an edge's file, each edit one change for its hub", async () => {
    const edge = await EdgeStore.open({ path: join(folder, "edge.sqlite"), namespaces: ["space"] });
    try {
      const target = new EdgeTarget(edge, "space");
      expect(await run(target)).toMatchObject({ state: "succeeded", counts: { created: 120 } });
      // A run that died before it could note what it did: the file is not written again.
      await rm(join(folder, "state.json"));
      expect(await run(target)).toMatchObject({ counts: { created: 0, unchanged: 120 } });
      server.items.delete("i9");
      server.put({ id: "i7", created_at: "2026-01-01T00:07:00Z", transcript: "we talked about seven" });
      expect(await run(target)).toMatchObject({ counts: { updated: 1, deleted: 1 } });
      expect(await edge.get("memory-space/i7", { namespace: "space" })).toMatchObject({
        content: "we talked about seven",
      });
      expect(await edge.get("memory-space/i9", { namespace: "space" })).toBeNull();
    } finally {
      await edge.close();
    }
  });
});
