import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { MnemosyncError, StoreUnavailableError } from "../../src/domain/errors.ts";
import type { PutChange } from "../../src/domain/memory.ts";
import { FaissProjection } from "../../src/stores/faiss/client/faiss-projection.ts";
import type { FaissOptions } from "../../src/stores/faiss/options.ts";
import type { LiveEntry } from "../../src/stores/projection.ts";
import {
  MemorySource,
  put,
  randomNumbers,
  randomVector,
  recordingLog,
  temporaryFolder,
} from "../unit/faiss/support.ts";

const DIMENSION = 8;
const random = randomNumbers(11);
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
  const index = await FaissProjection.open(
    { directory, dimension: DIMENSION, hostBackoffMaxMs: 50, ...options },
    { source, log },
    within(),
  );
  onTestFinished(() => index.close());
  return index;
}

function killHost(index: FaissProjection, signal: NodeJS.Signals = "SIGKILL"): number {
  const pid = index.hostPid as number;
  process.kill(pid, signal);
  return pid;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false; // ESRCH.
  }
}

async function scratchFolders(pid = process.pid): Promise<string[]> {
  const names = await readdir("/dev/shm").catch(() => []); // No memory file system here.
  return names.filter((name) => name.startsWith("mnemosync-faiss-") && name.split("-")[3] === String(pid));
}

async function expectHeld(index: FaissProjection, changes: readonly PutChange[]): Promise<void> {
  const entries = await index.read(changes, { data: true }, within());
  for (const [at, change] of changes.entries()) {
    expect(entries[at]).toMatchObject({ state: "live", version: change.version });
    expect(index.flaw(entries[at] as LiveEntry, change)).toBeNull();
  }
}

test("a host killed under load loses no publish, settles every call, and none of them with a wrong answer", async () => {
  const index = await open();
  const first = put("first", 1, vector());
  source.commit(first);
  await index.publish([first], within());
  const acknowledged = new Map<string, PutChange>();
  let stopped = false;
  let failures = 0;
  const publish = async (writer: number): Promise<void> => {
    for (let version = 1; !stopped; version++) {
      const changes = Array.from({ length: 20 }, (_, at) => put(`w${writer}-${at}`, version, vector()));
      const token = `${writer}-${version}`;
      source.commit(...changes);
      try {
        if (version % 2 === 0) await index.prepare({ token, changes }, within());
        await index.publish(changes, within(), token);
        for (const change of changes) acknowledged.set(change.memoryId, change);
      } catch (error) {
        expect(error).toBeInstanceOf(StoreUnavailableError);
        failures++;
      }
    }
  };
  const search = async (): Promise<void> => {
    while (!stopped) {
      const known = [...acknowledged.values()];
      const wanted = known[Math.floor(random() * known.length)] ?? first;
      try {
        const [entry] = await index.read([wanted], { data: true }, within());
        expect(entry?.state).toBe("live");
        expect((entry as LiveEntry).version).toBeGreaterThanOrEqual(wanted.version);
        const hits = await index.search("default", wanted.embedding as Float32Array, 5, within());
        expect(hits).not.toHaveLength(0);
      } catch (error) {
        if (!(error instanceof MnemosyncError)) throw error;
        expect(error).toBeInstanceOf(StoreUnavailableError);
      }
    }
  };
  const work = Promise.all([publish(0), publish(1), publish(2), search(), search()]);
  for (let kill = 1; kill <= 10; kill++) {
    killHost(index);
    await expect.poll(async () => (await index.statistics(within())).restarts, { timeout: 30_000 }).toBe(kill);
    await index.count(within());
  }
  stopped = true;
  await work;
  expect(failures).toBeGreaterThan(0);
  await index.catchUp(within());
  const current = (await source.currentChanges([...acknowledged.values()])) as PutChange[];
  await expectHeld(index, current);
});

test("a caller that retries in a tight loop does not keep the event loop from noticing the exit", async () => {
  const index = await open();
  killHost(index);
  // The host is gone before this process has had a turn to read of it: from here on, a send fails at once.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  let tries = 0;
  while (true) {
    try {
      await index.count(within());
      break;
    } catch (error) {
      expect(error).toBeInstanceOf(StoreUnavailableError);
      expect(++tries).toBeLessThan(1_000);
    }
  }
  expect((await index.statistics(within())).restarts).toBe(1);
});

test("a publish beyond the feed's horizon survives a crash too", async () => {
  const index = await open();
  const change = put("hidden", 2, vector());
  source.hidden.add(`${change.namespace}\u0000${change.memoryId}`);
  source.commit(change);
  await index.publish([change], within());
  killHost(index);
  await expect.poll(async () => (await index.statistics(within())).restarts).toBe(1);
  await expectHeld(index, [change]);
});

test("while the ledger is unavailable after a crash, calls wait until their own deadline, and succeed once it is back", async () => {
  const index = await open();
  const change = put("a", 1, vector());
  source.commit(change);
  await index.publish([change], within());
  source.failure = new StoreUnavailableError("postgres", "away");
  killHost(index);
  await expect.poll(() => index.health(within())).toMatchObject({ state: "down" });
  await expect(index.count(within(200))).rejects.toThrow(/its host is recovering/);
  await expect(index.count(AbortSignal.abort())).rejects.toMatchObject({ code: "ABORTED" });
  const waiting = index.read([change], { data: false }, within());
  source.failure = null;
  expect(await waiting).toMatchObject([{ state: "live", version: 1 }]);
  expect(await index.health(within())).toEqual({ state: "healthy" });
});

test("a host that hangs costs its callers their deadline, is killed, and the next one serves", async () => {
  const index = await open({ hostPingIntervalMs: 50, hostStallMs: 2_000, pendingCallsMax: 20 });
  const change = put("a", 1, vector());
  source.commit(change);
  await index.publish([change], within());
  const pid = killHost(index, "SIGSTOP");
  const calls = await Promise.allSettled(Array.from({ length: 30 }, () => index.count(within(100))));
  for (const call of calls) expect(call).toMatchObject({ status: "rejected", reason: { code: "STORE_UNAVAILABLE" } });
  const refused = calls.filter((call) => String((call as PromiseRejectedResult).reason).includes("wait for its host"));
  expect(refused.length).toBeGreaterThanOrEqual(10); // A ping may hold one of the places.
  await expect.poll(async () => (await index.statistics(within(100))).restarts, { timeout: 30_000 }).toBe(1);
  await expectHeld(index, [change]);
  expect(isAlive(pid)).toBe(false);
  expect(log.events.map(({ event }) => event)).toContain("host.stalled");
});

test("close leaves no process and no scratch folder, even of a host that hangs or has just crashed", async () => {
  for (const signal of [null, "SIGSTOP", "SIGKILL"] as const) {
    const index = await open({ closeTimeoutMs: 200 });
    const pid = index.hostPid as number;
    if (signal !== null) killHost(index, signal);
    await index.close();
    expect(isAlive(pid)).toBe(false);
    expect(await scratchFolders()).toEqual([]);
    await expect(index.count(within())).rejects.toMatchObject({ code: "CLOSED" });
  }
});

test("a failed start leaves nothing behind either", async () => {
  source.failure = new StoreUnavailableError("postgres", "away");
  await expect(open()).rejects.toThrow("away");
  source.failure = null;
  source.changesAfter = () => new Promise(() => undefined);
  const opening = FaissProjection.open({ directory, dimension: DIMENSION }, { source, log }, within(1_500));
  await expect(opening).rejects.toThrow();
  expect(await scratchFolders()).toEqual([]);
  expect(await readdir(directory)).toEqual([]);
});

test("no host outlives a parent that is killed with -9, and its folders are removed", async () => {
  const program = `
    import { FaissProjection } from "./src/stores/faiss/client/faiss-projection.ts";
    import { MemorySource } from "./test/unit/faiss/support.ts";
    const index = await FaissProjection.open(
      { directory: ${JSON.stringify(directory)}, dimension: 4 }, { source: new MemorySource() }, AbortSignal.timeout(20000));
    process.stdout.write(String(index.hostPid));
    setInterval(() => {}, 1000);
  `;
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const parent = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], { cwd: root });
  onTestFinished(() => void parent.kill("SIGKILL"));
  const [output] = (await once(parent.stdout, "data")) as [Buffer];
  const hostPid = Number(output.toString());
  expect(isAlive(hostPid)).toBe(true);
  expect(await scratchFolders(parent.pid)).toHaveLength(1);
  parent.kill("SIGKILL");
  await expect.poll(() => isAlive(hostPid), { timeout: 30_000 }).toBe(false);
  await expect.poll(() => scratchFolders(parent.pid)).toEqual([]);
  await open(); // Its lock is stale.
});
