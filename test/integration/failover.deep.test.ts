import postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import { startEmbeddedPostgres } from "../../src/dev/postgres-server.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import { MemorySynchronizer } from "../../src/index.ts";
import { sampleMemories } from "../support/memories.ts";
import { makeStandby, standbyUrl } from "../support/postgres-past.ts";
import { epochsOf, expectPast, newDatabase, openNode, writeLost } from "../support/restored-nodes.ts";

/**
 * Goal: a failover to a standby that lagged is noticed, and every store follows the new primary. Method: real streaming
 * replication; the standby is away while the last transactions are written, and is promoted without them.
 */
test("after a failover that lost transactions a new epoch begins, and what was lost is nowhere", async () => {
  const settings = { fsync: "off", full_page_writes: "off" };
  const [primary, standby] = await Promise.all([
    startEmbeddedPostgres({ settings }),
    startEmbeddedPostgres({ settings }),
  ]);
  onTestFinished(async () => void (await Promise.all([primary.close(), standby.close()])));
  const primaryUrl = new URL(await newDatabase(primary));
  await makeStandby(primary, standby);
  const url = new URL(standbyUrl(primary, standby));
  url.pathname = primaryUrl.pathname;
  const { username, password, port, pathname } = primaryUrl;
  const hosts = `127.0.0.1:${port},127.0.0.1:${standby.port}`;
  const both = `postgres://${username}:${password}@${hosts}${pathname}?target_session_attrs=read-write`;
  const sync = await MemorySynchronizer.connect({ ...(await openNode(both)), connectTimeoutMs: 1_000 });
  onTestFinished(() => sync.close());
  await sync.syncBatch(sampleMemories(20, 8));
  const onStandby = postgres(url.href, { max: 1, onnotice: () => undefined });
  await pollUntil("the standby", 60_000, async () => {
    const [row] = await onStandby<{ held: number }[]>`select count(*)::int as held from mnemosync.memory_versions`;
    return row?.held === 20;
  });
  await onStandby.end();
  await standby.stop();
  await writeLost(sync);
  await primary.kill();
  await standby.start();
  const promoted = postgres(url.href, { max: 1, onnotice: () => undefined });
  await promoted`select pg_promote(true, 30)`;
  await promoted.end();
  sync.start();
  await expectPast(sync);
  expect(await epochsOf(url.href)).toEqual(["created", "other_timeline"]);
}, 400_000);
