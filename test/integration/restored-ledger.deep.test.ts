import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { EmbeddedServer } from "../../src/dev/embedded-server.ts";
import { startEmbeddedPostgres } from "../../src/dev/postgres-server.ts";
import { MemorySynchronizer } from "../../src/index.ts";
import { sampleMemories } from "../support/memories.ts";
import { coldBackup, dumpInto, restoreBackup } from "../support/postgres-past.ts";
import { epochsOf, expectPast, foundBy, newDatabase, openNode, writeLost } from "../support/restored-nodes.ts";

/**
 * Goal: a PostgreSQL that went back is noticed by proof, and every store follows it. Method: the runbook of
 * `docs/operations.md` on a cluster of its own: a cold copy of its files put back, under a running node and under one
 * that starts anew; a dump into a new cluster, whose transaction ids begin again.
 */

const SETTINGS = { fsync: "off", full_page_writes: "off" };
const soon = { timeout: 60_000, interval: 100 };
let server: EmbeddedServer;

beforeAll(async () => {
  server = await startEmbeddedPostgres({ settings: SETTINGS });
});
afterAll(() => server.close());

test("a copy that is put back under a running node: a new epoch begins, and every store follows the ledger", async () => {
  const url = await newDatabase(server);
  const sync = await MemorySynchronizer.connect(await openNode(url));
  onTestFinished(() => sync.close());
  await sync.syncBatch(sampleMemories(20, 8));
  await coldBackup(server);
  await expect.poll(() => sync.syncBatch(sampleMemories(1, 8, 40)).then(([one]) => one?.status), soon).toBe("synced");
  await writeLost(sync);
  await restoreBackup(server);
  sync.start();
  await expectPast(sync);
  const reasons = await epochsOf(url);
  expect(reasons).toHaveLength(2);
  expect(reasons[1]).toMatch(/^(transaction_lost|cursor_ahead|mark_lost)$/);
}, 300_000);

test("a copy that is put back while nothing runs: the marks of the snapshot and of Redis tell at the start", async () => {
  const url = await newDatabase(server);
  const options = await openNode(url);
  const first = await MemorySynchronizer.connect(options);
  await first.syncBatch(sampleMemories(20, 8));
  await first.close();
  await coldBackup(server);
  const second = await MemorySynchronizer.connect(options);
  await writeLost(second);
  await second.close(); // With a snapshot, and a mark in it.
  await restoreBackup(server);
  // The history goes on for as many transactions as were lost: numbers alone tell nothing any more.
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  for (let turn = 0; turn < 50; turn++) await sql`select pg_current_xact_id()`;
  await sql.end();
  const third = await MemorySynchronizer.connect(options);
  onTestFinished(() => third.close());
  expect(await epochsOf(url)).toEqual(["created", "mark_lost"]);
  // The index was filled before the first search; Redis is doubted, so reads ask the ledger.
  expect(await third.get("m0")).toMatchObject({ content: "memory number 0", source: "postgres" });
  expect(await foundBy(third, 0)).toBe("m0 memory number 0");
  expect(await third.get("m70")).toBeNull();
  third.start();
  await expectPast(third);
  await expect.poll(async () => (await third.get("m0"))?.source, soon).toBe("redis");
}, 300_000);

test("a dump into a new cluster: rows of its future are stamped anew, and a fresh index holds all of them", async () => {
  const url = await newDatabase(server);
  const before = await MemorySynchronizer.connect(await openNode(url));
  await before.syncBatch(sampleMemories(10, 8));
  const from = postgres(url, { max: 1, onnotice: () => undefined });
  await from.unsafe("do $$ begin for i in 1..3000 loop perform pg_current_xact_id(); commit; end loop; end $$");
  await before.syncBatch(sampleMemories(20, 8, 10));
  await before.close();

  const cluster = await startEmbeddedPostgres({ settings: SETTINGS });
  onTestFinished(() => cluster.close());
  const target = await newDatabase(cluster);
  const options = await openNode(target);
  await MemorySynchronizer.connect(options).then((sync) => sync.close()); // Brings the schema.
  const to = postgres(target, { max: 1, onnotice: () => undefined });
  await dumpInto(from, to);
  await from.end();
  const { faiss: _, ...fresh } = await openNode(target);
  const directory = await mkdtemp(join(tmpdir(), "mnemosync-dumped-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const after = await MemorySynchronizer.connect({ ...fresh, faiss: { directory, dimension: 8 } });
  onTestFinished(() => after.close());
  expect(await epochsOf(target)).toEqual(["created", "rows_of_the_future"]);
  expect((await after.status()).stores.faiss).toMatchObject({ memories: 30 });
  expect(await foundBy(after, 25)).toBe("m25 memory number 25");
  const [row] = await to<{ future: number }[]>`
    select count(*)::int as future from mnemosync.memory_bodies where xid >= pg_snapshot_xmax(pg_current_snapshot())`;
  expect(row?.future).toBe(0);
  await to.end();
}, 300_000);
