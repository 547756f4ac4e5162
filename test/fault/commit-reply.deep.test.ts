import postgres from "postgres";
import { describe, expect, test } from "vitest";
import type { SyncOutcome } from "../../src/index.ts";
import { bytesBetween } from "../support/bytes-between.ts";
import { expectConverged } from "../support/fault-attempts.ts";
import { faultServers } from "../support/fault-servers.ts";
import { FaultWorld } from "../support/fault-world.ts";
import { inTime } from "../support/settles.ts";
import type { Direction } from "../support/tcp-proxy.ts";

/**
 * Goal: whatever byte of COMMIT, or of its reply, is the last to arrive: no version twice, no write lost, and the outcome
 * says the truth. Method: the connection is cut at every one of them, on a connection that has sent COMMIT before and on
 * a new one, which has to have it parsed first. On the warm one a pair is written too that no store is asked about before.
 */
const servers = faultServers();

/** Where PostgreSQL is well, a lost answer is always explained, and a store that is well has its time: on a slow machine later. */
const PATIENCE = { callTimeoutMs: 3_000, inDoubtTimeoutMs: 10_000, prepareTimeoutMs: 10_000, publishTimeoutMs: 10_000 };

/** Bytes at most that COMMIT or its reply may take: more would mean that something else was measured. */
const BYTES_MAX = 300;

/** Writes m1, and m2 with it where `pair` says so. */
async function write(world: FaultWorld, content: string, pair: boolean): Promise<SyncOutcome> {
  if (!pair) return await world.put(world.memory(1, { content }));
  const memories = [1, 2].map((number) => world.memory(number, { content }));
  const [first, second] = await world.sync.syncBatch(memories, { atomic: true, timeoutMs: 30_000 });
  expect(second?.status).toBe(first?.status);
  return first as SyncOutcome;
}

/** One write on a warm or a new connection. @returns the bytes of its COMMIT and of the reply. */
async function measure(world: FaultWorld, fresh: boolean, pair = false): Promise<Record<Direction, number>> {
  await world.untilMarked();
  if (fresh) servers.current.postgresProxy.reset();
  return await bytesBetween(world, "committing", "committed", async () => {
    const outcome = await write(world, `measured ${performance.now()}`, pair);
    expect(outcome.status).toBe("synced");
  });
}

const WAYS = [
  { fresh: false, pair: false },
  { fresh: false, pair: true },
  { fresh: true, pair: false },
];

for (const { fresh, pair } of WAYS) {
  for (const direction of ["toClient", "toServer"] as const) {
    const what = direction === "toClient" ? "COMMIT's reply" : "COMMIT itself";
    const where = fresh ? "a new connection" : "a connection that has committed before";
    const which = pair ? "of a pair that no store is asked about before " : "";
    test(`${what} ${which}is cut at each of its bytes on ${where}: one version per write, each as its outcome says`, async () => {
      const world = await FaultWorld.open(servers.current, {
        faiss: false,
        unprepared: pair,
        settings: { ...PATIENCE, retriesMax: 3 },
      });
      try {
        await measure(world, fresh, pair);
        const size = (await measure(world, fresh, pair))[direction];
        expect(size).toBeGreaterThan(10);
        expect(size).toBeLessThan(BYTES_MAX);
        const { postgresProxy } = servers.current;
        const sql = postgres(world.database.url, { max: 1 });
        const [start] = await sql`select version::int as version from mnemosync.memory_versions where memory_id = 'm1'`;
        let version = start?.version as number;
        for (let offset = 0; offset <= size; offset++) {
          if (!fresh) await measure(world, false, pair).then(() => version++);
          await world.untilMarked();
          if (fresh) postgresProxy.reset();
          world.atStep("committing", () => postgresProxy.cutAfter(direction, offset));
          const content = `cut at ${offset}`;
          const outcome = await inTime(`the write cut at ${offset}`, write(world, content, pair));
          version++;
          expect({ offset, ...outcome }).toMatchObject({ offset, status: "synced", version });
          const [held] = await sql`
            select version::int as version, tx_id, document->>'content' as content
            from mnemosync.memory_versions join mnemosync.memories using (namespace, memory_id)
            where memory_id = 'm1'`;
          expect({ offset, ...held }).toEqual({ offset, version, content, tx_id: outcome.transactionId });
          await postgresProxy.pass();
        }
        await sql.end({ timeout: 1 });
        process.stdout.write(`${what}, ${where}: ${size + 1} offsets\n`);
        await world.drain();
        await expectConverged(world);
      } finally {
        await world.close();
      }
    }, 300_000);
  }
}

describe("a COMMIT that was given up", () => {
  test("and arrives after its writer has written anew changes nothing", async () => {
    const world = await FaultWorld.open(servers.current, { faiss: false, settings: PATIENCE });
    try {
      await measure(world, false);
      const { postgresProxy } = servers.current;
      const before = (await world.look(["m1"])).get("m1");
      await world.untilMarked();
      // What is sent from now on on the open connections waits in the net; new ones are as good as ever.
      world.atStep("committing", () => postgresProxy.forgetOpen());
      const outcome = await inTime("the write", world.put(world.memory(1, { content: "anew" })));
      expect(outcome).toMatchObject({ status: "synced", version: (before?.ledger?.version ?? 0) + 1 });
      postgresProxy.rememberForgotten();
      const next = await inTime("the next write", world.put(world.memory(1, { content: "next" })));
      expect(next).toMatchObject({ status: "synced", version: outcome.version + 1 });
      await world.drain();
      await expectConverged(world);
    } finally {
      await world.close();
    }
  });

  test("that was carried out is found by its token, and written once", async () => {
    const world = await FaultWorld.open(servers.current, { faiss: false, settings: PATIENCE });
    try {
      const [version] = [(await measure(world, false)) && (await world.look(["m1"])).get("m1")?.ledger?.version];
      const { postgresProxy } = servers.current;
      await world.untilMarked();
      world.atStep("committing", () => postgresProxy.when("toClient", null, () => postgresProxy.forgetOpen()));
      const outcome = await inTime("the write", world.put(world.memory(1, { content: "once" })));
      expect(outcome).toMatchObject({ status: "synced", version: (version ?? 0) + 1 });
      await world.drain();
      await expectConverged(world);
    } finally {
      await world.close();
    }
  });
});
