import { spawnSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import postgres from "postgres";
import { pause, pollUntil } from "../../src/dev/wait.ts";
import { DeadlineExceededError } from "../../src/domain/errors.ts";
import { coldBackup, makeStandby, restoreBackup } from "../support/postgres-past.ts";
import type { Random } from "../support/random.ts";
import type { Cluster } from "./cluster.ts";
import type { Fault } from "./faults.ts";

/** Milliseconds of writes between a copy and its return: enough to lose some. */
function writing(random: Random): number {
  return 1_000 + random.below(3_000);
}

/** Milliseconds within which a node notices that the ledger went back, on a busy machine. */
const EPOCH_DEADLINE_MS = 60_000;

/** Faults after which the ledger or a store holds what it held before. What each of them may lose is in `windows`. */
export const HISTORY_FAULTS: readonly Fault[] = [
  {
    name: "postgres restored from a copy",
    run: async (cluster, random) => {
      await untilEpochBegan(cluster);
      await coldBackup(cluster.postgres);
      const fromMs = Date.now();
      await pause(writing(random));
      cluster.wentBackAtMs = Date.now();
      await restoreBackup(cluster.postgres);
      went(cluster, { fromMs, toMs: Date.now() });
    },
  },
  {
    name: "postgres failed over to a lagging standby",
    run: async (cluster, random) => {
      await streamFrom(cluster);
      // The link, not the standby: a frozen standby reads what its socket holds once it is awake, and lags no more.
      cluster.replicationProxy.blackHole();
      const fromMs = Date.now();
      await pause(writing(random));
      await cluster.postgres.kill();
      const toMs = Date.now();
      await restoreStreaming(cluster);
      await promote(cluster);
      went(cluster, { fromMs, toMs });
      // Until the standby takes writes, nothing tells a node that the ledger went back, and Redis alone answers its reads.
      cluster.readWindows.push({ fromMs, toMs: Date.now() });
    },
  },
  {
    name: "postgres failed over to a synchronous standby",
    run: async (cluster, random) => {
      await streamFrom(cluster);
      await waitForStandby(cluster, true);
      await pause(writing(random));
      // Cut off: commits wait for it, and must not be acknowledged, or they are lost.
      if (random.next() < 0.5) {
        cluster.replicationProxy.blackHole();
        await pause(writing(random));
      }
      await cluster.postgres.kill();
      await restoreStreaming(cluster);
      await promote(cluster);
      // Nothing that was acknowledged may be lost. Readers may have seen commits that were never acknowledged.
      const now = Date.now();
      went(cluster, { fromMs: now, toMs: now }, { loses: false });
    },
  },
  {
    name: "synchronous standby cut off",
    run: async (cluster, random) => {
      await streamFrom(cluster);
      await waitForStandby(cluster, true);
      cluster.replicationProxy.blackHole();
      await pause(writing(random));
      // It comes back, or the operator gives it up: what waited for it is committed in both cases, and nothing is lost.
      if (random.next() < 0.5) await restoreStreaming(cluster);
      await waitForStandby(cluster, false);
      await restoreStreaming(cluster);
      await cluster.standby.stop();
    },
  },
  {
    name: "redis came back with an old data set",
    run: async (cluster, random) => {
      const client = new Redis(cluster.redis.url);
      client.on("error", () => undefined);
      await client.save();
      client.disconnect();
      const { folder } = cluster.redis;
      copyFileSync(join(folder, "dump.rdb"), join(folder, "old.rdb"));
      await pause(writing(random));
      await cluster.redis.kill();
      spawnSync("rm", ["-rf", join(folder, "appendonlydir")]);
      copyFileSync(join(folder, "old.rdb"), join(folder, "dump.rdb"));
      await cluster.redis.start();
      // The ledger lost nothing, and every link broke: no read may show an older version than one before it.
    },
  },
  {
    name: "leases and attempts lie in the future",
    run: async (cluster) => {
      // As a node leaves them whose clock was two hours ahead.
      await withSql(cluster.postgresUrl, async (sql) => {
        await sql`update mnemosync.sync_queue set next_attempt_at = clock_timestamp() + interval '2 hours'`;
        await sql`update mnemosync.leases set expires_at = clock_timestamp() + interval '2 hours'`;
        await sql`update mnemosync.sync_transactions set created_at = clock_timestamp() + interval '2 hours' where state = 'committed'`;
      });
    },
  },
];

function went(cluster: Cluster, window: Cluster["windows"][number], { loses = true } = {}): void {
  (loses ? cluster.windows : cluster.readWindows).push(window);
  cluster.recordFault({ name: loses ? "(acknowledged writes of this time may be lost)" : "(went back)", ...window });
  for (const node of cluster.nodes) node.tell({ command: "forget" });
}

/** Ends what stands between the standby and its primary. Bytes that were held back are gone, as with a broken link. */
async function restoreStreaming({ replicationProxy }: Cluster): Promise<void> {
  replicationProxy.reset();
  await replicationProxy.pass();
}

/**
 * Waits until the ledger's epoch is one that began after it went back last. A copy that is older than an epoch knows nothing
 * of it, so a Redis of that epoch is another ledger's to it, and is refused until an operator removes the brand: by design.
 */
async function untilEpochBegan({ wentBackAtMs, postgresUrl }: Cluster): Promise<void> {
  if (wentBackAtMs === null) return;
  await pollUntil("a new epoch of the ledger", EPOCH_DEADLINE_MS, async () => {
    let began = false;
    try {
      await withSql(postgresUrl, async (sql) => {
        const rows = await sql`
          select 1 from mnemosync.epochs e join mnemosync.sync_meta m on m.name = 'store_epoch' and m.value = e.epoch
          where e.began_at > to_timestamp(${wentBackAtMs / 1_000}::float8)`;
        began = rows.length > 0;
      });
    } catch {
      // It is not back from the fault before.
    }
    return began;
  }).catch((error: unknown) => {
    // A copy in which nothing is missing tells nothing, and needs no epoch.
    if (!(error instanceof DeadlineExceededError)) throw error;
  });
}

/** Makes the second server a standby of the one that takes writes, and waits until it has everything. */
async function streamFrom(cluster: Cluster): Promise<void> {
  const { postgres: primary, standby, postgresUrl, replicationProxy } = cluster;
  await untilEpochBegan(cluster);
  await makeStandby(primary, standby, replicationProxy.through(postgresUrl));
  await withSql(postgresUrl, async (sql) => {
    await pollUntil("the standby streaming", 30_000, async () => {
      return (await sql`select 1 from pg_stat_replication where state = 'streaming'`).length === 1;
    });
  });
}

async function waitForStandby({ postgresUrl }: Cluster, isOn: boolean): Promise<void> {
  await withSql(postgresUrl, async (sql) => {
    await sql.unsafe(`alter system set synchronous_standby_names = '${isOn ? "*" : ""}'`);
    await sql`select pg_reload_conf()`;
    await pollUntil("the standby being waited for", 10_000, async () => {
      const rows = await sql`select sync_state from pg_stat_replication`;
      return rows.some((row) => row.sync_state === "sync") === isOn;
    });
  });
}

/** The standby takes writes under the address of the primary, whose machine is gone. */
async function promote(cluster: Cluster): Promise<void> {
  const { standby } = cluster;
  cluster.wentBackAtMs = Date.now();
  const url = new URL(cluster.postgresUrl);
  url.port = String(standby.port);
  await withSql(url.href, async (sql) => {
    await pollUntil("the standby answering", 30_000, async () => {
      await sql`select 1`;
      return true;
    });
    await sql`select pg_promote(true, 30)`;
    await sql`alter system reset synchronous_standby_names`;
    await sql`alter system reset primary_conninfo`;
    await sql`select pg_reload_conf()`;
  });
  cluster.moveTo(standby, url.href);
}

async function withSql(url: string, work: (sql: postgres.Sql) => Promise<void>): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
