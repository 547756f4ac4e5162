import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import {
  type ChangeEvent,
  type ChangesOptions,
  EpochChangedError,
  MemorySynchronizer,
  ValidationError,
} from "../../src/index.ts";
import { expectGapFree, hasEverything, writeUnderLoad } from "../support/change-load.ts";
import { feedShown } from "../support/feed-shown.ts";
import { changeEpoch } from "../support/feed-world.ts";
import { randomNumbers } from "../support/memories.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { type ToldChange, toldChange } from "../support/told-change.ts";
import { openWorld, type World } from "../support/world.ts";
import { recordingLog } from "../unit/faiss/support.ts";

/** Goal: a reader outside of mnemosync follows every change that it may know of, and goes on where it was. */

type Test = Parameters<typeof openWorld>[0];
const openBare = (t: Test, settings = {}) => openWorld(t, { faiss: false, settings });
const shown = ({ kind, memoryId, version }: ChangeEvent) => `${kind} ${memoryId}@${version}`;

/** The next `count` events. The stream is ended afterwards. */
async function take(world: World, count: number, options: ChangesOptions = {}): Promise<ChangeEvent[]> {
  const events: ChangeEvent[] = [];
  for await (const event of world.sync.changes({ waitMs: 1_000, ...options })) {
    if (events.push(event) === count) break;
  }
  return events;
}

test("a stream tells what there is, then waits, and goes on from any event's cursor", async (t) => {
  const world = await openBare(t);
  await world.sync.syncBatch([world.memory(0), world.memory(1)]);
  const stream = world.sync.changes();
  const next = async () => (await stream.next()).value as ChangeEvent;
  const first = await next();
  expect(first).toMatchObject({
    kind: "put",
    namespace: "default",
    memoryId: "m0",
    version: 1,
    memory: {
      content: "memory number 0",
      privacy: "full",
      embedding: null,
      checksum: expect.stringMatching(/^[0-9a-f]{64}$/),
    },
  });
  expect(shown(await next())).toBe("put m1@1");
  const waiting = next();
  await world.put(world.memory(2, { privacy: "redacted", metadata: { secret: 1 } }));
  const redacted = await waiting;
  expect(shown(redacted)).toBe("put m2@1");
  expect(redacted).not.toHaveProperty("memory.content");
  expect(redacted).not.toHaveProperty("memory.metadata");
  await world.sync.delete("m0");
  expect(shown(await next())).toBe("deleted m0@2");
  await stream.return();
  expect((await take(world, 3, { cursor: first.cursor })).map(shown)).toEqual(["put m1@1", "put m2@1", "deleted m0@2"]);
  const [withVector] = await take(world, 1, { embeddings: true });
  expect((withVector as { memory: { embedding: Float32Array } }).memory.embedding).toHaveLength(8);
});

test("a memory that becomes private is withdrawn for readers outside, and told whole to those within", async (t) => {
  const world = await openBare(t);
  await world.put(world.memory(1));
  await take(world, 1);
  await world.put(world.memory(1, { content: "for us", privacy: "local_only" }));
  expect(await take(world, 1)).toMatchObject([{ kind: "withdrawn", memoryId: "m1", version: 2 }]);
  const [inside] = await take(world, 1, { includeLocal: true });
  expect(inside).toMatchObject({ kind: "put", version: 2, memory: { content: "for us", privacy: "local_only" } });
  expect(() => world.sync.changes({ cursor: inside?.cursor })).toThrow(/cursor: belongs to another filter/);
});

test("what is malformed is refused at once, naming the option", async (t) => {
  const { sync } = await openBare(t);
  const refused = (options: object, message: RegExp) => {
    expect(() => sync.changes(options)).toThrow(ValidationError);
    expect(() => sync.changes(options)).toThrow(message);
  };
  refused({ cursor: "nonsense" }, /cursor: is no cursor of the change feed/);
  refused({ namespaces: [] }, /namespaces: is empty/);
  refused({ namespaces: ["a b"] }, /namespaces\.0: expected 1 to 128/);
  refused({ waitMs: 0 }, /waitMs: must be a whole number from 1 to 30000/);
  refused({ waitMs: 30_001 }, /waitMs: must be/);
  refused({ pageSize: 1_001 }, /pageSize: must be a whole number from 1 to 1000/);
  refused({ from: "yesterday" }, /from: expected "start" or "now"/);
  refused({ naemspaces: ["a"] }, /naemspaces: unknown option; expected cursor, from, namespaces/);
  await expect(sync.readChanges({ limit: 0 })).rejects.toThrow(/limit: must be a whole number from 1 to 1000/);
  await expect(sync.readChanges({ cursor: "c1.AAAA" })).rejects.toThrow(ValidationError);
});

test("pages for readers that ask again: from now on, with a wait, and bound to the filter", async (t) => {
  const world = await openBare(t);
  await world.put(world.memory(0));
  await feedShown(world);
  const start = await world.sync.readChanges({ from: "now", namespaces: ["default"] });
  expect(start.events).toEqual([]);
  const waiting = world.sync.readChanges({ cursor: start.cursor, namespaces: ["default"], waitMs: 30_000 });
  await world.put(world.memory(1));
  const page = await waiting;
  expect(page.events.map(shown)).toEqual(["put m1@1"]);
  const empty = await world.sync.readChanges({ cursor: page.cursor, namespaces: ["default"], waitMs: 20 });
  expect(empty).toMatchObject({ events: [], complete: true });
  await expect(world.sync.readChanges({ cursor: page.cursor })).rejects.toThrow(/another filter/);
  const giving = new AbortController();
  const given = world.sync.readChanges({
    cursor: page.cursor,
    namespaces: ["default"],
    waitMs: 30_000,
    signal: giving.signal,
  });
  giving.abort();
  await expect(given).rejects.toMatchObject({ code: "ABORTED" });
});

test("a stream ends at the feed's end if asked to, without an error on its signal, and with one when all is closed", async (t) => {
  const world = await openBare(t);
  await world.sync.syncBatch(world.memories(5));
  await take(world, 5);
  const positions: string[] = [];
  const events: ChangeEvent[] = [];
  const options = { follow: false, pageSize: 2, onPosition: (cursor: string) => void positions.push(cursor) };
  for await (const event of world.sync.changes(options)) events.push(event);
  expect(events).toHaveLength(5);
  expect(positions.at(-1)).toBe(events.at(-1)?.cursor);
  const hidden: string[] = [];
  const filtered = { ...options, namespaces: ["other"], onPosition: (cursor: string) => void hidden.push(cursor) };
  for await (const _ of world.sync.changes(filtered)) expect.unreachable();
  expect(hidden).toHaveLength(1);

  const stopping = new AbortController();
  const stopped = (async () => {
    let told = 0;
    for await (const _ of world.sync.changes({ signal: stopping.signal })) if (++told === 5) stopping.abort();
    return told;
  })();
  expect(await stopped).toBe(5);
  const waiting = world.sync.changes({ cursor: events.at(-1)?.cursor }).next();
  const closed = expect(waiting).rejects.toMatchObject({ code: "CLOSED" });
  await world.disconnect();
  await closed;
});

test("another epoch ends a stream, since what it told may be gone", async (t) => {
  const world = await openBare(t);
  await world.put(world.memory(1));
  const stream = world.sync.changes({ waitMs: 200 });
  await stream.next();
  await changeEpoch(world.sql);
  await expect(stream.next()).rejects.toThrow(EpochChangedError);
});

test("while the ledger is away a stream waits, and goes on without a gap or a repetition", async (t) => {
  const world = await openBare(t);
  const proxy = await TcpProxy.start(Number(new URL(world.databaseUrl).port));
  const log = recordingLog();
  const away = await MemorySynchronizer.connect({
    ...world.connectOptions,
    postgresUrl: proxy.through(world.databaseUrl),
    log,
  });
  t.onTestFinished(async () => {
    await away.close();
    await proxy.close();
  });
  await world.put(world.memory(1));
  const stream = away.changes({ waitMs: 1_000 });
  const next = async () => (await stream.next()).value as ChangeEvent;
  expect(shown(await next())).toBe("put m1@1");
  const waiting = next();
  await proxy.refuse();
  proxy.reset();
  await world.put(world.memory(2));
  await pollUntil("a failed look", 60_000, () => log.events.some(({ event }) => event === "feed.read_failed"));
  await proxy.pass();
  expect(shown(await waiting)).toBe("put m2@1");
  await world.put(world.memory(3));
  expect(shown(await next())).toBe("put m3@1");
  await stream.return();
});

test("a reader that is killed again and again under load is told each version once, in order, and misses none", async (t) => {
  const world = await openBare(t, { historyVersionsMax: 1_000 });
  const random = randomNumbers(11);
  const namespaces = ["a", "b"];
  const told: ToldChange[] = [];
  let isWritten = false;
  const writing = writeUnderLoad(world, 1_000, random).finally(() => {
    isWritten = true;
  });
  let kills = 0;
  const reading = pollUntil("the reader having everything", 60_000, async () => {
    const until = told.length + 1 + Math.floor(random() * 200);
    const cursor = told.at(-1)?.cursor;
    const stopping = new AbortController();
    const timer = setTimeout(() => stopping.abort(), 300);
    // Killed after it has kept an event with its cursor, in the middle of a page.
    for await (const event of world.sync.changes({ cursor, namespaces, pageSize: 50, signal: stopping.signal })) {
      if (told.push(toldChange(event)) >= until) break;
    }
    clearTimeout(timer);
    kills++;
    return isWritten && (await hasEverything(world, told, namespaces));
  });
  await Promise.all([writing, reading]);
  await expectGapFree(world, told, namespaces);
  expect(kills).toBeGreaterThan(3);
});
