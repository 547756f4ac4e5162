import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { COPY_ROWS_MIN } from "../../src/ledger/copy-versions.ts";
import { connectWithHooks } from "../../src/synchronizer/with-hooks.ts";
import { bytesBetween } from "../support/bytes-between.ts";
import { expectConverged } from "../support/fault-attempts.ts";
import { faultServers } from "../support/fault-servers.ts";
import { FaultWorld } from "../support/fault-world.ts";
import { inTime } from "../support/settles.ts";
import type { Direction } from "../support/tcp-proxy.ts";

/**
 * Goal: a chunk of new memories, which is written by COPY, is there as a whole or not at all wherever its connection is
 * lost, and its outcomes say which. Method: the connection is cut, or goes silent, at points all along the way of the rows,
 * for chunks that are taken for new and for those whose rows are looked for first, as under an idempotency key.
 */
const servers = faultServers();
const COUNT = COPY_ROWS_MIN * 2;
const POINTS = 16;

let world: FaultWorld;
let next = 0;

async function openWorld(unprepared: boolean): Promise<void> {
  const settings = { callTimeoutMs: 2_000, prepareTimeoutMs: 10_000, publishTimeoutMs: 10_000, retriesMax: 3 };
  world = await FaultWorld.open(servers.current, { faiss: false, settings, unprepared });
}

beforeEach(() => openWorld(false));

afterEach(() => world.close());

/** Step behind which the rows are sent, by the way they go. */
const WAYS = { "taken for new": "starting", "looked for first": "locked" } as const;
type Way = keyof typeof WAYS;

/** Writes memories that nobody has written before. */
async function writeNew(what: string, way: Way = "taken for new"): Promise<void> {
  const start = next;
  next += COUNT;
  await world.untilMarked();
  const inputs = Array.from({ length: COUNT }, (_, at) => world.memory(start + at));
  const outcomes = await inTime(
    what,
    world.sync.syncBatch(inputs, {
      timeoutMs: 30_000,
      idempotencyKey: way === "looked for first" ? `key ${start}` : undefined,
    }),
  );
  expect(outcomes.map(({ status, version }) => `${status} ${version}`)).toEqual(inputs.map(() => "synced 1"));
  const held = await world.look(inputs.map(({ memoryId }) => memoryId));
  for (const [at, { memoryId, content }] of inputs.entries()) {
    expect({ what, memoryId, ...held.get(memoryId) }).toMatchObject({
      what,
      memoryId,
      ledger: { version: 1, content, transactionId: outcomes[at]?.transactionId },
      redis: 1,
    });
  }
}

/** Bytes between the step and COMMIT on a connection that has done it before. */
async function measure(way: Way): Promise<Record<Direction, number>> {
  return await bytesBetween(world, WAYS[way], "prepared", () => writeNew("the measured one", way));
}

test.each([
  ["toServer", "taken for new", "every store"],
  ["toClient", "taken for new", "every store"],
  ["toServer", "taken for new", "no store"],
  ["toClient", "taken for new", "no store"],
  ["toServer", "looked for first", "every store"],
  ["toClient", "looked for first", "every store"],
] as const)(
  "the connection is cut at points all along the way %s, of memories %s, of which %s is asked before",
  async (direction, way, asked) => {
    const { postgresProxy } = servers.current;
    if (asked === "no store") {
      await world.close();
      await openWorld(true);
    }
    await measure(way);
    const bytes = (await measure(way))[direction];
    // All rows go by COPY: what is sent is about what they hold, and the answers come back.
    expect(bytes).toBeGreaterThan(direction === "toServer" ? COUNT * 200 : 60);
    for (let point = 0; point < POINTS; point++) {
      const offset = Math.floor((bytes * point) / (POINTS - 1));
      world.atStep(WAYS[way], () => postgresProxy.cutAfter(direction, offset));
      await writeNew(`${direction}, cut after ${offset} of ${bytes} bytes`, way);
      await postgresProxy.pass();
    }
    await world.drain();
    await expectConverged(world);
  },
);

// Not under a key, whose claim the silent connection would hold until the server notices its end.
test("the connection goes silent while rows are on their way", async () => {
  await writeNew("a healthy one");
  world.atStep("starting", () => servers.current.postgresProxy.forgetOpen());
  await writeNew("a forgotten one");
  await world.drain();
  await expectConverged(world);
});

test.each(Object.keys(WAYS) as Way[])(
  "the server ends the connection while rows of memories %s are on their way",
  async (way) => {
    await writeNew("a healthy one", way);
    // Those that have begun, or wait for the first byte of a transaction.
    world.atStep(WAYS[way], () =>
      world.sql(async (sql) => {
        await sql`
          select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`;
      }),
    );
    await writeNew("one whose server process was ended", way);
    await expectConverged(world);
  },
);

test("what the server refuses at the very end of a COPY fails within its time, and the connection goes on", async () => {
  await world.sql((sql) =>
    sql.unsafe(`
      create function refuse_one() returns trigger language plpgsql as $$
      begin
        if new.memory_id like '%7' then raise exception 'not this one'; end if;
        return null;
      end $$;
      create trigger refuse_one after insert on mnemosync.memory_bodies for each row execute function refuse_one()`),
  );
  const inputs = Array.from({ length: COUNT }, (_, at) => world.memory(1_000 + at));
  const outcomes = await inTime("the batch", world.sync.syncBatch(inputs, { timeoutMs: 30_000 }));
  for (const { memoryId, status, error } of outcomes) {
    if (memoryId.endsWith("7"))
      expect({ status, error }).toMatchObject({ status: "failed", error: { store: "postgres" } });
    else expect({ memoryId, status }).toEqual({ memoryId, status: "synced" });
  }
  await expectConverged(world);
});

test("where row-level security forbids COPY, memories are written all the same", async () => {
  const role = `tenant_${randomBytes(6).toString("hex")}`;
  await world.sql((sql) =>
    sql.unsafe(`
      create role ${role} login password 'secret';
      grant usage on schema mnemosync to ${role};
      grant all on all tables in schema mnemosync to ${role};
      grant all on all sequences in schema mnemosync to ${role};
      alter table mnemosync.memory_bodies enable row level security;
      create policy everything on mnemosync.memory_bodies using (true) with check (true)`),
  );
  const restricted = new URL(world.connectOptions.postgresUrl);
  restricted.username = role;
  restricted.password = "secret";
  const sync = await connectWithHooks({ ...world.connectOptions, postgresUrl: restricted.href });
  try {
    const outcomes = await sync.syncBatch(Array.from({ length: COUNT }, (_, at) => world.memory(3_000 + at)));
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["synced"]));
    await expectConverged(world);
  } finally {
    await sync.close();
    await world.sql((sql) => sql.unsafe(`drop owned by ${role}; drop role ${role}`));
  }
});

test("rows that a trigger leaves out without a word are not said to be written", async () => {
  await world.sql((sql) =>
    sql.unsafe(`
      create function skip_one() returns trigger language plpgsql as $$
      begin
        if new.memory_id like '%7' then return null; end if;
        return new;
      end $$;
      create trigger skip_one before insert on mnemosync.memory_versions for each row execute function skip_one()`),
  );
  const inputs = Array.from({ length: COUNT }, (_, at) => world.memory(2_000 + at));
  const outcomes = await inTime("the batch", world.sync.syncBatch(inputs, { timeoutMs: 30_000 }));
  expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["failed"]));
  const held = await world.look(inputs.map(({ memoryId }) => memoryId));
  for (const stores of held.values()) expect(stores).toEqual({ ledger: null, redis: null, faiss: null });
});
