import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { JsonSinkState } from "../../../src/connectors/state/json-sink-state.ts";
import { JsonState } from "../../../src/connectors/state/json-state.ts";
import { NO_COUNTS, type RunRecord } from "../../../src/connectors/state/state.ts";
import { ownIdentity } from "../../../src/runtime/process-identity.ts";
import { connectorStateConformance } from "../../conformance/connector-state.ts";
import { sinkStateConformance } from "../../conformance/sink-state.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "connector-state-"));
  path = join(folder, "state.json");
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

connectorStateConformance("a JSON file", async () => {
  const state = await JsonState.open(path);
  return {
    state,
    // The lock of this process stays, as nothing frees it when a process is killed: it is removed by hand.
    async reopen() {
      await rm(`${path}.lock`, { force: true });
      return await JsonState.open(path);
    },
    close: async () => undefined,
  };
});

sinkStateConformance("a JSON file", async () => ({
  state: await JsonSinkState.open(path),
  async reopen() {
    await rm(`${path}.lock`, { force: true });
    return await JsonSinkState.open(path);
  },
  close: async () => undefined,
}));

/** The lock of a process that runs, as it would have written it. */
function lockOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const startedAt = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  return JSON.stringify({ ...ownIdentity(), pid, startedAt });
}

const run = (id: string): RunRecord => ({
  ...{ id, state: "running", scope: "full", counts: NO_COUNTS, startedAt: 1, endedAt: null },
  ...{ cursorBefore: null, cursorAfter: null, error: null },
});
const page = (id: string, itemId: string) => ({
  run: run(id),
  items: [{ id: itemId, memoryId: itemId, hash: "h", seenIn: id, state: "imported" as const }],
  deadLetters: [],
  settled: [],
});

test("a line of the journal that a crash cut off is passed over, and what stands before it is kept", async () => {
  const state = await JsonState.open(path);
  await state.begin(run("r1"));
  await state.checkpoint(page("r1", "a"));
  await state.checkpoint(page("r1", "b"));
  const journal = await readFile(`${path}.journal`, "utf8");
  await writeFile(`${path}.journal`, journal.slice(0, -20));
  expect([...(await (await JsonState.open(path)).items(["a", "b"])).keys()]).toEqual(["a"]);
});

test("a journal of an earlier generation is not applied again", async () => {
  const state = await JsonState.open(path);
  await state.begin(run("r1"));
  await state.checkpoint(page("r1", "a"));
  const old = await readFile(`${path}.journal`, "utf8");
  await state.end({ ...run("r1"), state: "succeeded", cursorAfter: 7 }, 7);
  // A crash between the file's replacement and the removal of the journal.
  await writeFile(`${path}.journal`, old);
  const again = await JsonState.open(path);
  expect(await again.cursor()).toBe(7);
  expect((await again.runs(1))[0]?.state).toBe("succeeded");
});

test.each(["{", '{"format":1}', "[]", '{"format":1,"generation":"g","state":{"cursor":"x"}}'])(
  "a damaged file (%s) is refused, and left as it is",
  async (text) => {
    await writeFile(path, text);
    await expect(JsonState.open(path)).rejects.toMatchObject({ code: "CONFIGURATION" });
    expect(await readFile(path, "utf8")).toBe(text);
  },
);

test("a file of a newer program is refused", async () => {
  await writeFile(path, JSON.stringify({ format: 2, generation: "g", state: {} }));
  await expect(JsonState.open(path)).rejects.toThrow("has format 2, and this program knows 1");
});

test("another process that lives keeps the connector, and a dead one does not", async () => {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  try {
    const state = await JsonState.open(path);
    await writeFile(`${path}.lock`, lockOf(child.pid ?? 0));
    expect(await state.begin(run("r1"))).toMatchObject({ running: { id: "r1" } });
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await state.begin(run("r1"))).toBeNull();
    expect(JSON.parse(await readFile(`${path}.lock`, "utf8"))).toMatchObject({ pid: process.pid });
    await state.close();
  } finally {
    child.kill("SIGKILL");
  }
});

test("a lock whose pid was given out again to another process is that of a dead one", async () => {
  await writeFile(`${path}.lock`, JSON.stringify({ ...ownIdentity(), startedAt: "1" }));
  expect(await (await JsonState.open(path)).begin(run("r1"))).toBeNull();
});

test("a run begins from what another process has kept since the file was opened", async () => {
  const early = await JsonState.open(path);
  const other = await JsonState.open(path);
  await other.begin(run("r1"));
  await other.checkpoint(page("r1", "a"));
  await other.end({ ...run("r1"), state: "succeeded", cursorAfter: 7 }, 7);
  expect(await early.begin(run("r2"))).toBeNull();
  expect(await early.cursor()).toBe(7);
  expect([...(await early.items(["a"])).keys()]).toEqual(["a"]);
  await early.close();
});

test("dead letters are not dropped under the run of another process", async () => {
  const running = await JsonState.open(path);
  await running.begin(run("r1"));
  const other = await JsonState.open(path);
  await expect(other.dropDeadLetters(["a"])).rejects.toThrow("is in use by the run of another process");
  await running.checkpoint(page("r1", "a"));
  await running.close();
  expect([...(await (await JsonState.open(path)).items(["a"])).keys()]).toEqual(["a"]);
});
