import { beforeAll, expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import type { MemoryKey } from "../../src/domain/keys.ts";
import type { Sql } from "../../src/drivers/postgres/postgres-access.ts";
import { settleEvidence } from "../../src/ledger/evidence-statements.ts";
import { release, retryDead, settle } from "../../src/ledger/queue-statements.ts";
import { scrubMemories } from "../../src/ledger/scrub-statements.ts";
import { newUlid } from "../../src/runtime/ulid.ts";

import { sharedWorld } from "../support/world.ts";

/**
 * Goal: statements that lock several rows of the queue, or of conflicts, never wait for each other in a circle. Method: another
 * connection holds the first row in the stated order. A statement that keeps the order waits for it and holds no later row.
 */

const shared = sharedWorld({ faiss: false, redis: false });
const QUEUE = { store: "redis", nodeId: "" } as const;
const NAMES = ["a", "b", "c", "d", "e"];
const KEYS: readonly MemoryKey[] = NAMES.map((memoryId) => ({ namespace: "default", memoryId }));

type Work = (
  sql: Sql,
  ids: { queued: readonly { memoryId: string; seq: string }[]; conflicts: readonly string[] },
) => Promise<unknown>;

const queued = (rows: readonly { memoryId: string; seq: string }[]) =>
  rows.map(({ memoryId, seq }) => ({ namespace: "default", memoryId, seq, attempts: 1 })).toReversed();

const STATEMENTS: Readonly<Record<string, { table: "sync_queue" | "conflict_resolutions"; work: Work }>> = {
  settle: { table: "sync_queue", work: (sql, ids) => settle(sql, QUEUE, queued(ids.queued)) },
  release: {
    table: "sync_queue",
    work: (sql, ids) => release(sql, QUEUE, queued(ids.queued), { delayMs: 0, counts: true, error: "e" }),
  },
  retryDead: { table: "sync_queue", work: (sql) => retryDead(sql) },
  "scrub of the queue": { table: "sync_queue", work: (sql) => scrubMemories(sql, newUlid(), KEYS.toReversed()) },
  settleEvidence: {
    table: "conflict_resolutions",
    work: (sql, ids) =>
      settleEvidence(
        sql,
        ids.conflicts.toReversed().map((id) => ({ id, state: "resolved", resolution: "r" })),
      ),
  },
  "scrub of conflicts": {
    table: "conflict_resolutions",
    work: (sql) => scrubMemories(sql, newUlid(), KEYS.toReversed()),
  },
};

beforeAll(async () => {
  const { sql, sync } = shared.current;
  for (const memoryId of NAMES) await sync.syncMemory(memoryId, { content: "c", memoryType: "t" });
  await sql`update mnemosync.memory_versions set ended_by = 'erased', deleted_at = clock_timestamp(), checksum = null, has_embedding = false`;
});

test.each(Object.entries(STATEMENTS))("%s locks its rows in the stated order", async (_name, { table, work }) => {
  const { sql } = shared.current;
  await sql`truncate mnemosync.sync_queue, mnemosync.conflict_resolutions`;
  // In the table the rows stand in another order than the stated one.
  for (const memoryId of NAMES.toReversed()) {
    await sql`insert into mnemosync.sync_queue (store, node_id, namespace, memory_id, attempts, last_error, dead_at)
              values ('redis', '', 'default', ${memoryId}, 1, 'e', clock_timestamp())`;
  }
  for (const memoryId of NAMES) {
    await sql`insert into mnemosync.conflict_resolutions (namespace, memory_id, store, kind, strategy, state, found_state, evidence)
              values ('default', ${memoryId}, 'redis', 'ahead', 'manual', 'pending', 'live', 'e')`;
  }
  const ids = {
    queued: await sql<{ memoryId: string; seq: string }[]>`
      select memory_id as "memoryId", seq::text as seq from mnemosync.sync_queue order by memory_id`,
    conflicts: (await sql<{ id: string }[]>`select id::text as id from mnemosync.conflict_resolutions order by id`).map(
      ({ id }) => id,
    ),
  };
  const [holder, worker] = [await sql.reserve(), await sql.reserve()];
  try {
    const first = table === "sync_queue" ? sql`memory_id = 'a'` : sql`id = ${ids.conflicts[0] ?? ""}::text::bigint`;
    await holder`begin`;
    await holder`select from ${sql(`mnemosync.${table}`)} where ${first} for update`;
    const [{ pid } = { pid: 0 }] = await worker<{ pid: number }[]>`select pg_backend_pid() as pid`;
    const done = work(worker as unknown as Sql, ids);
    await pollUntil("the statement waits for the first row", 60_000, async () => {
      const [row] = await sql<{ waits: boolean }[]>`
        select wait_event_type = 'Lock' as waits from pg_stat_activity where pid = ${pid}`;
      return row?.waits === true;
    });
    const free = await sql`select 1 from ${sql(`mnemosync.${table}`)} where not (${first}) for update skip locked`;
    expect(free).toHaveLength(NAMES.length - 1);
    await holder`rollback`;
    await done;
  } finally {
    for (const connection of [holder, worker]) connection.release();
  }
});
