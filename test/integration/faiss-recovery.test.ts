import { chmod, mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { ConfigurationError, StoreRefusedError, StoreUnavailableError } from "../../src/domain/errors.ts";
import type { PutChange } from "../../src/domain/memory.ts";
import { FaissProjection } from "../../src/stores/faiss/client/faiss-projection.ts";
import type { FaissOptions } from "../../src/stores/faiss/options.ts";
import { exposedPaths } from "../../src/stores/faiss/snapshots/private-files.ts";
import type { LiveEntry } from "../../src/stores/projection.ts";
import {
  MemorySource,
  put,
  randomNumbers,
  randomVector,
  recordingLog,
  temporaryFolder,
  tombstone,
} from "../unit/faiss/support.ts";

const DIMENSION = 8;
const random = randomNumbers(3);
const vector = (): Float32Array => randomVector(random, DIMENSION);
const within = (ms = 90_000): AbortSignal => AbortSignal.timeout(ms);

let directory: string;
let source: MemorySource;
let log: ReturnType<typeof recordingLog>;
beforeEach(async () => {
  const folder = await temporaryFolder();
  directory = folder.path;
  source = new MemorySource();
  log = recordingLog();
  return folder.remove;
});

async function open(options: Partial<FaissOptions> = {}): Promise<FaissProjection> {
  const dependencies = { source, log, random: () => 0.1 };
  const index = await FaissProjection.open({ directory, dimension: DIMENSION, ...options }, dependencies, within());
  onTestFinished(() => index.close());
  return index;
}

/** Commits to the ledger and publishes, as a write does. */
async function write(index: FaissProjection, count: number, version = 1, prefix = "m"): Promise<PutChange[]> {
  const changes = Array.from({ length: count }, (_, at) => put(`${prefix}${at}`, version, vector(), `n${at % 3}`));
  source.commit(...changes);
  await index.publish(changes, within());
  return changes;
}

async function expectHeld(index: FaissProjection, changes: readonly PutChange[]): Promise<void> {
  const entries = await index.read(changes, { data: true }, within());
  for (const [at, change] of changes.entries()) {
    expect(entries[at]).toMatchObject({ state: "live", version: change.version, checksum: change.checksum });
    expect(index.flaw(entries[at] as LiveEntry, change)).toBeNull();
  }
}

const snapshots = async (): Promise<string[]> => (await readdir(join(directory, "snapshots"))).sort();
const events = (event: string): object[] => log.events.filter((entry) => entry.event === event);

describe("catching up", () => {
  test("an empty index replays the ledger page by page, whatever the state of the memories", async () => {
    const changes = Array.from({ length: 2_500 }, (_, at) => put(`m${at}`, 1 + (at % 3), vector()));
    source.commit(...changes, tombstone("dead", 2), put("bare", 1, null));
    const index = await open();
    await expectHeld(index, changes);
    expect(await index.read([put("dead", 1, null), put("bare", 1, null)], { data: false }, within())).toMatchObject([
      { state: "tombstone", version: 2 },
      { state: "tombstone", version: 1 },
    ]);
    expect(await index.count(within())).toBe(2_500);
  });

  test("it fetches only what the index lacks, and reads no entry of the feed twice", async () => {
    const index = await open();
    const changes = await write(index, 50);
    const update = put("m0", 2, vector(), "n0");
    source.commit(update, put("new", 1, vector()));
    source.fetched = 0;
    expect(await index.catchUp(within())).toEqual({ read: 51, applied: 2 });
    expect(source.fetched).toBe(2);
    expect(await index.catchUp(within())).toEqual({ read: 0, applied: 0 });
    await expectHeld(index, [...changes.slice(1), update]);
  });

  test("a memory with a vector that does not fit is indexed without one, and the others are indexed", async () => {
    source.commit(put("foreign", 3, new Float32Array(5).fill(1)), put("good", 1, vector()));
    const index = await open();
    expect(await index.read([put("foreign", 3, null), put("good", 1, null)], { data: false }, within())).toMatchObject([
      { state: "tombstone", version: 3 },
      { state: "live", version: 1 },
    ]);
    expect(events("index.vector_left_out")).toHaveLength(1);
  });

  test("a memory with a vector of another model is indexed without one; a vector without a stated model is indexed", async () => {
    const of = (memoryId: string, embeddingModel: string | null) => ({ ...put(memoryId, 1, vector()), embeddingModel });
    source.commit(of("foreign", "other-model"), of("own", "own-model"), of("unnamed", null));
    const index = await open({ model: "own-model" });
    const keys = ["foreign", "own", "unnamed"].map((memoryId) => put(memoryId, 1, null));
    expect(await index.read(keys, { data: false }, within())).toMatchObject([
      { state: "tombstone", version: 1 },
      { state: "live", version: 1 },
      { state: "live", version: 1 },
    ]);
    expect(events("index.vector_left_out")).toMatchObject([
      { fields: { memoryId: "foreign", reason: expect.stringContaining("other-model") } },
    ]);
    const later = { ...of("foreign", "other-model"), version: 2 };
    source.commit(later);
    await index.catchUp(within());
    // Nor by a write, or by what the backlog still has to publish.
    const refusal = { code: "STORE_REFUSED", message: expect.stringContaining("other-model") };
    await expect(index.prepare({ token: "t", changes: [later] }, within())).rejects.toMatchObject(refusal);
    await expect(index.publish([of("unnamed", null), later], within())).rejects.toMatchObject(refusal);
    expect(await index.count(within())).toBe(2);
  });

  test("a restored database (another epoch) has the index rebuilt", async () => {
    const index = await open();
    await write(index, 5);
    await index.snapshot(within());
    source = Object.assign(source, { currentEpoch: "epoch-2" });
    await expect(index.catchUp(within())).rejects.toThrow(/epoch changed/);
    await expect.poll(async () => (await index.statistics(within())).restarts).toBe(1);
    expect(await index.count(within())).toBe(5);
    expect(await snapshots()).toEqual(["00000001.unreadable"]);
  });
});

describe("snapshots", () => {
  test("a restart loads the newest, replays the rest of the feed, and knows the dead", async () => {
    const first = await open();
    const changes = await write(first, 300);
    source.commit(tombstone("m1", 2, "n1"));
    await first.publish([tombstone("m1", 2, "n1")], within());
    expect((await first.snapshot(within())).sequence).toBe(1);
    await first.close();
    const update = put("m2", 2, vector(), "n2");
    source.commit(update, put("late", 1, vector()));
    source.fetched = 0;
    const second = await open();
    expect(source.fetched).toBe(2);
    await expectHeld(second, [changes[0]!, update, ...changes.slice(3)]);
    expect(await second.publish([put("m1", 1, vector(), "n1")], within())).toEqual(["stale"]);
    expect(await second.count(within())).toBe(300);
    const hits = await second.search("n0", changes[0]!.embedding!, 1, within());
    expect(hits).toMatchObject([{ memoryId: "m0" }]);
  });

  test("two are kept, and closing can write one", async () => {
    const index = await open();
    for (let round = 1; round <= 4; round++) {
      await write(index, 10, round);
      await index.snapshot(within());
    }
    await index.close({ snapshot: true });
    expect(await snapshots()).toEqual(["00000004", "00000005"]);
  });

  test("are for this user alone, also those that FAISS writes itself, and older ones are closed at open", async () => {
    const umask = process.umask(0);
    onTestFinished(() => void process.umask(umask));
    const options = { factory: "HNSW8", mainRowsMin: 10 };
    const index = await open(options);
    await write(index, 300);
    await index.compact(within());
    await index.snapshot(within());
    await index.close({ snapshot: true });
    const [newest] = (await snapshots()).toReversed();
    expect((await readdir(join(directory, "snapshots", newest!))).length).toBeGreaterThan(2);
    expect(await exposedPaths(directory)).toEqual([]);
    // As a version before left it.
    for (const name of await snapshots()) await chmod(join(directory, "snapshots", name), 0o755);
    await (await open(options)).close();
    expect(await exposedPaths(directory)).toEqual([]);
    expect(events("index.closed_to_others")).toMatchObject([{ fields: { directory, paths: 2 } }]);
  });

  test("snapshots asked for at the same time, beside writes and a compaction, are all sound", async () => {
    const index = await open();
    await write(index, 3_000);
    const work = [index.snapshot(within()), write(index, 3_000, 2), index.snapshot(within()), index.compact(within())];
    await Promise.all(work);
    const changes = await write(index, 3_000, 3);
    await index.close();
    const again = await open();
    expect(events("index.snapshot_set_aside")).toEqual([]);
    await expectHeld(again, changes);
  });

  test("without the ledger a snapshot keeps the old cursor, which is valid too", async () => {
    const index = await open();
    const changes = await write(index, 10);
    source.failure = new StoreUnavailableError("postgres", "away");
    await index.snapshot(within());
    await index.close();
    source.failure = null;
    source.fetched = 0;
    const again = await open();
    expect(source.fetched).toBe(0);
    await expectHeld(again, changes);
  });

  const damages: Record<string, (snapshot: string) => Promise<unknown>> = {
    "a torn index": async (path) => truncate(join(path, "index-0.faiss"), 60),
    "a flipped bit in an index": async (path) => flip(join(path, "index-0.faiss")),
    "a flipped bit in the slot table": async (path) => flip(join(path, "slots.bin")),
    "a missing file": async (path) => rm(join(path, "slots.bin")),
    "a missing manifest": async (path) => rm(join(path, "manifest.json")),
    "a torn manifest": async (path) => truncate(join(path, "manifest.json"), 30),
    "a manifest of a newer format": async (path) => writeFile(join(path, "manifest.json"), '{"formatVersion":99}'),
  };
  for (const [damage, apply] of Object.entries(damages)) {
    test(`${damage} sets the snapshot aside, says so, and the older one takes over`, async () => {
      const index = await open();
      await write(index, 30);
      await index.snapshot(within());
      const changes = await write(index, 30, 2);
      await index.snapshot(within());
      await index.close();
      await apply(join(directory, "snapshots", "00000002"));
      const again = await open();
      expect(await snapshots()).toEqual(["00000001", "00000002.unreadable"]);
      expect(events("index.snapshot_set_aside")).toHaveLength(1);
      expect(events("index.snapshot_loaded")).toMatchObject([{ fields: { sequence: 1 } }]);
      await expectHeld(again, changes);
    });
  }

  test("with every snapshot damaged the index is rebuilt; two of them are kept to look at", async () => {
    const changes: PutChange[] = [];
    for (let round = 1; round <= 3; round++) {
      const index = await open();
      changes.push(...(await write(index, 10, 1, `r${round}-`)));
      await index.snapshot(within());
      await index.snapshot(within());
      await index.close();
      for (const name of (await snapshots()).filter((entry) => /^\d+$/.test(entry))) {
        await flip(join(directory, "snapshots", name, "slots.bin"));
      }
    }
    await expectHeld(await open(), changes);
    expect(await snapshots()).toEqual(["00000005.unreadable", "00000006.unreadable"]);
  });

  test("the files of an interrupted snapshot are removed", async () => {
    await mkdir(join(directory, "snapshots", ".tmp-7"), { recursive: true });
    await open();
    expect(await snapshots()).toEqual([]);
  });

  test("a dimension, metric or model other than the snapshot's is refused with both values and the remedy", async () => {
    const index = await open({ model: "small" });
    await write(index, 3);
    await index.snapshot(within());
    await index.close();
    await expect(open({ dimension: 9 })).rejects.toThrow(/dimension 8, and 9 is configured.*another faiss.directory/);
    await expect(open({ metric: "l2" })).rejects.toThrow(ConfigurationError);
    await expect(open({ model: "large" })).rejects.toThrow(/model small, and large/);
    expect(await snapshots()).toEqual(["00000001"]);
    await (await open({ model: "small" })).close();
  });

  test("a directory that is not writable refuses the snapshot, and the index keeps working", async () => {
    const index = await open();
    const changes = await write(index, 3);
    await writeFile(join(directory, "snapshots"), "in the way");
    await expect(index.snapshot(within())).rejects.toThrow(StoreRefusedError);
    await expectHeld(index, changes);
    expect((await index.statistics(within())).restarts).toBe(0);
  });
});

test("a directory in use is refused, and is free again after close and after a failed open", async () => {
  const index = await open();
  await expect(open()).rejects.toThrow(/in use by another synchronizer of this process/);
  await index.close();
  source.failure = new StoreUnavailableError("postgres", "away");
  await expect(open()).rejects.toThrow("postgres is unavailable: away");
  source.failure = null;
  expect(await readdir(directory)).toEqual([]);
  await open();
});

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.byteLength - 3]! ^= 1;
  await writeFile(path, bytes);
}
