import { execFileSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { chmod, cp, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { StoreRefusedError } from "../../src/domain/errors.ts";
import type { PutChange } from "../../src/domain/memory.ts";
import { FaissProjection } from "../../src/stores/faiss/client/faiss-projection.ts";
import { loadFaiss } from "../../src/stores/faiss/host/faiss.ts";
import { FlatSpace } from "../../src/stores/faiss/host/flat-space.ts";
import { ScratchSpace } from "../../src/stores/faiss/host/scratch-space.ts";
import type { FaissOptions } from "../../src/stores/faiss/options.ts";
import type { MainConfiguration } from "../../src/stores/faiss/protocol/messages.ts";
import { inspectDirectory } from "../../src/stores/faiss/snapshots/inspect-directory.ts";
import { loadSnapshot } from "../../src/stores/faiss/snapshots/snapshot.ts";
import { SnapshotRejection } from "../../src/stores/faiss/snapshots/snapshot-manifest.ts";
import type { LiveEntry } from "../../src/stores/projection.ts";
import {
  MemorySource,
  put,
  randomNumbers,
  randomVector,
  recordingLog,
  temporaryFolder,
} from "../unit/faiss/support.ts";

/**
 * Goal: whatever a crash or a disk did to a snapshot, the index comes up right. Method: one sound snapshot with a main
 * index, a delta, dead slots, tombstones and two namespaces; every file of it cut at each 64th of its length and with a
 * bit flipped there, by the host's own loader; and a choice of them through the whole of the program.
 */

const DIMENSION = 8;
const FACTORY = "HNSW8";
const random = randomNumbers(5);
const vector = (): Float32Array => randomVector(random, DIMENSION);
const within = (ms = 90_000): AbortSignal => AbortSignal.timeout(ms);
const expected = { epoch: "epoch-1", model: null, dimension: DIMENSION, metric: "cosine" as const };

const source = new MemorySource();
let sound: string;
let names: string[];
let changes: PutChange[];
beforeAll(async () => {
  const folder = await temporaryFolder();
  sound = folder.path;
  log = recordingLog();
  const index = await start(sound);
  const first = Array.from({ length: 1_200 }, (_, at) => put(`m${at}`, 1, vector()));
  await commit(index, first);
  await pollUntil("the main index", 60_000, async () => {
    const { host } = await index.statistics(within());
    return host?.namespaces[0]?.main === 1_200;
  });
  const second = [
    ...first.slice(0, 100).map(({ memoryId }) => put(memoryId, 2, vector())),
    put("bare", 1, null),
    ...Array.from({ length: 50 }, (_, at) => put(`other${at}`, 1, vector(), "second")),
  ];
  await commit(index, second);
  changes = [...first.slice(100), ...second.filter(({ embedding }) => embedding !== null)];
  await index.close({ snapshot: true });
  names = await readdir(join(sound, "snapshots", "00000001"));
  return folder.remove;
});

let directory: string;
let log: ReturnType<typeof recordingLog>;
/** What must be undone before the folder can be removed. */
let undo: (() => void)[];
beforeEach(async () => {
  const folder = await temporaryFolder();
  directory = folder.path;
  log = recordingLog();
  undo = [];
  return async () => {
    for (const step of undo) step();
    await folder.remove();
  };
});

function start(path: string, options: Partial<FaissOptions> = {}): Promise<FaissProjection> {
  const settings = { directory: path, dimension: DIMENSION, factory: FACTORY, mainRowsMin: 1_000, ...options };
  return FaissProjection.open(settings, { source, log }, within());
}

async function openIndex(path: string, options: Partial<FaissOptions> = {}): Promise<FaissProjection> {
  const index = await start(path, options);
  onTestFinished(() => index.close());
  return index;
}

async function commit(index: FaissProjection, list: readonly PutChange[]): Promise<void> {
  source.commit(...list);
  await index.publish(list, within());
}

async function expectHeld(index: FaissProjection): Promise<void> {
  const entries = await index.read(changes, { data: true }, within());
  for (const [at, change] of changes.entries()) {
    expect(entries[at]).toMatchObject({ state: "live", version: change.version });
    expect(index.flaw(entries[at] as LiveEntry, change)).toBeNull();
  }
  expect(await index.count(within())).toBe(changes.length);
}

/** Loads as the host does. */
async function load(path: string, scratch: string): Promise<number> {
  const faiss = loadFaiss();
  const space = new FlatSpace(faiss, { dimension: DIMENSION, metric: "cosine" }, new ScratchSpace([scratch]));
  const main = { factory: FACTORY, nprobe: 32, efSearch: 128, folder: join(scratch, "b"), threads: 1 };
  const configuration = { ...main, mainRowsMin: 1_000, deltaShareMax: 1, deadShareMax: 1 } as MainConfiguration;
  const { index } = await loadSnapshot(path, expected, space, configuration);
  const count = index.count();
  index.drop();
  return count;
}

const damages: Record<string, (path: string, at: number) => Promise<void>> = {
  "cut off": (path, at) => truncate(path, at),
  "with a bit flipped": async (path, at) => {
    const bytes = await readFile(path);
    bytes[Math.min(at, bytes.byteLength - 1)]! ^= 1 << (at % 8);
    await writeFile(path, bytes);
  },
};

for (const [name, damage] of Object.entries(damages)) {
  test(`${name} at each 64th of each file, a snapshot is rejected with a reason, and nothing crashes`, async () => {
    const copy = join(directory, "copy");
    await cp(join(sound, "snapshots", "00000001"), copy, { recursive: true });
    expect(await load(copy, directory)).toBe(changes.length);
    expect(names.sort()).toEqual(["index-2.faiss", "main-0.faiss", "main-1.faiss", "manifest.json", "slots.bin"]);
    for (const file of names) {
      const path = join(copy, file);
      const bytes = await readFile(path);
      for (let part = 0; part < 64; part++) {
        await damage(path, Math.floor((bytes.byteLength * part) / 64));
        const outcome = await load(copy, directory).then(
          () => "loaded",
          (error: unknown) => error,
        );
        expect(outcome, `${file} at ${part}/64`).toBeInstanceOf(SnapshotRejection);
        expect(outcome).toMatchObject({ kind: "set_aside", message: expect.stringMatching(/\S/) });
        await writeFile(path, bytes);
      }
    }
    expect(await load(copy, directory)).toBe(changes.length);
  });
}

describe("through the whole of the program", () => {
  test.each(["manifest.json", "slots.bin", "main-0.faiss", "main-1.faiss", "index-2.faiss"])(
    "a damaged %s is explained, set aside with a word in the log, and the index is rebuilt",
    async (file) => {
      await cp(sound, directory, { recursive: true });
      await damages["with a bit flipped"]?.(join(directory, "snapshots", "00000001", file), 100);
      const { explanation } = await inspectDirectory(directory);
      expect(explanation.join("\n")).toMatch(/no sound snapshot[\s\S]*snapshot 1 is damaged \(.*sets it aside/);
      const index = await openIndex(directory);
      await expectHeld(index);
      expect(log.events.filter(({ event }) => event === "index.snapshot_set_aside")).toHaveLength(1);
      const statistics = await index.statistics(within());
      expect(statistics.restarts).toBe(0);
      await index.close({ snapshot: true });
      const inspected = await inspectDirectory(directory);
      expect(inspected.snapshots.map(({ state, sequence }) => [state, sequence])).toEqual([
        ["sound", 2],
        ["set_aside", null],
      ]);
      expect(inspected.explanation[0]).toMatch(/^the next start loads snapshot 2: 1250 vectors of 8-d \(cosine, any/);
    },
  );

  test("a sound snapshot is loaded as it is: main index, delta, dead and tombstones", async () => {
    await cp(sound, directory, { recursive: true });
    source.fetched = 0;
    const index = await openIndex(directory, { deltaShareMax: 1, deadShareMax: 1 });
    expect(source.fetched).toBe(0);
    await expectHeld(index);
    const { host } = await index.statistics(within());
    expect(host?.namespaces).toEqual([
      { namespace: "default", live: 1_200, dead: 100, tombstones: 1, main: 1_200 },
      { namespace: "second", live: 50, dead: 0, tombstones: 0, main: 0 },
    ]);
  });
});

test("a host that dies during its first start is started again, within limits", async () => {
  await cp(sound, directory, { recursive: true });
  const dying = new MemorySource();
  let deaths = 0;
  let deathsMax = 2;
  dying.epoch = async () => {
    if (deaths < deathsMax) {
      deaths++;
      for (const pid of await childrenOf(process.pid)) process.kill(pid, "SIGKILL");
    }
    return "epoch-1";
  };
  const settings = { directory, dimension: DIMENSION, factory: FACTORY };
  const index = await FaissProjection.open(settings, { source: dying, log }, within());
  expect(await index.count(within())).toBe(changes.length);
  expect((await index.statistics(within())).restarts).toBe(2);
  await index.close();
  [deaths, deathsMax] = [0, 1_000];
  const opening = FaissProjection.open(settings, { source: dying, log }, within());
  await expect(opening).rejects.toThrow(/its host process ended \(signal SIGKILL\)/);
  expect(deaths).toBe(3);
  expect(await readdir(directory)).toEqual(["snapshots"]);
});

/** A file system of half a mebibyte, where one may be mounted. */
async function smallDisk(t: { skip(note: string): never }): Promise<string> {
  const disk = join(directory, "disk");
  await mkdir(disk);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=512k", "tmpfs", disk], { stdio: "ignore" });
  } catch {
    t.skip("needs the right to mount a file system");
  }
  undo.push(() => execFileSync("umount", ["-l", disk]));
  return disk;
}

describe("a disk that takes no more", () => {
  test("a full one refuses the snapshot and leaves the one before it; the index goes on", async (t) => {
    const disk = await smallDisk(t);
    const index = await openIndex(disk, { factory: "Flat", snapshotsKept: 1 });
    const before = await inspectDirectory(disk);
    expect(before.lock).toMatchObject({ pid: process.pid, state: "running" });
    await index.snapshot(within());
    const sequence = (await inspectDirectory(disk)).snapshots[0]?.sequence;
    const many = Array.from({ length: 40_000 }, (_, at) => put(`full${at}`, 1, vector(), "full"));
    for (let start = 0; start < many.length; start += 5_000) {
      await index.publish(many.slice(start, start + 5_000), within());
    }
    await expect(index.snapshot(within())).rejects.toThrow(StoreRefusedError);
    const after = await inspectDirectory(disk);
    expect(after.snapshots).toMatchObject([{ sequence, state: "sound" }]);
    expect(after.leftovers).toEqual([]);
    expect(await index.count(within())).toBe(changes.length + many.length);
    expect((await index.statistics(within())).restarts).toBe(0);
  });

  test("a full one costs only the main index: search stays exact, and the reason is reported", async (t) => {
    const disk = await smallDisk(t);
    const index = await openIndex(disk, { mainRowsMin: 5_000 });
    const many = Array.from({ length: 20_000 }, (_, at) => put(`full${at}`, 1, vector(), "full"));
    for (let start = 0; start < many.length; start += 5_000) {
      await index.publish(many.slice(start, start + 5_000), within());
    }
    const failure = async () => (await index.statistics(within())).host?.compactionFailure;
    await expect.poll(failure, { timeout: 30_000 }).toMatch(/ENOSPC|worker that builds the index failed/);
    const wanted = many[77] as PutChange;
    const [best] = await index.search("full", wanted.embedding as Float32Array, 1, within());
    expect(best).toMatchObject({ memoryId: "full77", version: 1 });
    expect((await index.statistics(within())).restarts).toBe(0);
    expect((await inspectDirectory(disk)).leftovers).toEqual([]);
  });

  test("a folder that may not be written sets nothing aside, says so, and is no crash loop", async (t) => {
    await cp(sound, directory, { recursive: true });
    const folder = join(directory, "snapshots");
    await truncate(join(folder, "00000001", "slots.bin"), 100);
    if (process.getuid?.() === 0) {
      // Root may write everywhere, but for what is marked as immutable.
      try {
        execFileSync("chattr", ["+i", folder], { stdio: "ignore" });
      } catch {
        t.skip("needs a file system with the immutable mark");
      }
      undo.push(() => execFileSync("chattr", ["-i", folder]));
    } else {
      await chmod(folder, 0o500);
      undo.push(() => chmodSync(folder, 0o700));
    }
    const index = await openIndex(directory);
    await expectHeld(index);
    const said = log.events.map(({ event }) => event);
    expect(said).toContain("index.snapshot_set_aside");
    expect(said).toContain("index.snapshot_not_renamed");
    await expect(index.snapshot(within())).rejects.toThrow(/cannot write a snapshot/);
    await expectHeld(index);
    expect((await index.statistics(within())).restarts).toBe(0);
    await index.close({ snapshot: true });
    expect(log.events.some(({ event }) => event === "index.closed_unsaved")).toBe(true);
  });
});

describe("by themselves", () => {
  test("snapshots are written after so many changes, and after a while; without changes none", async () => {
    const index = await openIndex(directory, { snapshotChangesMax: 2_000, snapshotIntervalMs: 200 });
    const sequences = async (): Promise<(number | null)[]> =>
      (await inspectDirectory(directory)).snapshots.map(({ sequence }) => sequence);
    // The fill from the ledger is no news to the ledger, and is saved with the first change.
    expect(await sequences()).toEqual([]);
    await index.publish([put("m3", 9, vector())], within());
    await expect.poll(sequences, { timeout: 30_000 }).toEqual([1]);
    const written = (await stat(join(directory, "snapshots", "00000001"))).mtimeMs;
    await index.close();
    const again = await openIndex(directory, { snapshotChangesMax: 500, snapshotIntervalMs: 3_600_000 });
    for (let round = 0; round < 3; round++) {
      const list = Array.from({ length: 250 }, (_, at) => put(`n${at}`, round + 1, vector(), "third"));
      await again.publish(list, within());
    }
    await expect.poll(sequences, { timeout: 30_000 }).toEqual([2, 1]);
    expect((await stat(join(directory, "snapshots", "00000001"))).mtimeMs).toBe(written);
  });

  test("a failed snapshot is logged and retried", async () => {
    const index = await openIndex(directory, { snapshotIntervalMs: 100 });
    await writeFile(join(directory, "snapshots"), "in the way");
    await index.publish([put("m3", 9, vector())], within());
    const failed = () => log.events.filter(({ event }) => event === "index.snapshot_failed").length;
    await expect.poll(failed, { timeout: 30_000 }).toBeGreaterThan(1);
    await rm(join(directory, "snapshots"));
    await expect.poll(async () => (await inspectDirectory(directory)).snapshots.length, { timeout: 30_000 }).toBe(1);
  });
});

test("a directory that is not there, and one whose owner has gone, are explained", async () => {
  expect((await inspectDirectory(join(directory, "none"))).explanation).toEqual([
    expect.stringMatching(/does not exist: the first start creates it/),
  ]);
  await writeFile(join(directory, "lock"), JSON.stringify({ pid: 1, startedAt: "1", domain: "elsewhere" }));
  await mkdir(join(directory, "snapshots", ".tmp-4"), { recursive: true });
  const found = await inspectDirectory(directory);
  expect(found.lock).toMatchObject({ pid: 1, state: "elsewhere" });
  expect(found.explanation).toEqual([
    expect.stringMatching(/process 1 of another container or machine holds the directory/),
    expect.stringMatching(/no sound snapshot/),
    expect.stringMatching(/\.tmp-4 is left over from interrupted work/),
  ]);
});

async function childrenOf(pid: number): Promise<number[]> {
  const children = await readFile(join("/proc", String(pid), "task", String(pid), "children"), "utf8");
  return children.trim().split(" ").filter(Boolean).map(Number);
}
