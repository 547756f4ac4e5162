import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { JsonState } from "../../../src/connectors/state/json-state.ts";
import { NO_COUNTS, type RunRecord } from "../../../src/connectors/state/state.ts";
import { connectorStateConformance } from "../../conformance/connector-state.ts";

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
    await appendFile(`${path}.lock`, String(child.pid));
    expect(await state.begin(run("r1"))).toMatchObject({ running: { id: "r1" } });
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await state.begin(run("r1"))).toBeNull();
    expect(await readFile(`${path}.lock`, "utf8")).toBe(String(process.pid));
    await state.close();
  } finally {
    child.kill("SIGKILL");
  }
});
