import { expect, onTestFinished, test } from "vitest";
import { FEED_START, type FeedCursor } from "../../src/domain/change-source.ts";
import type { FlightChannel } from "../../src/drivers/postgres/flight-channel.ts";
import type { PostgresAccess, PostgresConnection } from "../../src/drivers/postgres/postgres-access.ts";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { MemorySynchronizer } from "../../src/index.ts";
import { BatchWriter } from "../../src/replica/batch-writer.ts";
import { claimWriting, type Fence, type PlaceMove } from "../../src/replica/cursor-statements.ts";
import { flownVersion, PageFlights } from "../../src/replica/page-flight.ts";
import { PrimaryFeed, type PrimaryPage } from "../../src/replica/primary-feed.ts";
import { readPageFacts } from "../../src/replica/primary-statements.ts";
import type { ReplicaWrite } from "../../src/replica/replica-write.ts";
import { backToOldTables } from "../support/before-bodies.ts";
import { feedShown } from "../support/feed-shown.ts";
import { openReplicaWorld, type ReplicaWorld } from "../support/replica-world.ts";

/**
 * Goal: what flights read and write is what the driver's statements read and write. Method: one primary with versions of every
 * kind is read both ways, from many places, and written both ways into two databases, which must be equal; also where flights cannot do it.
 */

const TIMEOUT_MS = 20_000;
const signal = () => AbortSignal.timeout(TIMEOUT_MS);

/** The same connections without flights, as those over TLS are. */
const grounded = (pool: PostgresAccess): PostgresAccess =>
  Object.assign(Object.create(pool), {
    use: <T>(abort: AbortSignal, work: (connection: PostgresConnection) => Promise<T>) =>
      pool.use(abort, ({ flights: _, ...connection }) => work(connection as PostgresConnection)),
  });

function poolOf(url: string): PostgresPool {
  const pool = new PostgresPool(url, { max: 4 });
  onTestFinished(() => pool.close());
  return pool;
}

/** A primary that replicates nothing by itself, with versions of every kind. */
async function filledWorld(): Promise<ReplicaWorld> {
  const world = await openReplicaWorld({ onTestFinished }, { starts: false });
  await world.world.fill(60);
  await world.put("changed", { content: "first", metadata: { text: 'a "quoted" ↯ text' } });
  await world.put("changed", { content: "second", expiresAt: "2099-01-01T00:00:00.000Z" });
  await world.put("changed", { content: "third" });
  await world.put("gone", { content: "was here" });
  await world.sync.delete("gone");
  await world.put("again", { content: "was here" });
  await world.sync.delete("again");
  await world.put("again", { content: "is here again" });
  await world.put("half", { content: "hidden", metadata: { who: "me" }, privacy: "redacted" });
  await world.put("secret", { content: "local", privacy: "local_only" });
  await world.put("raised", { content: "was open" });
  await world.put("raised", { content: "is half open", privacy: "redacted" });
  await world.put("closed", { content: "was open" });
  await world.put("closed", { content: "is closed", privacy: "local_only" });
  await world.put("erased", { content: "was here" });
  await world.sync.erase("erased");
  await world.put("damaged", { content: "is lost" });
  await world.world.sql`
    update mnemosync.memory_bodies set document = null, embedding = null where memory_id = 'damaged'`;
  await feedShown(world.world);
  return world;
}

const asText = (write: ReplicaWrite) => ({ ...write, document: write.document?.toString() ?? null });

async function epochOf(world: ReplicaWorld): Promise<string> {
  const [row] = await world.world.sql<{ value: string }[]>`
    select value from mnemosync.sync_meta where name = 'store_epoch'`;
  return row?.value ?? "";
}

async function readAll(feed: PrimaryFeed, epoch: string, limit: number): Promise<PrimaryPage[]> {
  const pages: PrimaryPage[] = [];
  for (let cursor: FeedCursor = FEED_START; ; ) {
    const page = await feed.read({ epoch, cursor }, limit, signal());
    pages.push(page);
    if (page.complete) return pages;
    cursor = page.to;
  }
}

async function expectSamePages(world: ReplicaWorld): Promise<void> {
  const pool = poolOf(world.world.databaseUrl);
  const epoch = await epochOf(world);
  for (const limit of [1, 7, 400]) {
    const [flown, driven] = await Promise.all(
      [pool, grounded(pool)].map((access) => readAll(new PrimaryFeed(access, TIMEOUT_MS), epoch, limit)),
    );
    const plain = (pages: readonly PrimaryPage[] = []) =>
      pages.map((page) => ({ ...page, writes: page.writes.map(asText) }));
    expect(plain(flown)).toEqual(plain(driven));
  }
}

test("a page is the same by flight and by the driver, whatever its versions are", async () => {
  await expectSamePages(await filledWorld());
});

test("versions of before migration 19 that are not moved are read the same way", async () => {
  const world = await openReplicaWorld({ onTestFinished }, { starts: false });
  await world.world.fill(20);
  await world.sync.delete(await anyId(world));
  await world.sync.close();
  await backToOldTables(world.world.sql);
  const sync = await MemorySynchronizer.connect({ postgresUrl: world.world.databaseUrl, redisUrl: "none" });
  onTestFinished(() => sync.close());
  await sync.syncMemory("new", { content: "moved", memoryType: "note" });
  await feedShown(world.world);
  await expectSamePages(world);
});

test("a page ends before the bytes that it may have, and is read on behind them", async () => {
  const world = await filledWorld();
  await world.put("large", { content: "x".repeat(200_000) });
  await world.put("large", { content: "y".repeat(200_000) });
  await world.put("small", { content: "z" });
  await feedShown(world.world);
  const pool = poolOf(world.world.databaseUrl);
  const expected = (await readAll(new PrimaryFeed(pool, TIMEOUT_MS), await epochOf(world), 400))[0];
  for (const bytesMax of [1, 1_000, 100_000]) {
    const pages = new PageFlights(400, bytesMax);
    const versions: string[] = [];
    await pool.use(signal(), async ({ flights }) => {
      if (flights === undefined) throw new Error("no flights on a plain connection");
      for (let cursor: FeedCursor = FEED_START; ; ) {
        const page = await pages.read(flights, cursor);
        const rows = page.rows.map((columns) => flownVersion(columns).row);
        const bytes = rows.map(({ document, embedding }) => (document?.length ?? 0) + (embedding?.length ?? 0));
        if (rows.length > 1) expect(bytes.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(bytesMax);
        versions.push(...rows.map(({ memoryId, version }) => `${memoryId}@${version}`));
        if (!page.isCut) break;
        if (page.last === null) throw new Error("a page without a version is cut");
        cursor = page.last;
      }
    });
    expect(versions).toEqual(expected?.writes.map(({ memoryId, version }) => `${memoryId}@${version}`));
  }
});

test("what a later version withholds is withheld of all before it, wherever pages end", async () => {
  const world = await openReplicaWorld({ onTestFinished }, { starts: false });
  const privacies = ["full", "local_only", "full", "full", "redacted", "full", "redacted", "full", "full"] as const;
  for (const [index, privacy] of privacies.entries()) {
    await world.put("m", { content: `version ${index + 1}`, privacy });
    await world.put(`m${index}`, { content: "between them" });
  }
  const left = (write: ReplicaWrite): string => write.endedBy ?? JSON.parse(write.document?.toString() ?? "{}").content;
  const expected = ["withdrawn", "withdrawn", "", "", "", "", "", "version 8", "version 9"];
  const pool = poolOf(world.world.databaseUrl);
  for (const access of [pool, grounded(pool)]) {
    for (const limit of [1, 2, 5, 400]) {
      const pages = await readAll(new PrimaryFeed(access, TIMEOUT_MS), await epochOf(world), limit);
      const told = pages.flatMap(({ writes }) => writes).filter(({ memoryId }) => memoryId === "m");
      expect(told.map(left)).toEqual(expected);
    }
  }
});

test("the later versions of a memory that was rewritten all the time are read once for a page, not once for each on it", async () => {
  const world = await openReplicaWorld({ onTestFinished }, { starts: false });
  const [versions, limit] = [300, 100];
  const stricter: Record<number, "redacted" | "local_only"> = { 50: "redacted", 60: "local_only", 250: "redacted" };
  for (let number = 1; number <= versions; number++)
    await world.put("m", { content: `version ${number}`, privacy: stricter[number] ?? "full" });
  const pool = poolOf(world.world.databaseUrl);
  const page = async (access: PostgresAccess) =>
    (
      await new PrimaryFeed(access, TIMEOUT_MS).read(
        { epoch: await epochOf(world), cursor: FEED_START },
        limit,
        signal(),
      )
    ).writes;
  for (const access of [pool, grounded(pool)]) {
    const told = (await page(access)).map(({ endedBy, withholds }) => endedBy ?? withholds);
    expect(told).toEqual(Array.from({ length: limit }, (_, index) => (index < 60 ? "withdrawn" : "full")));
  }
  const key = { namespace: "default", memoryId: "m" };
  const keys = Array.from({ length: limit }, (_, index) => ({ ...key, version: index + 1 }));
  const fetched = async (work: (connection: PostgresConnection) => Promise<unknown>): Promise<number> =>
    await pool.use(signal(), async (connection) => {
      const { sql } = connection;
      const count = async (): Promise<number> => {
        const [row] = await sql<{ fetched: number }[]>`
          select idx_tup_fetch::int as fetched from pg_stat_xact_user_tables where relname = 'memory_bodies'`;
        return row?.fetched ?? 0;
      };
      // By the index, as in a table that is larger than this one.
      await sql`begin`;
      await sql`set local enable_seqscan = off`;
      await sql`set local enable_bitmapscan = off`;
      const before = await count(); // Of transactions before this one too.
      await work(connection);
      const after = await count();
      await sql`rollback`;
      return after - before;
    });
  const flown = await fetched(({ flights }) =>
    new PageFlights(limit, 1_000_000).read(flights as FlightChannel, FEED_START),
  );
  const driven = await fetched(({ sql }) => readPageFacts(sql, keys));
  // Twice the page, and for each of its versions some of those behind it; then those behind the first one.
  expect(flown).toBeLessThan(2 * limit + 33 * limit + versions + limit);
  expect(driven).toBeLessThan(versions + limit);
});

/** A database that is taken for the replica, with a writer. */
class Side {
  readonly world: ReplicaWorld;
  readonly fence: Fence;
  readonly #access: PostgresAccess;
  readonly #writer = new BatchWriter();

  private constructor(world: ReplicaWorld, fence: Fence, access: PostgresAccess) {
    this.world = world;
    this.fence = fence;
    this.#access = access;
  }

  static async open(flies: boolean): Promise<Side> {
    const world = await openReplicaWorld({ onTestFinished }, { starts: false });
    const fence = { writer: "one", epoch: "an epoch" };
    const pool = poolOf(world.replicaUrl);
    await world.replica`
      insert into mnemosync.replica_cursor (ledger_id, feed_epoch, xid, seq) values ('l', ${fence.epoch}, '0'::xid8, 0)`;
    await pool.use(signal(), ({ sql }) => claimWriting(sql, fence.writer));
    return new Side(world, fence, flies ? pool : grounded(pool));
  }

  async write(writes: readonly ReplicaWrite[], move: PlaceMove | null, fence = this.fence) {
    return await this.#access.use(signal(), (connection) => this.#writer.write(connection, fence, writes, move));
  }

  async place(): Promise<string> {
    const [row] = await this.world.replica<{ place: string }[]>`
      select concat_ws(' ', xid, seq, seen_tx) as place from mnemosync.replica_cursor`;
    return row?.place ?? "";
  }
}

async function pagesOf(limit: number): Promise<PrimaryPage[]> {
  const world = await filledWorld();
  const pages = await readAll(
    new PrimaryFeed(poolOf(world.world.databaseUrl), TIMEOUT_MS),
    await epochOf(world),
    limit,
  );
  return pages.filter(({ writes }) => writes.length > 0);
}

test("what is written by flights is what the statement writes, once, again, and on top of a part of it", async () => {
  const pages = await pagesOf(13);
  const [flying, driven] = [await Side.open(true), await Side.open(false)];
  for (const first of [Math.floor(pages.length / 2), 0, 0]) {
    for (const side of [flying, driven]) {
      await side.world.replica`update mnemosync.replica_cursor set xid = '0'::xid8, seq = 0`;
      let from: FeedCursor = FEED_START;
      for (const { writes, to } of pages.slice(first)) {
        const move = { from, to, seen: writes.at(-1)?.transactionId ?? null };
        expect(await side.write(writes, move)).toBe("applied");
        from = to;
      }
    }
    expect(await flying.world.dump("replica")).toEqual(await driven.world.dump("replica"));
    expect(await flying.place()).toBe(await driven.place());
  }
});

test("a memory that the replica has at a newer version does not go back", async () => {
  const [{ writes } = { writes: [] }] = await pagesOf(400);
  const changed = writes.filter(({ memoryId }) => memoryId === "changed");
  const side = await Side.open(true);
  expect(changed.map(({ version }) => version)).toEqual([1, 2, 3]);
  await side.write(changed.slice(2), null);
  await side.write(changed.slice(0, 2), null);
  const { row, bodies } = await side.world.held("changed");
  expect(row?.version).toBe(3);
  expect(bodies.map(({ content }) => content)).toEqual(["first", "second", "third"]);
});

test("another writer, and another place, are told as the statement tells them", async () => {
  const [page] = await pagesOf(400);
  if (page === undefined) throw new Error("the primary has nothing");
  const plain = page.writes.filter(({ withholds, endedBy }) => withholds === "nothing" && endedBy === null);
  const side = await Side.open(true);
  const elsewhere: PlaceMove = { from: { xid: "7", seq: "7" }, to: { xid: "8", seq: "8" }, seen: null };
  expect(await side.write(plain, null, { ...side.fence, writer: "another" })).toBe("fenced");
  expect(await side.write(plain, null, { ...side.fence, epoch: "another" })).toBe("fenced");
  expect((await side.world.dump("replica")).versions).toEqual([]);
  expect(await side.write(plain, elsewhere)).toBe("elsewhere");
  expect((await side.world.dump("replica")).bodies.length).toBe(plain.length);
  expect(await side.place()).toBe("0 0");
});

async function anyId({ world }: ReplicaWorld): Promise<string> {
  const [row] = await world.sql<{ memory_id: string }[]>`select memory_id from mnemosync.memory_versions limit 1`;
  return row?.memory_id ?? "";
}
