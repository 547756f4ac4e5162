import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { FEED_START } from "../../src/domain/change-source.ts";
import { EpochChangedError } from "../../src/domain/errors.ts";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { Feed } from "../../src/feed/feed.ts";
import { type FeedFilter, parseFilter, WHOLE_FEED } from "../../src/feed/feed-filter.ts";
import type { FeedChange } from "../../src/feed/feed-page.ts";
import { FeedSignal } from "../../src/feed/feed-signal.ts";
import type { FeedPlace } from "../../src/feed/follower.ts";
import type { ReadChangesOptions } from "../../src/index.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { changeEpoch } from "../support/feed-world.ts";
import { openWorld, type World } from "../support/world.ts";

/** Goal: a reader is told what its filter lets through, all of it, once. Method: real writes, read by the feed's pages. */

const signal = AbortSignal.timeout(120_000);
const outside = parseFilter({});
type Test = Parameters<typeof openWorld>[0];

async function openFeed(t: Test, settings = {}): Promise<{ world: World; feed: Feed }> {
  const world = await openWorld(t, { faiss: false, settings });
  const pool = new PostgresPool(world.databaseUrl, { max: 4 });
  const news = new FeedSignal(pool, silentLog);
  const feed = new Feed({ postgres: pool, news, callTimeoutMs: 20_000, log: silentLog });
  t.onTestFinished(async () => {
    await feed.close();
    await news.close();
    await pool.close();
  });
  return { world, feed };
}

/** Everything behind a place, once the horizon has passed what is committed. Transactions of other tests hold it back. */
async function readAll(
  { world, feed }: { world: World; feed: Feed },
  filter: FeedFilter,
  from: FeedPlace | null = null,
  parts: "keys" | "documents" | "memories" = "documents",
  limit = 3,
): Promise<{ changes: FeedChange[]; place: FeedPlace | null }> {
  const [row] = await world.sql<{ newest: string }[]>`select pg_snapshot_xmax(pg_current_snapshot())::text as newest`;
  const changes: FeedChange[] = [];
  let place = from;
  await pollUntil("the feed covering all that is committed", 60_000, async () => {
    const page = await feed.read({ place, filter, parts, limit }, {}, signal);
    changes.push(...page.changes);
    place = { epoch: page.epoch, cursor: page.cursor };
    return page.complete && page.horizon >= BigInt(row?.newest ?? 0);
  });
  return { changes, place };
}

const shown = (changes: readonly FeedChange[]) =>
  changes.map(({ kind, memoryId, version }) => `${kind} ${memoryId}@${version}`);

test("page by page, each memory is told once, at its latest version, with what is asked for", async (t) => {
  const opened = await openFeed(t);
  const { world } = opened;
  await world.sync.syncBatch(world.memories(7));
  await world.put(world.memory(2, { content: "changed" }));
  await world.sync.delete("m4");
  const { changes, place } = await readAll(opened, WHOLE_FEED, null, "memories");
  expect(shown(changes)).toEqual([
    "put m0@1",
    "put m1@1",
    "put m3@1",
    "put m5@1",
    "put m6@1",
    "put m2@2",
    "deleted m4@2",
  ]);
  const [, second] = changes;
  const memory = await world.sync.get("m1");
  expect(second).toMatchObject({ namespace: "default", document: { content: memory?.content, privacy: "full" } });
  expect(second?.checksum).toBe(memory?.checksum);
  expect(second?.embedding).toEqual(new Float32Array(world.memory(1).embedding as number[]));
  expect(second?.modifiedAt).toBeGreaterThan(1_600_000_000_000);
  expect(changes.at(-1)).toMatchObject({ document: null, embedding: null, checksum: null });

  const keys = await readAll(opened, WHOLE_FEED, null, "keys");
  expect(shown(keys.changes)).toEqual(shown(changes));
  expect(keys.changes.every(({ document, embedding }) => document === null && embedding === null)).toBe(true);
  expect((await readAll(opened, WHOLE_FEED, place)).changes).toEqual([]);
  // From behind any single change, exactly the later ones are left.
  const third = changes[2] as FeedChange;
  const rest = await readAll(opened, WHOLE_FEED, { epoch: place?.epoch ?? "", cursor: third.cursor });
  expect(shown(rest.changes)).toEqual(shown(changes).slice(3));
});

test("a filter by namespace lets through its own, and gets past any number of others", async (t) => {
  const opened = await openFeed(t);
  const { world } = opened;
  await world.sync.syncBatch(world.memories(40).map((memory) => ({ ...memory, namespace: "other" })));
  await world.sync.syncBatch([
    { ...world.memory(1), namespace: "a" },
    { ...world.memory(2), namespace: "b" },
    { ...world.memory(3), namespace: "c" },
  ]);
  await world.sync.syncBatch(world.memories(40, 100).map((memory) => ({ ...memory, namespace: "other" })));
  const { changes, place } = await readAll(opened, parseFilter({ namespaces: ["b", "a"] }));
  expect(changes.map(({ namespace, memoryId }) => `${namespace}/${memoryId}`)).toEqual(["a/m1", "b/m2"]);
  // The place is behind those of other namespaces too: they are not looked at again.
  expect((await readAll(opened, WHOLE_FEED, place)).changes).toEqual([]);
});

test("privacy: local_only never goes out, redacted goes without content, metadata, embedding and checksum", async (t) => {
  const opened = await openFeed(t);
  const { world } = opened;
  const metadata = { secret: "s3cret" };
  await world.put(world.memory(1, { content: "open", metadata }));
  await world.put(world.memory(2, { content: "s3cret", metadata, privacy: "redacted", importance: 0.9 }));
  await world.put(world.memory(3, { content: "s3cret", metadata, privacy: "local_only" }));
  await world.put(world.memory(4, { content: "s3cret", privacy: "local_only" }));
  await world.put(world.memory(4, { content: "s3cret again", privacy: "local_only" }));
  await world.put(world.memory(5, { content: "s3cret", privacy: "local_only" }));
  await world.sync.delete("m5");
  const { changes } = await readAll(opened, outside, null, "memories");
  expect(shown(changes)).toEqual(["put m1@1", "put m2@1"]);
  const [open, redacted] = changes;
  expect(open).toMatchObject({ document: { content: "open", metadata } });
  expect(open?.embedding).toBeInstanceOf(Float32Array);
  expect(redacted).toMatchObject({
    document: { importance: 0.9, privacy: "redacted" },
    embedding: null,
    checksum: null,
  });
  const { document, ...rest } = redacted as FeedChange;
  expect(Object.keys(document ?? {}).toSorted()).toEqual(["importance", "memoryType", "privacy"]);
  expect(JSON.stringify([document, rest])).not.toContain("s3cret");
  expect(shown((await readAll(opened, WHOLE_FEED)).changes)).toHaveLength(5);
});

test("a memory that leaves the filter is told as withdrawn, whenever the reader looks, and comes back when it may", async (t) => {
  const opened = await openFeed(t);
  const { world } = opened;
  await world.put(world.memory(1));
  const before = await readAll(opened, outside);
  await world.put(world.memory(1, { privacy: "local_only" }));
  const left = await readAll(opened, outside, before.place);
  expect(left.changes).toMatchObject([
    { kind: "withdrawn", memoryId: "m1", version: 2, document: null, checksum: null },
  ]);
  // A reader that was away during the raise of the privacy is told at a later version too.
  await world.put(world.memory(1, { content: "edited in private", privacy: "local_only" }));
  expect(shown((await readAll(opened, outside, before.place)).changes)).toEqual(["withdrawn m1@3"]);
  await world.put(world.memory(1, { content: "public again" }));
  expect(shown((await readAll(opened, outside, left.place)).changes)).toEqual(["put m1@4"]);
  await world.put(world.memory(1, { privacy: "local_only" }));
  await world.sync.delete("m1");
  expect(shown((await readAll(opened, outside, before.place)).changes)).toEqual(["deleted m1@6"]);
});

test("where the history cannot prove that a memory never went out, its key is told rather than content left outside", async (t) => {
  const opened = await openFeed(t, { historyVersionsMax: 1 });
  const { world } = opened;
  await world.put(world.memory(1));
  for (const content of ["a", "b", "c"]) await world.put(world.memory(1, { content, privacy: "local_only" }));
  const { changes } = await readAll(opened, outside, null, "memories");
  expect(changes).toMatchObject([{ kind: "withdrawn", memoryId: "m1", version: 4, document: null, embedding: null }]);
});

test("a page ends before its documents exceed what a page may hold, and a single one that does comes alone", async (t) => {
  const opened = await openFeed(t, { contentBytesMax: 12 * 1024 * 1024 });
  const { world, feed } = opened;
  const large = (number: number, mebibytes: number) =>
    world.memory(number, { content: `${number}`.padEnd(mebibytes * 1024 * 1024, "x") });
  for (const [number, size] of [3, 3, 3, 9, 1].entries()) await world.put(large(number, size));
  await readAll(opened, WHOLE_FEED);
  const sizes: number[] = [];
  let place: FeedPlace | null = null;
  for (let complete = false; !complete; ) {
    const page = await feed.read({ place, filter: WHOLE_FEED, parts: "documents", limit: 100 }, {}, signal);
    sizes.push(page.changes.length);
    complete = page.complete;
    place = { epoch: page.epoch, cursor: page.cursor };
  }
  expect(sizes).toEqual([2, 1, 1, 1]);
});

test("a place of another epoch, or beyond the newest transaction, is refused as that", async (t) => {
  const opened = await openFeed(t);
  const { world, feed } = opened;
  await world.put(world.memory(1));
  const { place } = await readAll(opened, WHOLE_FEED);
  const query = (from: FeedPlace | null) => ({ place: from, filter: WHOLE_FEED, parts: "keys" as const, limit: 10 });
  const beyond = { epoch: place?.epoch ?? "", cursor: { xid: "9000000000000000000", seq: "1" } };
  await expect(feed.read(query(beyond), {}, signal)).rejects.toThrow(/went back behind the cursor/);
  await changeEpoch(world.sql);
  await expect(feed.read(query(place), {}, signal)).rejects.toThrow(EpochChangedError);
  await expect(feed.read(query(place), { waitMs: 1_000 }, signal)).rejects.toThrow(EpochChangedError);
  for (const limit of [0, 1_001, 1.5]) {
    await expect(feed.read({ ...query(null), limit }, {}, signal)).rejects.toThrow(/limit: is/);
  }
  await expect(feed.read(query(null), { waitMs: 30_001 }, signal)).rejects.toThrow(/waitMs: is 30001/);
});

test("a reader that waits is woken by a commit, and gets it once older transactions have ended", async (t) => {
  const opened = await openFeed(t);
  const { world, feed } = opened;
  const { place } = await readAll(opened, outside);
  // A transaction that is older than the write and still runs: the signal comes, and the feed does not show the write yet.
  const older = await world.sql.reserve();
  await older`begin`;
  await older`select pg_current_xact_id()`;
  let isDone = false;
  const waiting = feed.read({ place, filter: outside, parts: "documents", limit: 10 }, { waitMs: 30_000 }, signal);
  const done = waiting.finally(() => {
    isDone = true;
  });
  await world.put(world.memory(1));
  const peek = await feed.read({ place, filter: outside, parts: "documents", limit: 10 }, {}, signal);
  expect(peek.changes).toEqual([]);
  expect(isDone).toBe(false);
  await older`commit`;
  older.release();
  expect(shown((await done).changes)).toEqual(["put m1@1"]);
});

test("without news a reader that waits gets an empty page when its time is up, and one that gives up is let go", async (t) => {
  const opened = await openFeed(t);
  const { feed } = opened;
  const { place } = await readAll(opened, outside);
  const query = { place, filter: outside, parts: "documents", limit: 10 } as const;
  expect((await feed.read(query, { waitMs: 50 }, signal)).changes).toEqual([]);
  const giving = new AbortController();
  const waiting = feed.read(query, { waitMs: 30_000 }, giving.signal);
  giving.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  const last = expect(feed.read(query, { waitMs: 30_000 }, signal)).rejects.toMatchObject({ code: "CLOSED" });
  await feed.close();
  await last;
  await expect(feed.read(query, {}, signal)).rejects.toMatchObject({ code: "CLOSED" });
});

/** A transaction that writes nothing and holds the horizon back until it is ended. */
async function holdHorizon(world: World): Promise<() => Promise<void>> {
  const older = await world.sql.reserve();
  await older`begin`;
  await older`select pg_current_xact_id()`;
  return async () => {
    await older`commit`;
    older.release();
  };
}

test("a memory whose newest version is above the horizon at every look is told at the latest one below it", async (t) => {
  const opened = await openFeed(t);
  const { world, feed } = opened;
  await world.put(world.memory(1, { content: "v1" }));
  let { changes, place } = await readAll(opened, outside);
  expect(shown(changes)).toEqual(["put m1@1"]);
  const told: string[] = [];
  // Transactions overlap so that one older than the newest version runs at each look, as beside a busy writer.
  let release = await holdHorizon(world);
  for (const version of [2, 4, 6, 8]) {
    await world.put(world.memory(1, { content: `v${version}` }));
    const next = await holdHorizon(world);
    await release();
    release = next;
    await world.put(world.memory(1, { content: `v${version + 1}` }));
    const [row] = await world.sql<{ xid: string }[]>`
      select xid::text as xid from mnemosync.sync_transactions where versions = array[${version}::bigint]`;
    await pollUntil("the horizon passing the version before", 60_000, async () => {
      const page = await feed.read({ place, filter: outside, parts: "documents", limit: 10 }, {}, signal);
      told.push(...shown(page.changes));
      place = { epoch: page.epoch, cursor: page.cursor };
      return page.horizon > BigInt(row?.xid ?? 0);
    });
  }
  expect(told).toEqual(["put m1@2", "put m1@4", "put m1@6", "put m1@8"]);
  expect(await new Ledger(ledgerPool(t, world), { nodeId: "n" }).changesAfter(FEED_START, 10, signal)).toMatchObject({
    headers: [{ memoryId: "m1", version: 8 }],
  });
  await release();
  ({ changes, place } = await readAll(opened, outside, place));
  expect(shown(changes)).toEqual(["put m1@9"]);
});

test("the reading `versions` tells each version once, in order per memory; `changes` leaves out the replaced ones", async (t) => {
  const opened = await openFeed(t);
  const { world } = opened;
  const versions = parseFilter({ reading: "versions" });
  for (const content of ["a", "b", "c"]) await world.sync.syncBatch([1, 2].map((at) => world.memory(at, { content })));
  await world.sync.delete("m2");
  await world.put(world.memory(2, { content: "d", privacy: "redacted" }));
  const { changes, place } = await readAll(opened, versions, null, "documents", 4);
  expect(shown(changes.filter(({ memoryId }) => memoryId === "m1"))).toEqual(["put m1@1", "put m1@2", "put m1@3"]);
  expect(
    changes
      .filter(({ memoryId }) => memoryId === "m2")
      .map(({ kind, version, document }) => [kind, version, document?.content]),
  ).toEqual([
    ["put", 1, "a"],
    ["put", 2, "b"],
    ["put", 3, "c"],
    ["deleted", 4, undefined],
    ["put", 5, undefined],
  ]);
  expect(new Set(changes.map(({ cursor }) => `${cursor.xid}.${cursor.seq}`)).size).toBe(8);
  expect(shown((await readAll(opened, outside)).changes)).toEqual(["put m1@3", "put m2@5"]);
  await world.put(world.memory(1, { content: "e" }));
  expect(shown((await readAll(opened, versions, place)).changes)).toEqual(["put m1@4"]);
  const read = async (query: ReadChangesOptions) => await world.sync.readChanges(query);
  const page = await read({ reading: "versions", limit: 3 });
  expect(page.events).toHaveLength(3);
  expect((await read({ reading: "versions", cursor: page.cursor })).events).toHaveLength(6);
  await expect(read({ cursor: page.cursor })).rejects.toThrow(/cursor: belongs to another filter.*reading/);
  await expect(read({ reading: "all" as never })).rejects.toThrow(/reading: expected "changes" or "versions"/);
});

function ledgerPool(t: Test, world: World): PostgresPool {
  const pool = new PostgresPool(world.databaseUrl, { max: 2 });
  t.onTestFinished(() => pool.close());
  return pool;
}
