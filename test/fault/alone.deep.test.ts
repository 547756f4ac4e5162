import postgres from "postgres";
import { expect, test } from "vitest";
import { bytesBetween } from "../support/bytes-between.ts";
import { expectConverged } from "../support/fault-attempts.ts";
import { faultServers } from "../support/fault-servers.ts";
import { FaultWorld } from "../support/fault-world.ts";
import { inTime } from "../support/settles.ts";
import type { Direction } from "../support/tcp-proxy.ts";

/**
 * Goal: a row that goes with its COMMIT is written once and as its outcome says, whatever byte of the flight or of its answer is the
 * last to arrive. Method: as `commit-reply`, from the first byte of the flight on, on connections that have prepared its statements.
 */
const servers = faultServers();

/** Bytes of one write's flight, and of the answer. */
async function measure(world: FaultWorld): Promise<Record<Direction, number>> {
  await world.untilMarked();
  return await bytesBetween(world, "committing", "committed", async () => {
    const outcome = await world.put(world.memory(1, { content: `measured ${performance.now()}` }));
    expect(outcome.status).toBe("synced");
  });
}

/** Every byte at the end, where COMMIT is, and some before. */
function offsetsOf(size: number, direction: Direction): number[] {
  return Array.from({ length: size + 1 }, (_, offset) => offset).filter(
    (offset) => direction === "toClient" || offset > size - 45 || offset % 41 === 0,
  );
}

for (const direction of ["toClient", "toServer"] as const) {
  const what = direction === "toClient" ? "the answer to a row with its COMMIT" : "a row with its COMMIT";
  test(`${what} is cut at its bytes: one version per write, each as its outcome says`, async () => {
    const world = await FaultWorld.open(servers.current, {
      unprepared: true,
      settings: {
        ...{ callTimeoutMs: 3_000, inDoubtTimeoutMs: 10_000 },
        ...{ prepareTimeoutMs: 10_000, publishTimeoutMs: 10_000, retriesMax: 3 },
      },
    });
    try {
      for (let warmUp = 0; warmUp < 3; warmUp++) await measure(world); // The connection has prepared both statements then.
      const size = (await measure(world))[direction];
      expect(size).toBeGreaterThan(40);
      expect(size).toBeLessThan(2_500);
      const { postgresProxy } = servers.current;
      const sql = postgres(world.database.url, { max: 1 });
      const [start] = await sql`select version::int as version from mnemosync.memory_versions`;
      let version = start?.version as number;
      for (const offset of offsetsOf(size, direction)) {
        await measure(world).then(() => version++);
        await world.untilMarked();
        world.atStep("committing", () => postgresProxy.cutAfter(direction, offset));
        const content = `cut at ${offset}`;
        const outcome = await inTime(`the write cut at ${offset}`, world.put(world.memory(1, { content })));
        version++;
        expect({ offset, ...outcome }).toMatchObject({ offset, status: "synced", version });
        const [held] = await sql`
          select version::int as version, tx_id, document->>'content' as content
          from mnemosync.memory_versions join mnemosync.memories using (namespace, memory_id)`;
        expect({ offset, ...held }).toEqual({ offset, version, content, tx_id: outcome.transactionId });
        await postgresProxy.pass();
      }
      await sql.end({ timeout: 1 });
      await world.drain();
      await expectConverged(world);
    } finally {
      await world.close();
    }
  }, 400_000);
}
