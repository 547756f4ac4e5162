import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { expect, inject, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { type ConnectOptions, MemorySynchronizer } from "../../src/index.ts";
import { WRITE_STEPS } from "../../src/write/write-step.ts";
import { type Acknowledged, runUntilCrash } from "../support/crash-run.ts";
import { auditLedger } from "../support/ledger-audit.ts";
import { postgresUrl } from "../support/services.ts";
import { inTime } from "../support/settles.ts";
import { createTestDatabase } from "../support/template-database.ts";

/**
 * Goal: a crash of the writer loses nothing that was acknowledged and leaves nothing half done. Method: a child process
 * writes, tells what it was answered, and is killed with -9 at every point of the path; another one opens the same
 * stores, works the backlog, and is asked. One test does all points on one set of stores, so crashes add up.
 */
const POINTS = [...WRITE_STEPS, "during publish"];

/** Every version ever written is kept, so that acknowledged ones can be looked up. */
const HISTORY_MAX = 10_000;

/** Writes that every store is asked about before; and lone ones, pairs and batches of 128 that none is asked about. */
const RUNS = [
  ...[1, 2, 3].map((seed) => ({ seed, unprepared: false, points: [...POINTS, "during prepare"] })),
  ...[4, 5].map((seed) => ({ seed, unprepared: true, points: POINTS })),
];

for (const { seed, unprepared, points } of RUNS) {
  const way = unprepared ? "unprepared" : "prepared";
  test(`a writer that is killed at each point of its path loses nothing and leaves nothing half done (${way}, seed ${seed})`, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), "mnemosync-crash-"));
    const database = await createTestDatabase(postgresUrl());
    const sql = postgres(database.url, { max: 2, onnotice: () => undefined });
    t.onTestFinished(async () => {
      await sql.end({ timeout: 1 });
      await database.drop();
      await rm(directory, { recursive: true, force: true });
    });
    const options: ConnectOptions = {
      postgresUrl: database.url,
      redisUrl: inject("redisUrl"),
      redisPrefix: `crash-${directory.slice(-6)}`,
      faiss: { directory, dimension: 8 },
      historyVersionsMax: HISTORY_MAX,
      publishDeadlineMs: 100,
    };
    const acknowledged: Acknowledged[] = [];
    for (const [index, point] of points.entries()) {
      const order = {
        options,
        seed: seed * 1_000 + index,
        point,
        pass: 2 + ((seed * 7 + index * 3) % 9),
        memories: 40,
        unprepared,
      };
      const told = await runUntilCrash(order);
      for (const { status, error } of told) expect(["synced", "unchanged"], `${error}`).toContain(status);
      acknowledged.push(...told);
      const sync = await inTime("opening after the crash", MemorySynchronizer.connect(options));
      try {
        await drain(sync, sql);
        const report = await sync.checkConsistency({ scope: "deep" });
        expect(report.findings, `after the crash at ${point}`).toEqual([]);
      } finally {
        await inTime("closing", sync.close());
      }
      expect(await auditLedger(sql, HISTORY_MAX), `after the crash at ${point}`).toEqual([]);
      expect(await lost(sql, acknowledged), `after the crash at ${point}`).toEqual([]);
    }
    expect(acknowledged.length).toBeGreaterThan(points.length);
    process.stdout.write(`seed ${seed}: ${points.length} crashes, ${acknowledged.length} acknowledged writes\n`);
  }, 300_000);
}

async function drain(sync: MemorySynchronizer, sql: postgres.Sql): Promise<void> {
  await pollUntil("draining the backlog", 30_000, async () => {
    await sync.backlog.drain();
    // What was left without a mark is not counted before it is overdue.
    const unmarked = await sql`select 1 from mnemosync.sync_transactions where state = 'committed'`;
    return unmarked.length === 0 && (await sync.status()).backlog.pending === 0;
  });
}

/** Acknowledged versions that the ledger does not hold as they were written. */
async function lost(sql: postgres.Sql, acknowledged: readonly Acknowledged[]): Promise<string[]> {
  const rows = await sql<
    { memory_id: string; version: number; checksum: string | null; content: string | null; tx_id: string }[]
  >`
    select memory_id, version::int as version, v.checksum, m.document->>'content' as content, v.tx_id
    from mnemosync.memory_versions v left join mnemosync.memories m using (namespace, memory_id)
    union all
    select memory_id, version::int, checksum, document->>'content', tx_id from mnemosync.memory_history`;
  const held = new Map(rows.map((row) => [`${row.memory_id}@${row.version}`, row]));
  return acknowledged.flatMap((told) => {
    if (told.status !== "synced" && told.status !== "degraded") return [];
    const row = held.get(`${told.memoryId}@${told.version}`);
    const intact = row?.checksum === told.checksum && row.content === told.content && row.tx_id === told.transactionId;
    return intact ? [] : [`${told.memoryId}@${told.version}: told ${told.content}, held ${row?.content}`];
  });
}
