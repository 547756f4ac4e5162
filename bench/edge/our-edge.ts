/** The process of one edge: started by `PeerProcess`, and asked for one operation at a time. */
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { EdgeFile } from "../../src/edge/file/edge-file.ts";
import { EdgeStore, HttpHub } from "../../src/edge/index.ts";
import { edgeSettings } from "../../src/edge/settings.ts";
import { loadDriver } from "../../src/edge/sqlite/drivers.ts";
import { chooseDriver } from "../../src/edge/sqlite/probe.ts";
import type { HubChange } from "../../src/hub/protocol/changes.ts";
import { measured } from "../support/measure.ts";
import { servePeer } from "../support/peer-process.ts";
import { edgeDocument, idOf } from "./documents.ts";
import type { EdgeOperations, OpenRequest, Replicated } from "./operations.ts";

let edge: EdgeStore | null = null;
let namespace = "default";
/** Changes that the hub has applied since the file was opened. */
let applied = 0;

function opened(): EdgeStore {
  if (edge === null) throw new Error("no edge is open: ask for `open` first");
  return edge;
}

async function close(): Promise<null> {
  await edge?.close();
  edge = null;
  return null;
}

async function open({ name, directory, hub, apiKey, settings = {} }: OpenRequest): Promise<null> {
  await close();
  namespace = name;
  const { isPolling = false, ...others } = settings as { isPolling?: boolean };
  const path = join(directory, `${name}-${Math.random().toString(36).slice(2)}.db`);
  const polling = (device: string): HttpHub => new PollingHub({ url: hub, apiKey, device, timeoutMs: 60_000 });
  edge = await EdgeStore.open({ path, hub: isPolling ? polling : hub, apiKey, namespaces: [name], ...others });
  applied = 0;
  edge.on("pushed", (result) => {
    applied += result.applied;
  });
  return null;
}

/** A hub that holds no request: what a proxy without long requests makes of it. */
class PollingHub extends HttpHub {
  override async changesAfter(...[cursor, options, signal]: Parameters<HttpHub["changesAfter"]>) {
    return await super.changesAfter(cursor, { ...options, waitMs: 0 }, signal);
  }
}

async function write(from: number, count: number, prefix = ""): Promise<number[]> {
  const times: number[] = [];
  for (let number = from; number < from + count; number++) {
    const document = edgeDocument(number);
    const startedAt = performance.now();
    await opened().put(prefix + idOf(number), document, { namespace });
    times.push(performance.now() - startedAt);
  }
  return times;
}

async function bare(directory: string, count: number): Promise<number[]> {
  const driver = loadDriver(await chooseDriver("auto"));
  const database = driver.open(join(directory, `bare-${Math.random().toString(36).slice(2)}.db`), 5_000);
  database.prepare("pragma journal_mode = wal").all();
  database.exec("pragma synchronous = FULL; create table documents (id text primary key, body text)");
  const insert = database.prepare("insert into documents values (?, ?)");
  const times: number[] = [];
  for (let number = 0; number < count; number++) {
    const body = JSON.stringify(edgeDocument(number).content);
    const startedAt = performance.now();
    database.exec("begin immediate");
    insert.run(idOf(number), body);
    database.exec("commit");
    times.push(performance.now() - startedAt);
  }
  database.close();
  return times;
}

/** The same in a thread of its own, as the edge's file has one. */
async function bareInThread(directory: string, count: number): Promise<number[]> {
  const workerData = { driver: await chooseDriver("auto"), directory };
  const worker = new Worker(new URL("bare-worker.mjs", import.meta.url), { workerData, execArgv: [] });
  const times: number[] = [];
  for (let number = 0; number < count; number++) {
    const row = { id: idOf(number), body: JSON.stringify(edgeDocument(number).content) };
    const startedAt = performance.now();
    worker.postMessage(row);
    await once(worker, "message");
    times.push(performance.now() - startedAt);
  }
  worker.postMessage(null);
  await once(worker, "exit");
  return times;
}

/** Until the hub has them, which is what a push is about: the pull behind it is not counted. */
async function push(): Promise<Replicated> {
  const { pending } = await opened().status();
  const before = applied;
  const startedAt = performance.now();
  const syncing = opened().syncNow();
  syncing.catch(() => undefined); // It is awaited below.
  await untilApplied(before + pending);
  const ms = performance.now() - startedAt;
  await syncing;
  return { ms, arrived: (await opened().status()).pending === 0 ? pending : 0 };
}

async function untilApplied(count: number): Promise<void> {
  while (applied < count) await once(new Pushed(opened()), "pushed");
}

/** The next push, as an event that can be awaited. */
class Pushed extends EventTarget {
  constructor(store: EdgeStore) {
    super();
    const forget = store.on("pushed", () => {
      forget();
      this.dispatchEvent(new Event("pushed"));
    });
  }
}

async function pull(): Promise<Replicated> {
  const startedAt = performance.now();
  await opened().syncNow();
  const ms = performance.now() - startedAt;
  return { ms, arrived: (await opened().status()).memories };
}

/** A page in which another device has changed each of the memories that were edited here. */
async function conflicts(directory: string, count: number): Promise<number> {
  const settings = edgeSettings.parse({ path: join(directory, "conflicts.db") });
  const driver = loadDriver(await chooseDriver("auto"));
  const conflictsDirectory = join(directory, "conflicts");
  const options = {
    ...settings,
    conflictsDirectory,
    preserveOriginals: false,
    onDamage: "refuse",
    check: false,
  } as const;
  const nowMs = Date.now();
  const file = new EdgeFile(driver, options, nowMs);
  const limits = {
    ...{ pushChangesMax: 500, pushBytesMax: 8_388_608, contentBytesMax: 1_048_576, metadataBytesMax: 262_144 },
    ...{ memoryIdBytesMax: 512, pageChangesMax: 1_000, waitMsMax: 0 },
  };
  const { device } = file.state();
  const hub = { protocolVersion: 1, epoch: "epoch", now: nowMs, namespaces: null, canWrite: true, vectors: null };
  file.meetHub({ ...hub, limits, device: { device, settledThrough: null, cursor: null } }, nowMs);
  file.takeLease(nowMs);
  const changes = Array.from({ length: count }, (_, number): HubChange => {
    const { embedding, ...document } = edgeDocument(number);
    file.put({ namespace: "default", memoryId: idOf(number) }, { ...document, privacy: "full" }, embedding, nowMs);
    const memory = { ...document, content: "changed elsewhere", privacy: "full" as const, embedding: null };
    const about = { version: 1, versionVector: {}, modifiedAt: nowMs + (number % 2 ? 1 : -1), device: null, key: null };
    return {
      kind: "put",
      namespace: "default",
      memoryId: idOf(number),
      ...about,
      checksum: null,
      holder: false,
      memory,
    };
  });
  const page = { epoch: "epoch", now: nowMs, namespaces: null, changes, cursor: "end", complete: true };
  const startedAt = performance.now();
  const result = file.applyPage(page, { cursor: null, tellMax: 0 }, nowMs, "today");
  const ms = performance.now() - startedAt;
  file.close();
  if (result.conflicts !== count) throw new Error(`${result.conflicts} of ${count} were conflicts`);
  return ms / count;
}

servePeer<{ [Name in keyof EdgeOperations]: EdgeOperations[Name] }>(
  {
    serve: () => Promise.reject(new Error("the hub of an edge is the service")),
    versions: async () => ({ mnemosync: "this revision" }),
    open,
    fill: async ({ count }) => {
      await write(0, count);
      return null;
    },
    push,
    pull,
    write: ({ from, count }) => write(from, count),
    bare: ({ directory, count }) => bare(directory, count),
    bareInThread: ({ directory, count }) => bareInThread(directory, count),
    batch: async ({ from, count }) => {
      await write(from, count);
      const startedAt = performance.now();
      await opened().syncNow();
      return performance.now() - startedAt;
    },
    drain: async ({ count }) => {
      const before = applied;
      const { ms, loopP99Ms } = await measured(async () => {
        opened().start();
        await untilApplied(before + count);
      });
      await opened().stop();
      return { ms, loopP99Ms };
    },
    conflicts: ({ directory, count }) => conflicts(directory, count),
    start: async () => {
      opened().start();
      while ((await opened().status()).lastPullAt === null) await pause(20);
      return null;
    },
    stop: async () => {
      await opened().stop();
      return null;
    },
    commit: async ({ prefix, count, intervalMs }) => {
      const times: number[] = [];
      for (let number = 0; number < count; number++) {
        await write(number, 1, prefix);
        times.push(Date.now());
        await pause(intervalMs);
      }
      return times;
    },
    see: async ({ prefix, count, timeoutMs }) => {
      const endsAt = Date.now() + timeoutMs;
      const times: number[] = [];
      while (times.length < count) {
        if ((await opened().get(prefix + idOf(times.length), { namespace })) !== null) times.push(Date.now());
        else if (Date.now() > endsAt) throw new Error(`${times.length} of ${count} arrived within ${timeoutMs} ms`);
        else await pause(5);
      }
      return times;
    },
    close,
  },
  async () => void (await close()),
);
