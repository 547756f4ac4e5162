import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MemorySpaceClient } from "../../../src/connectors/memory-space/client.ts";
import { MemorySpaceSource } from "../../../src/connectors/memory-space/source.ts";
import type { Source } from "../../../src/connectors/run/source.ts";
import { runSource, type SourceRunOptions } from "../../../src/connectors/run/source-run.ts";
import { JsonState } from "../../../src/connectors/state/json-state.ts";
import type { RunRecord } from "../../../src/connectors/state/state.ts";
import { MemorySpaceServer, type MemorySpaceServerOptions } from "../../support/connectors/memory-space-server.ts";
import { MemoryTarget } from "../../support/connectors/memory-target.ts";

const HOUR_MS = 3_600_000;
const START = Date.UTC(2026, 0, 1);

let folder: string;
let server: MemorySpaceServer;
let target: MemoryTarget;
let now: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "source-run-"));
  server = await MemorySpaceServer.start();
  target = new MemoryTarget();
  now = START + 1_000 * HOUR_MS;
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

async function restart(options: MemorySpaceServerOptions): Promise<void> {
  await server.close();
  server = await MemorySpaceServer.start(options);
}

function put(id: string, hours: number, transcript = `text of ${id}`): void {
  server.put({ id, created_at: new Date(START + hours * HOUR_MS).toISOString(), transcript });
}

function fill(count: number): void {
  for (let index = 0; index < count; index++) put(`i${index}`, index);
}

/** A run of a process of its own: it knows what is in the file, and nothing else. */
async function run(options: Partial<SourceRunOptions> = {}, signal = new AbortController().signal): Promise<RunRecord> {
  await rm(join(folder, "state.json.lock"), { force: true });
  const state = await JsonState.open(join(folder, "state.json"));
  const client = new MemorySpaceClient(
    { url: server.url, context: server.context, apiKey: "secret-key" },
    { pause: async () => undefined },
  );
  const record = await runSource(
    { source: new MemorySpaceSource(client), target, state, now: () => now },
    { scope: "changes", ...options },
    signal,
  );
  await state.close();
  if ("running" in record) throw new Error("another run has the connector");
  return record;
}

describe("a run", () => {
  test("leaves an item out whose id no store can keep, and imports the others of its page", async () => {
    fill(3);
    const client = new MemorySpaceClient({ url: server.url, context: server.context, apiKey: "secret-key" });
    const real = new MemorySpaceSource(client);
    const source: Source = {
      ping: (signal) => real.ping(signal),
      get: (id, signal) => real.get(id, signal),
      async *list(window, signal) {
        for (const id of ["nul\0", "half\ud800", "x".repeat(1_025), ""]) {
          yield { id, memoryId: `m-${id}`, fields: { content: "c", memoryType: "t" }, hash: "h" };
        }
        return yield* real.list(window, signal);
      },
    };
    const state = await JsonState.open(join(folder, "state.json"));
    const record = await runSource({ source, target, state, now: () => now }, { scope: "full" }, AbortSignal.any([]));
    expect(record).toMatchObject({
      ...{ state: "partial", counts: { read: 7, created: 3, failed: 4 } },
      error: { code: "INCOMPLETE", message: expect.stringContaining("4 items have an id") },
    });
    await state.close();
  });

  test.each([
    ["inFlightMax", 0],
    ["inFlightMax", 1.5],
    ["inFlightMax", 101],
    ["limit", 0],
    ["overlapMs", -1],
  ] as const)("with %s of %s is refused before it begins", async (option, value) => {
    fill(1);
    await expect(run({ [option]: value })).rejects.toMatchObject({ code: "VALIDATION", path: option });
    expect(server.requests).toEqual([]);
    expect(await run()).toMatchObject({ counts: { created: 1 } });
  });

  test("imports all items, then only what is new or says something else", async () => {
    fill(250);
    expect(await run()).toMatchObject({ state: "succeeded", counts: { read: 250, created: 250 }, cursorAfter: now });
    expect(target.memories.get("memory-space/i7")).toMatchObject({ version: 1, content: "text of i7" });
    now += HOUR_MS;
    put("new", 999.9);
    put("i249", 999.9, "edited");
    expect(await run()).toMatchObject({ counts: { read: 2, created: 1, updated: 1 } });
    expect(await run()).toMatchObject({ counts: { read: 0, created: 0 } });
    expect(target.memories.size).toBe(251);
  });

  test("reads again what its window overlaps, and writes nothing of it twice", async () => {
    put("late", 1_000 - 0.1);
    await run();
    await run();
    expect(target.writes).toEqual(["memory-space/late@1"]);
  });

  test("finds backdated and overwritten items by their hashes, when it is full", async () => {
    fill(20);
    await run();
    put("i3", -5_000, "overwritten and moved into the past");
    expect(await run()).toMatchObject({ counts: { updated: 0 } });
    expect(await run({ scope: "full" })).toMatchObject({
      state: "succeeded",
      counts: { read: 20, updated: 1, unchanged: 19 },
    });
  });

  test("with a limit stops there, and the next one goes on", async () => {
    fill(500);
    expect(await run({ limit: 150 })).toMatchObject({ state: "partial", counts: { created: 150 }, cursorAfter: null });
    expect(await run()).toMatchObject({ state: "succeeded", counts: { created: 350, unchanged: 150 } });
    expect(target.writes).toHaveLength(500);
  });

  test("with a limit within a page leaves its cursor, so that nothing beyond it is lost", async () => {
    fill(5);
    expect(await run({ limit: 2 })).toMatchObject({ state: "partial", counts: { created: 2 }, cursorAfter: null });
    now += 100 * HOUR_MS;
    expect(await run({ limit: 3 })).toMatchObject({ state: "succeeded", counts: { created: 3, unchanged: 2 } });
    expect(target.memories.size).toBe(5);
  });

  test("that is dry says what it would do, and does nothing", async () => {
    fill(30);
    await run();
    put("i1", 999.9, "edited");
    server.items.delete("i5");
    expect(await run({ scope: "full", dryRun: true })).toMatchObject({ counts: { read: 29, updated: 1, deleted: 1 } });
    expect(target.writes).toHaveLength(30);
    expect(target.deletes).toEqual([]);
    expect(await run({ scope: "full" })).toMatchObject({ counts: { updated: 1, deleted: 1 } });
  });

  test("leaves alone what was erased or changed here, while the service says the same", async () => {
    fill(3);
    await run();
    target.memories.delete("memory-space/i0");
    target.memories.delete("memory-space/i1");
    target.memories.set("memory-space/i2", { hash: "own", version: 2, content: "changed here" });
    target.erased.add("memory-space/i0");
    expect(await run({ scope: "full" })).toMatchObject({ counts: { unchanged: 3, created: 0, updated: 0, erased: 0 } });
    put("i0", 999.9, "again");
    expect(await run({ scope: "full" })).toMatchObject({ state: "succeeded", counts: { erased: 1 } });
    expect(target.memories.has("memory-space/i0")).toBe(false);
  });

  test("puts items that cannot be stored aside, with the reason, and goes on", async () => {
    fill(10);
    target.refuses = ({ id }) => id === "i4";
    const record = await run();
    expect(record).toMatchObject({ state: "partial", counts: { created: 9, failed: 1 }, cursorAfter: now });
    const state = await JsonState.open(join(folder, "state.json"));
    const [letter] = await state.deadLetters(10);
    expect(letter).toMatchObject({ itemId: "i4", code: "VALIDATION", reason: "content: is too long", attempts: 1 });
    expect(JSON.parse(letter?.payload ?? "")).toMatchObject({ memoryId: "memory-space/i4", content: "text of i4" });
    target.refuses = () => false;
    expect(await run({ scope: "full", force: true })).toMatchObject({ state: "succeeded", counts: { created: 1 } });
    expect(await (await JsonState.open(join(folder, "state.json"))).deadLetters(10)).toEqual([]);
  });

  test("that the service refuses fails with the reason, and moves no cursor", async () => {
    fill(3);
    server.faults.push({ kind: "status", status: 401, body: '{"error":"key is revoked"}' });
    expect(await run()).toMatchObject({ state: "failed", error: { code: "AUTHENTICATION" }, cursorAfter: null });
  });

  test("is cancelled between two pages, and what was done is kept", async () => {
    fill(300);
    const abort = new AbortController();
    target.before = (call) => {
      if (call === "written" && target.writes.length >= 100) abort.abort();
    };
    expect(await run({}, abort.signal)).toMatchObject({ state: "cancelled", counts: { created: 100 } });
    target.before = () => undefined;
    expect(await run()).toMatchObject({ state: "succeeded", counts: { unchanged: 100, created: 200 } });
  });
});

describe("what is gone from the service", () => {
  test("is deleted here after a complete listing and a 404, and comes back when it does", async () => {
    fill(30);
    await run();
    server.items.delete("i3");
    expect(await run()).toMatchObject({ counts: { deleted: 0 } });
    expect(await run({ scope: "full" })).toMatchObject({ state: "succeeded", counts: { deleted: 1 } });
    expect(target.deletes).toEqual(["memory-space/i3"]);
    put("i3", 3);
    expect(await run({ scope: "full" })).toMatchObject({ counts: { created: 1 } });
  });

  test("is not deleted where the listing alone lacks it", async () => {
    fill(30);
    await run();
    // No span of time finds it, and GET does.
    const hidden = server.items.get("i3");
    server.items.set("i3", { ...hidden, id: "i3", created_at: "2199-01-01T00:00:00Z" });
    expect(await run({ scope: "full" })).toMatchObject({ state: "succeeded", counts: { read: 29, deleted: 0 } });
    expect(target.deletes).toEqual([]);
  });

  test("is not deleted where the listing is not complete", async () => {
    await restart({ filters: [], limitMax: 20 });
    fill(30);
    const record = await run({ scope: "full" });
    expect(record).toMatchObject({ state: "partial", counts: { deleted: 0 }, error: { code: "INCOMPLETE" } });
    expect(target.memories.size).toBe(20);
  });

  test("is not deleted where GET gives an error instead of a 404", async () => {
    fill(30);
    await run();
    server.items.delete("i3");
    server.faultOf = (url) => (url.endsWith("/i3") ? { kind: "status", status: 403 } : null);
    expect(await run({ scope: "full" })).toMatchObject({ state: "failed", counts: { deleted: 0 } });
    expect(target.deletes).toEqual([]);
  });

  test("is more than a fifth of all: the run stops and asks", async () => {
    fill(100);
    await run();
    for (let index = 0; index < 21; index++) server.items.delete(`i${index}`);
    expect(await run({ scope: "full" })).toMatchObject({
      state: "partial",
      counts: { deleted: 0 },
      error: { message: expect.stringContaining("more than 20 of 100 items are gone from the service") },
    });
    expect(await run({ scope: "full", allowMassDelete: true })).toMatchObject({
      state: "succeeded",
      counts: { deleted: 21 },
    });
  });

  test("is few: nine of ten go without a question", async () => {
    fill(10);
    await run();
    for (let index = 0; index < 9; index++) server.items.delete(`i${index}`);
    expect(await run({ scope: "full" })).toMatchObject({ counts: { deleted: 9 } });
  });
});

describe("a process that dies", { timeout: 300_000 }, () => {
  test("at any step of a run leaves nothing undone, and nothing is written twice", async () => {
    fill(230);
    await run();
    for (let index = 0; index < 120; index++) put(`n${index}`, 500 + index / 100);
    put("i7", 600, "edited");
    for (let index = 100; index < 103; index++) server.items.delete(`i${index}`);
    const before = { memories: new Map(target.memories), writes: target.writes.length };
    const path = join(folder, "state.json");
    const kept = await readFile(path, "utf8");
    for (let step = 0; ; step++) {
      // Each round begins from the same state, and dies one step later.
      await writeFile(path, kept);
      await rm(`${path}.journal`, { force: true });
      target.memories.clear();
      for (const [id, memory] of before.memories) target.memories.set(id, memory);
      target.writes.length = before.writes;
      let calls = 0;
      let hasDied = false;
      target.before = () => {
        if (calls++ !== step || hasDied) return;
        hasDied = true;
        throw new Error("killed");
      };
      await run({ scope: "full" });
      target.before = () => undefined;
      expect(await run({ scope: "full" })).toMatchObject({ state: "succeeded" });
      expect(target.memories.size).toBe(230 + 120 - 3);
      expect(target.memories.get("memory-space/i7")).toMatchObject({ version: 2, content: "edited" });
      expect(target.writes.length).toBe(before.writes + 121);
      if (!hasDied) break;
      expect(step).toBeLessThan(50);
    }
  });
});
