import postgres from "postgres";
import { pause, pollUntil } from "../../src/dev/wait.ts";
import type { Random } from "../support/random.ts";
import type { Cluster } from "./cluster.ts";
import type { Fault } from "./faults.ts";

/** Milliseconds of writes while a part is away. */
function span(random: Random): number {
  return 500 + random.below(3_000);
}

/** Milliseconds within which PostgreSQL answers once its disk has room: crash recovery included. */
const RECOVERY_DEADLINE_MS = 60_000;

/**
 * Faults of what stands around the stores: sentinels, a pooler, the disk, the clocks. None of them may lose what was
 * acknowledged. Those of a part that is not there cannot be made, and are left out.
 */
export function deploymentFaults({ redisPair, pooler, disk }: Cluster): Fault[] {
  return [
    ...(redisPair === null ? [] : [sentinelFailover]),
    ...(pooler === null ? [] : [poolerKilled, poolerFrozen]),
    ...(disk === null ? [] : [diskFull]),
    clockJumps,
  ];
}

/** Redis loses what it acknowledged while the replica lagged behind: the ledger has it, so no reader may miss it for long. */
const sentinelFailover: Fault = {
  name: "sentinel failed over to a lagging replica",
  run: async (cluster, random) => {
    const pair = cluster.redisPair;
    if (pair === null) return;
    await pair.untilReplicated();
    await pair.detachReplica();
    await pause(span(random));
    await pair.failOver();
    await pair.attach();
  },
};

const poolerKilled: Fault = {
  name: "pgbouncer killed",
  run: async ({ pooler }, random) => {
    await pooler?.kill();
    await pause(span(random));
    await pooler?.start();
  },
};

const poolerFrozen: Fault = {
  name: "pgbouncer frozen",
  run: async ({ pooler }, random) => {
    await pooler?.freeze();
    await pause(span(random));
    await pooler?.thaw();
  },
};

/** Statements fail, and where the write-ahead log finds no room, the server ends itself in the midst of commits. */
const diskFull: Fault = {
  name: "postgres disk full",
  run: async (cluster, random) => {
    cluster.disk?.fill();
    await pause(span(random));
    cluster.disk?.makeRoom();
    await pollUntil("PostgreSQL after its disk was full", RECOVERY_DEADLINE_MS, async () => {
      await cluster.postgres.start(); // It may have ended itself for good.
      return await answers(cluster.postgresUrl);
    });
  },
};

/** The clock of one node is set by up to three hours, forwards or back, and later put right. */
const clockJumps: Fault = {
  name: "clock of a node jumped",
  run: async (cluster, random) => {
    const node = random.pick(cluster.nodes);
    const byMs = (random.next() < 0.5 ? -1 : 1) * random.below(3 * 3_600_000);
    node.tell({ command: "clock", aheadMs: byMs });
    await pause(span(random));
    node.tell({ command: "clock", aheadMs: 0 });
  },
};

async function answers(url: string): Promise<boolean> {
  const sql = postgres(url, { max: 1, connect_timeout: 2, onnotice: () => undefined });
  try {
    await sql`select 1`;
    return true;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
