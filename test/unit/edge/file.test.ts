import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { expect, test } from "vitest";
import type { Rescue } from "../../../src/edge/file/rescue.ts";
import { EdgeStore } from "../../../src/edge/index.ts";
import { loadDriver } from "../../../src/edge/sqlite/drivers.ts";
import { chooseDriver } from "../../../src/edge/sqlite/probe.ts";
import { edgeWorld, note, temporaryFolder } from "../../support/edges.ts";

async function rawDatabase(path: string) {
  return loadDriver(await chooseDriver("auto")).open(path, 1_000);
}

/** Overwrites some pages in the midst of the synced memories. */
function damage(path: string): void {
  const file = openSync(path, "r+");
  const middle = Math.floor(statSync(path).size / 4096 / 3);
  for (let page = middle; page < middle + 3; page++) writeSync(file, Buffer.alloc(4_096, 0xaa), 0, 4_096, page * 4_096);
  closeSync(file);
}

test("a file of a newer version is refused, and not touched", async () => {
  const { open, folder } = edgeWorld();
  const path = `${folder}/newer.db`;
  await (await open({ path })).close();
  const raw = await rawDatabase(path);
  raw.exec("pragma user_version = 99");
  raw.close();
  await expect(EdgeStore.open({ path }, { inProcess: true })).rejects.toMatchObject({
    code: "EDGE_FILE",
    problem: "newer",
  });
  expect(readdirSync(folder).filter((name) => name.includes("damaged"))).toEqual([]);
});

test("a database of another program is refused, and not touched", async () => {
  const path = `${temporaryFolder()}/other.db`;
  const raw = await rawDatabase(path);
  raw.exec("create table theirs (a text)");
  raw.close();
  const before = readFileSync(path);
  await expect(EdgeStore.open({ path }, { inProcess: true })).rejects.toMatchObject({ problem: "foreign" });
  expect(readFileSync(path).equals(before)).toBe(true);
});

test("a folder whose path was given by mistake is refused by name", async () => {
  const folder = temporaryFolder();
  const opening = EdgeStore.open({ path: folder }, { inProcess: true });
  await expect(opening).rejects.toMatchObject({ code: "EDGE_FILE", problem: "io" });
});

test("a file that was closed is whole by itself: a copy of it, without its log, opens with all that was written", async () => {
  const { open, folder } = edgeWorld();
  const path = `${folder}/edge.db`;
  const edge = await open({ path });
  for (let index = 0; index < 200; index++) await edge.put(`m${index}`, note("x".repeat(3_000)));
  await edge.close();
  copyFileSync(path, `${folder}/copy.db`);
  const copy = await open({ path: `${folder}/copy.db` });
  expect(await copy.status()).toMatchObject({ memories: 200, pending: 200, rescued: null });
});

test("a folder that does not exist is named", async () => {
  const path = `${temporaryFolder()}/no/such/edge.db`;
  await expect(EdgeStore.open({ path }, { inProcess: true })).rejects.toThrow("there is no folder");
});

test("a file whose indexed memories were deleted is no damaged one: another process opens it, and both go on with one file", async () => {
  const { open, folder } = edgeWorld();
  const path = `${folder}/edge.db`;
  const edge = await open({ path });
  await edge.put("gone", note("grapes"));
  expect(await edge.search("grapes")).toHaveLength(1);
  await edge.delete("gone");
  await edge.put("kept", note("figs"));
  const other = await open({ path }); // It looks at every page, and at the index of words.
  expect((await other.status()).rescued).toBeNull();
  expect(readdirSync(folder).filter((name) => name.includes("damaged"))).toEqual([]);
  await edge.put("m3", note("melons"));
  expect((await other.search("figs melons grapes")).map(({ memoryId }) => memoryId).sort()).toEqual(["kept", "m3"]);
  await other.delete("m3");
  expect(await edge.get("m3")).toBeNull();
  expect((await edge.search("figs melons")).map(({ memoryId }) => memoryId)).toEqual(["kept"]);
});

test("a damaged file is set aside, and unsent edits and private memories are saved out of it", async () => {
  const { hub, open, folder } = edgeWorld();
  const path = `${folder}/damaged.db`;
  const edge = await open({ path });
  for (let index = 0; index < 400; index++) await edge.put(`synced-${index}`, note(`of the hub ${"x".repeat(300)}`));
  await edge.syncNow();
  for (let index = 0; index < 20; index++) await edge.put(`unsent-${index}`, note(`unsent ${index}`));
  await edge.put("private", note("never leaves", { privacy: "local_only" }));
  const { device } = await edge.status();
  await edge.close();
  const raw = await rawDatabase(path);
  raw.prepare("pragma wal_checkpoint(truncate)").all();
  raw.close();
  damage(path);

  await expect(EdgeStore.open({ path }, { inProcess: true, onDamage: "refuse" })).rejects.toMatchObject({
    problem: "corrupt",
  });
  const rescued = await open({ path });
  const told: Rescue[] = [];
  rescued.on("rescued", (rescue) => void told.push(rescue));
  const status = await rescued.status();
  await expect.poll(() => told).toEqual([status.rescued]);
  expect(status.device).toBe(device);
  expect(status.rescued).toMatchObject({ changes: 20, setAside: expect.stringContaining("damaged.db.damaged-") });
  await rescued.syncNow();
  expect(hub.get("unsent-19")?.memory).toMatchObject({ content: "unsent 19" });
  expect(await rescued.get("synced-399")).toMatchObject({ status: "synced" });
  expect(await rescued.get("private")).toMatchObject({ content: "never leaves", status: "local_only" });
  expect(hub.seen.join()).not.toContain("never leaves");
});

test("a damaged file that another process has open stays where it is until that one has ended", async () => {
  const { open, folder } = edgeWorld();
  const path = `${folder}/shared.db`;
  const edge = await open({ path });
  for (let index = 0; index < 400; index++) await edge.put(`synced-${index}`, note(`of the hub ${"x".repeat(300)}`));
  await edge.syncNow();
  await edge.put("unsent", note("written meanwhile"));
  await edge.close();
  const raw = await rawDatabase(path);
  raw.prepare("pragma wal_checkpoint(truncate)").all();
  raw.close();
  damage(path);

  const holding =
    "require('node:fs').openSync(process.argv[1], 'r+'); console.log('open'); setInterval(() => {}, 1_000)";
  const other = spawn(process.execPath, ["-e", holding, path], { stdio: ["ignore", "pipe", "inherit"] });
  await once(other.stdout, "data");
  const opening = open({ path });
  await expect(opening).rejects.toThrow(`other processes have it open (${other.pid}): end them`);
  await expect(opening).rejects.toMatchObject({ problem: "corrupt" });
  expect(readdirSync(folder).filter((name) => name.includes(".damaged-"))).toEqual([]);
  other.kill("SIGKILL");
  await once(other, "exit");

  const rescued = await open({ path });
  expect((await rescued.status()).rescued).toMatchObject({ changes: 1 });
  expect(await rescued.get("unsent")).toMatchObject({ content: "written meanwhile" });
});

test("a file that is no database at all is set aside", async () => {
  const { open, folder } = edgeWorld();
  const path = `${folder}/garbage.db`;
  const file = openSync(path, "w");
  writeSync(file, Buffer.alloc(20_000, 0x5a));
  closeSync(file);
  const edge = await open({ path });
  await edge.put("m1", note("works"));
  expect((await edge.status()).memories).toBe(1);
  expect(readdirSync(folder).some((name) => name.startsWith("garbage.db.damaged-"))).toBe(true);
});

test("a driver whose binary is missing: the error names the binary, and not a driver that is there", async () => {
  const folder = temporaryFolder();
  const copied = ["edge/sqlite", "edge/errors.ts", "domain/errors.ts"];
  for (const part of copied) cpSync(`src/${part}`, `${folder}/src/${part}`, { recursive: true });
  mkdirSync(`${folder}/node_modules/libsql`, { recursive: true });
  writeFileSync(`${folder}/node_modules/libsql/index.js`, 'require("@libsql/no-such-platform")');
  const { chooseDriver: choose } = (await import(`${folder}/src/edge/sqlite/probe.ts`)) as {
    chooseDriver: typeof chooseDriver;
  };
  await expect(choose("libsql")).rejects.toThrow("Cannot find module '@libsql/no-such-platform'");
});

test("no driver: the error says what to install", async () => {
  const path = `${temporaryFolder()}/edge.db`;
  const opening = EdgeStore.open({ path, driver: "better-sqlite3" });
  await expect(opening).rejects.toThrow(/npm install libsql@0\.5\.29/);
  await expect(opening).rejects.toMatchObject({ code: "EDGE_FILE", problem: "driver" });
});

test("a file in the caller's own thread moves its log while it rests, before a write has to", async () => {
  const { open, folder } = edgeWorld();
  const path = `${folder}/resting.db`;
  const edge = await open({ path });
  const sizeAtFirst = statSync(path).size;
  for (let index = 0; index < 150; index++) await edge.put(`m${index}`, note(`a note, number ${index}`));
  await expect.poll(() => statSync(path).size, { timeout: 30_000 }).toBeGreaterThan(sizeAtFirst);
  expect((await edge.search("note")).length).toBeGreaterThan(0);
});

test("a namespace that is not kept here is refused by its name", async () => {
  const { open } = edgeWorld();
  const edge = await open();
  await expect(edge.put("m1", note("x"), { namespace: "other" })).rejects.toThrow("edge.namespaces has default");
});

test("lists filter as the core does, and page by id; searches find words and vectors", async () => {
  const { open } = edgeWorld();
  const edge = await open();
  for (let index = 0; index < 30; index++) {
    const embedding = [Math.cos(index / 10), Math.sin(index / 10)];
    await edge.put(
      `m${String(index).padStart(2, "0")}`,
      note(index % 3 === 0 ? "pistachio nuts" : "a walk", { importance: index / 30, embedding }),
    );
  }
  const first = await edge.list({ where: { importance: { gte: 0.5 } }, limit: 10 });
  expect(first.memories.map(({ memoryId }) => memoryId)).toEqual(
    Array.from({ length: 10 }, (_, index) => `m${15 + index}`),
  );
  const second = await edge.list({ where: { importance: { gte: 0.5 } }, limit: 10, cursor: first.cursor ?? "" });
  expect(second).toMatchObject({ cursor: null });
  expect(second.memories).toHaveLength(5);
  const words = await edge.search('PISTACHIO "OR*', { k: 3, where: { importance: { lt: 0.5 } } });
  expect(words.map(({ content }) => content)).toEqual(["pistachio nuts", "pistachio nuts", "pistachio nuts"]);
  const nearest = await edge.search([Math.cos(1.2), Math.sin(1.2)], { k: 2 });
  expect(nearest[0]).toMatchObject({ memoryId: "m12" });
  expect(nearest[0]?.score).toBeCloseTo(1, 5);
});
