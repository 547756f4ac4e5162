import { beforeEach, expect, onTestFinished, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import { PastLedger } from "../../src/ledger/past-ledger.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { feedShown } from "../support/feed-shown.ts";
import { rememberLedger } from "../support/ledger-past.ts";
import { openWorld, type World } from "../support/world.ts";

/** Goal: each proof of a ledger that went back begins one new epoch, and a healthy ledger never begins one. */

const soon = (): AbortSignal => AbortSignal.timeout(90_000);
let world: World;
let pool: PostgresPool;
let past: PastLedger;

beforeEach(async (t) => {
  world = await openWorld(t, { faiss: false });
  pool = new PostgresPool(world.databaseUrl, { max: 4 });
  onTestFinished(() => pool.close());
  past = newPast();
});

function newPast(): PastLedger {
  return new PastLedger(pool, { callTimeoutMs: 20_000, log: silentLog });
}

const reasons = async () => {
  const rows = await world.sql<{ reason: string }[]>`select reason from mnemosync.epochs order by began_at`;
  return rows.map(({ reason }) => reason);
};

test("a healthy ledger stays in its epoch, whatever was seen of it", async () => {
  const { epoch } = await past.prove(soon());
  await world.fill(3);
  const [mark] = [await past.mark(soon())];
  const [row] = await world.sql<{ last_xid: string; last_seq: string; tx: string }[]>`
    select xid::text as last_xid, seq::text as last_seq, tx_id as tx from mnemosync.memory_bodies order by xid desc, seq desc limit 1`;
  past.noteCommitted(row!.tx);
  const seen = [{ epoch, cursor: { xid: row!.last_xid, seq: row!.last_seq }, marks: [mark!, "no mark of ours"] }];
  expect(await past.prove(soon(), seen)).toMatchObject({ epoch });
  expect(await newPast().prove(soon(), seen)).toMatchObject({ epoch });
  expect(await reasons()).toEqual(["created"]);
});

test("a mark that is not there begins a new epoch, once; what was seen before it proves nothing any more", async () => {
  const { epoch, ledger } = await past.prove(soon());
  const restore = await rememberLedger(world.sql);
  const mark = await past.mark(soon());
  await world.sql`delete from mnemosync.marks`;
  await restore();
  await past.mark(soon()); // Another mark of a later number stands there.
  await world.sql`insert into mnemosync.marks (number, token) overriding system value values (1, 'other') on conflict do nothing`;
  const seen = [{ epoch, marks: [mark] }];
  const nodes = await Promise.all([past, newPast(), newPast()].map((node) => node.prove(soon(), seen)));
  expect(new Set(nodes.map((node) => node.epoch)).size).toBe(1);
  expect(nodes[0]).toMatchObject({ ledger });
  expect(nodes[0]?.epoch).not.toBe(epoch);
  expect(await reasons()).toEqual(["created", "mark_lost"]);
  expect(await past.prove(soon(), seen)).toEqual(nodes[0]);
});

test("a transaction of this process that is not there begins a new epoch; one that was pruned does not", async () => {
  await past.prove(soon());
  const { transactionId } = await world.put(world.memory(1));
  past.noteCommitted(transactionId!);
  const ledger = new Ledger(pool, { nodeId: "n" });
  // Transactions are pruned once they are marked as published, and older than the retention of a millisecond.
  await pollUntil("its pruning", 30_000, async () => (await ledger.pruneTransactions(1, 10, soon())) > 0);
  await past.prove(soon());
  expect(await reasons()).toEqual(["created"]);
  const restore = await rememberLedger(world.sql);
  const lost = await world.put(world.memory(2));
  past.noteCommitted(lost.transactionId!);
  await past.prove(soon());
  await restore();
  await past.prove(soon());
  expect(await reasons()).toEqual(["created", "transaction_lost"]);
});

test("a cursor beyond the server's last transaction begins a new epoch", async () => {
  const { epoch } = await past.prove(soon());
  const [row] = await world.sql<{ next: string }[]>`
    select (pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 1000000)::text as next`;
  await past.prove(soon(), [{ epoch, cursor: { xid: row!.next, seq: "1" } }]);
  expect(await reasons()).toEqual(["created", "cursor_ahead"]);
});

test("rows of the future are stamped anew, in every table that has a place in the feed", async () => {
  await world.fill(5);
  await world.sql`
    update mnemosync.memory_bodies set xid = (xid::text::bigint + 1000000000)::text::xid8 where memory_id < 'm3'`;
  await past.prove(soon());
  expect(await reasons()).toEqual(["created", "rows_of_the_future"]);
  await feedShown(world);
  const { headers } = await new Ledger(pool, { nodeId: "n" }).changesAfter({ xid: "0", seq: "0" }, 10, soon());
  expect(headers.map(({ memoryId }) => memoryId).sort()).toEqual(["m0", "m1", "m2", "m3", "m4"]);
});

test.each([
  ["system_identifier", "'1'", "other_cluster"],
  ["timeline", "timeline + 1", "other_timeline"],
])("another %s than the epoch began with begins a new one", async (column, value, reason) => {
  await past.prove(soon());
  await world.sql.unsafe(`update mnemosync.epochs set ${column} = ${value}`);
  await past.prove(soon());
  await newPast().prove(soon());
  expect(await reasons()).toEqual(["created", reason]);
});
