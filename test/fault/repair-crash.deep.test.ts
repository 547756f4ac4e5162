import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { runRepairUntilCrash } from "../support/crash-run.ts";
import { FAISS_INJECTIONS, POSTGRES_INJECTIONS, REDIS_INJECTIONS } from "../support/injections.ts";
import { auditLedger } from "../support/ledger-audit.ts";
import { type Case, caseName, Matrix } from "../support/matrix.ts";
import { readKept } from "../support/raw-stores.ts";
import { inTime } from "../support/settles.ts";
import { openWorld, type World } from "../support/world.ts";

/**
 * Goal: a repair that is killed loses no evidence, and the next one ends it. Method: every kind of drift in every store;
 * a child process repairs and is killed with -9 at each of its steps; another repair runs on the same stores, once, and
 * is asked for everything. One world for all, so crashes add up.
 */
const POINTS: readonly (readonly [point: string, pass: number])[] = [
  // In turn: of the ledger's damage, of conflicts, of what is published again.
  ["after keeping evidence", 1],
  ["after keeping evidence", 4],
  ["after keeping evidence", 6],
  ["after mending the ledger", 1],
  ["during replacing in redis", 1],
  ["after replacing in redis", 1],
  ["after replacing in the index", 1],
  ["committed", 1],
  ["after writing the winner", 1],
  ["before settling evidence", 1],
  ["before settling evidence", 2],
  ["after settling evidence", 5],
  ["before forgetting findings", 1],
];
const MEMORIES = 500;

test("a repair that is killed at each of its steps is ended by the next one, and what it overwrote can be read", async (t) => {
  const world = await openWorld(t, { settings: { publishDeadlineMs: 100, historyVersionsMax: 100 } });
  await world.fill(MEMORIES);
  const matrix = new Matrix(world, MEMORIES);
  for (const [point, pass] of POINTS) {
    const where = `after the crash at ${point}, pass ${pass}`;
    const cases = await matrix.inject([...REDIS_INJECTIONS, ...FAISS_INJECTIONS, ...POSTGRES_INJECTIONS], 1, false);
    await runRepairUntilCrash({ options: world.connectOptions, point, pass });
    await inTime("opening after the crash", world.connect());
    await pollUntil("draining the backlog", 30_000, async () => {
      await world.sync.backlog.drain();
      const unmarked = await world.sql`select 1 from mnemosync.sync_transactions where state = 'committed'`;
      return unmarked.length === 0 && (await world.sync.status()).backlog.pending === 0;
    });
    const report = await world.sync.checkConsistency({ scope: "deep" });
    const repair = await world.sync.repairInconsistencies(report, { strategy: "latest_wins" });
    const open = repair.details.filter(({ outcome }) => outcome !== "repaired");
    expect(open, where).toEqual([]);
    expect((await world.sync.checkConsistency({ scope: "deep" })).findings, where).toEqual([]);
    await matrix.expectStores(cases);
    expect(await lostEvidence(world, cases), where).toEqual([]);
    const unsettled = await world.sql`
      select memory_id, store, kind, strategy, pending_because, ledger_version::int, found_version::int
      from mnemosync.conflict_resolutions where state = 'pending'`;
    expect([...unsettled], where).toEqual([]);
    const waiting = async () => [
      ...(await world.sql`select memory_id, status from mnemosync.v_memory_sync_status where status <> 'synced'`),
    ];
    await expect.poll(waiting, { message: where, timeout: 30_000 }).toEqual([]);
    expect(await auditLedger(world.sql, 100), where).toEqual([]);
  }
}, 400_000);

/** What was overwritten and stands in no record. */
async function lostEvidence(world: World, cases: readonly Case[]): Promise<string[]> {
  const kept = await readKept(world, "0");
  return cases.flatMap(({ injection, injected }) =>
    injected.flatMap(({ memoryId, lost }) => {
      if (lost === null) return [];
      const records = kept.filter((record) => record.memoryId === memoryId && record.store === injection.store);
      const isKept = records.some((record) => {
        const { document, embedding } = record[lost.side];
        return same(document, lost.document) && same(embedding, lost.embedding);
      });
      return isKept ? [] : [`${caseName(injection)}: ${memoryId}`];
    }),
  );
}

function same(a: string | Buffer | null, b: string | Buffer | null): boolean {
  return a === null || b === null ? a === b : Buffer.from(a as string).equals(Buffer.from(b as string));
}
