import { copyFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { EdgeState } from "../../../src/connectors/state/edge-state.ts";
import { NO_COUNTS, type RunRecord } from "../../../src/connectors/state/state.ts";
import { SCHEMA_VERSION } from "../../../src/edge/file/schema.ts";
import { EdgeStore } from "../../../src/edge/index.ts";
import { loadDriver } from "../../../src/edge/sqlite/drivers.ts";
import { chooseDriver } from "../../../src/edge/sqlite/probe.ts";
import { ownIdentity } from "../../../src/runtime/process-identity.ts";
import { connectorStateConformance } from "../../conformance/connector-state.ts";
import { edgeWorld, note, temporaryFolder } from "../../support/edges.ts";

async function rawDatabase(path: string) {
  return loadDriver(await chooseDriver("auto")).open(path, 1_000);
}

/** As though the process of the run had died: this one lives, so its identity is taken off by hand. */
async function orphan(path: string, owner: object | null = null): Promise<void> {
  const raw = await rawDatabase(path);
  raw.prepare("update connectors set owner = ?").run(owner === null ? null : JSON.stringify(owner));
  raw.close();
}

const run = (id: string, fields: Partial<RunRecord> = {}): RunRecord => ({
  ...{ id, state: "running", scope: "full", counts: NO_COUNTS, startedAt: 1, endedAt: null },
  ...{ cursorBefore: null, cursorAfter: null, error: null },
  ...fields,
});
const letter = (itemId: string) => ({
  ...{
    itemId,
    memoryId: `m/${itemId}`,
    code: "VALIDATION",
    reason: "too long",
    at: 5,
    payload: '{"content":"secret"}',
  },
});
const none = { items: [], deadLetters: [], settled: [] };

connectorStateConformance("the SQLite file of an edge", async () => {
  const path = `${temporaryFolder()}/edge.db`;
  const opened: EdgeStore[] = [];
  const open = async () => {
    const edge = await EdgeStore.open({ path }, { inProcess: true });
    opened.push(edge);
    return new EdgeState(edge.connectors, "space");
  };
  return {
    state: await open(),
    async reopen() {
      await orphan(path);
      return await open();
    },
    close: async () => {
      for (const edge of opened) await edge.close();
    },
  };
});

test("a connector is one process's at a time: another one is told of its run, and takes it once that process is dead", async () => {
  const { open, folder } = edgeWorld();
  const path = `${folder}/edge.db`;
  const edge = await open({ path });
  const first = new EdgeState(edge.connectors, "space", () => 1_000);
  const second = new EdgeState(edge.connectors, "space", () => 2_000);
  expect(await first.begin(run("r1"))).toBeNull();
  expect(await second.begin(run("r2"))).toMatchObject({ running: { id: "r1" } });
  expect(await new EdgeState(edge.connectors, "other").begin(run("r3"))).toBeNull();
  await orphan(path, { ...ownIdentity(), pid: 2 ** 22 + 1 });
  expect(await second.begin(run("r2"))).toBeNull();
  await expect(first.checkpoint({ ...none, run: run("r1") })).rejects.toThrow("another process has taken it");
  await expect(first.end(run("r1"), 5)).rejects.toThrow("another process has taken it");
  expect(await second.runs(2)).toMatchObject([{ id: "r2" }, { id: "r1", state: "interrupted", endedAt: 2_000 }]);
  expect(await second.cursor()).toBeNull();
});

test("a holder whose process cannot be seen keeps the connector for an hour without a page", async () => {
  const { open, folder } = edgeWorld();
  const path = `${folder}/edge.db`;
  const edge = await open({ path });
  let now = 0;
  const state = new EdgeState(edge.connectors, "space", () => now);
  await state.begin(run("r1"));
  await orphan(path, { ...ownIdentity(), domain: "another machine" });
  now = 3_599_999;
  expect(await state.begin(run("r2"))).not.toBeNull();
  now = 3_600_000;
  expect(await state.begin(run("r2"))).toBeNull();
});

test("a state that is closed in the midst of a run gives its connector free", async () => {
  const { open } = edgeWorld();
  const edge = await open();
  const state = new EdgeState(edge.connectors, "space");
  await state.begin(run("r1"));
  await state.close();
  expect(await new EdgeState(edge.connectors, "space").begin(run("r2"))).toBeNull();
});

test("dead letters and runs are bounded", async () => {
  const { open } = edgeWorld();
  const edge = await open();
  const state = new EdgeState(edge.connectors, "space");
  await state.begin(run("r1"));
  const letters = Array.from({ length: 10_000 }, (_, index) => letter(`i${index}`));
  await state.checkpoint({ ...none, run: run("r1"), deadLetters: letters });
  await expect(state.checkpoint({ ...none, run: run("r1"), deadLetters: [letter("more")] })).rejects.toMatchObject({
    code: "STORE_REFUSED",
  });
  await state.checkpoint({ ...none, run: run("r1"), deadLetters: [letter("i7")] });
  await state.end(run("r1", { state: "partial" }), 1);
  for (let index = 0; index < 120; index++) {
    const id = `s${String(index).padStart(3, "0")}`;
    await state.begin(run(id));
    await state.end(run(id, { state: "succeeded" }), 1);
  }
  const runs = await state.runs(1_000);
  expect(runs).toHaveLength(100);
  expect(runs[0]?.id).toBe("s119");
});

test("an erasure takes the dead letters of its memory along", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("m/a", note("before"));
  await edge.syncNow();
  const state = new EdgeState(edge.connectors, "space");
  await state.begin(run("r1"));
  await state.checkpoint({ ...none, run: run("r1"), deadLetters: [letter("a"), letter("b")] });
  hub.end("m/a", "erased");
  await edge.syncNow();
  expect((await state.deadLetters(10)).map(({ itemId }) => itemId)).toEqual(["b"]);
});

test("definitions are kept by id, and leave nothing behind", async () => {
  const { open } = edgeWorld();
  const { connectors } = await open();
  expect(await connectors.define("space", '{"url":"a"}')).toBe(false);
  expect(await connectors.define("space", '{"url":"b"}')).toBe(true);
  expect(await connectors.definitions()).toEqual([{ id: "space", definition: '{"url":"b"}' }]);
  const state = new EdgeState(connectors, "space");
  await state.begin(run("r1"));
  await state.end(run("r1", { state: "succeeded" }), 7);
  expect(await state.cursor()).toBe(7);
  expect(await connectors.define("space", null)).toBe(true);
  expect(await connectors.definitions()).toEqual([]);
  expect([await state.cursor(), (await state.runs(5)).length]).toEqual([null, 0]);
});

test("a file from before connectors is brought to this version, and keeps what it had", async () => {
  const path = `${temporaryFolder()}/past.db`;
  copyFileSync(fileURLToPath(new URL("../../data/edge-1.db", import.meta.url)), path);
  const tables = ["memories", "outbox", "conflicts", "facts", "erased"];
  const counts = async () => {
    const raw = await rawDatabase(path);
    const found = tables.map((table) => raw.prepare(`select count(*) as n from ${table}`).get() as { n: number });
    const version = raw.prepare("pragma user_version").get() as { user_version: number };
    raw.close();
    return { counts: found.map(({ n }) => n), version: version.user_version };
  };
  const before = await counts();
  expect(before.version).toBeLessThan(3);
  // In a worker, as programs have it.
  const edge = await EdgeStore.open({ path });
  const state = new EdgeState(edge.connectors, "space");
  expect(await state.begin(run("r1"))).toBeNull();
  await edge.close();
  const [memories, outbox, conflicts, facts = 0, erased] = before.counts;
  // One fact more: how far the index of words is.
  expect(await counts()).toEqual({ counts: [memories, outbox, conflicts, facts + 1, erased], version: SCHEMA_VERSION });
});
