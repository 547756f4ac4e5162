import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { NAMESPACES_MAX, OTHER_NAMESPACES } from "../../src/stores/metrics.ts";
import { unitVector } from "../support/memories.ts";
import { type MetricFamily, parsePrometheusText, sampleSum, sampleValue } from "../support/prometheus-text.ts";
import { openWorld, type World } from "../support/world.ts";

/** Goal: every metric of the design moves with what it names, in a text that a strict parser takes. */

async function scrape(world: World): Promise<Map<string, MetricFamily>> {
  return parsePrometheusText(await world.sync.metrics.text());
}

test("every metric moves with what happens", async (t) => {
  const world = await openWorld(t, {
    ownRedis: { persistent: true },
    settings: { metricsFreshMs: 0, retryDelayMs: 1, retriesMax: 0 },
  });
  const before = await scrape(world);
  expect(sampleValue(before, "mnemosync_sync_total", { operation: "sync_memory", outcome: "synced" })).toBe(0);
  expect(sampleValue(before, "mnemosync_consistency_last_clean_timestamp_seconds")).toBe(0);

  await world.fill(3);
  await world.put(world.memory(10));
  await world.put(world.memory(10));
  await world.sync.delete("m2");
  await world.sync.rollback("m2", 1);
  await expect(world.sync.syncMemory("", { content: "x", memoryType: "t" })).rejects.toMatchObject({
    code: "VALIDATION",
  });
  await world.sync.search(unitVector(1, 8), { k: 1 });
  expect(await world.sync.checkConsistency()).toMatchObject({ clean: true });
  await world.redis.del(world.redisKey("m1"));
  const report = await world.sync.checkConsistency();
  expect(report.clean).toBe(false);
  await world.sync.repairInconsistencies(report);
  await world.redis.hset(world.redisKey("m10"), "version", "9");
  await world.sync.repairInconsistencies(await world.sync.checkConsistency(), { strategy: "latest_wins" });

  const healthy = await scrape(world);
  const value = (name: string, labels: Record<string, string> = {}): number | undefined =>
    sampleValue(healthy, `mnemosync_${name}`, labels);
  expect(value("sync_total", { operation: "sync_batch", outcome: "synced" })).toBe(3);
  expect(value("sync_total", { operation: "sync_memory", outcome: "synced" })).toBe(1);
  expect(value("sync_total", { operation: "sync_memory", outcome: "unchanged" })).toBe(1);
  expect(value("sync_total", { operation: "sync_memory", outcome: "failed" })).toBe(1);
  expect(value("sync_total", { operation: "delete", outcome: "synced" })).toBe(1);
  expect(value("sync_total", { operation: "rollback", outcome: "synced" })).toBe(1);
  expect(value("sync_duration_seconds_count", { operation: "sync_memory" })).toBe(3);
  expect(value("batch_size_sum")).toBe(8); // The repaired conflict wrote one.
  expect(value("search_duration_seconds_count")).toBe(1);
  expect(value("consistency_errors_total", { store: "redis", kind: "missing" })).toBe(1);
  expect(value("consistency_errors_total", { store: "redis", kind: "ahead" })).toBe(1);
  expect(value("consistency_check_duration_seconds_count", { scope: "full" })).toBe(3);
  expect(value("consistency_last_clean_timestamp_seconds")).toBeGreaterThan(Date.now() / 1_000 - 60);
  expect(value("repairs_total", { store: "redis", kind: "missing", outcome: "repaired" })).toBe(1);
  expect(value("conflicts_total", { strategy: "latest_wins", outcome: "repaired" })).toBe(1);
  for (const store of ["postgres", "redis", "faiss"]) {
    expect(value("store_up", { store })).toBe(1);
    expect(value("health_checks_total", { store, outcome: "healthy" })).toBeGreaterThan(0);
  }
  expect(value("queue_depth", { store: "redis", state: "pending" })).toBe(0);
  expect(value("store_lag_seconds", { store: "redis" })).toBe(0);
  // Writing transactions in other databases of the server hold the feed back, too: it is 0 between them.
  await pollUntil("the feed's horizon being at its end", 60_000, async () => {
    return sampleValue(await scrape(world), "mnemosync_feed_horizon_age_seconds") === 0;
  });
  expect(value("ledger_epochs")).toBe(1);
  expect(sampleSum(healthy, "mnemosync_connection_pool_size", { store: "postgres" })).toBeGreaterThan(0);
  expect(value("connection_pool_size", { store: "redis", state: "shared" })).toBe(1);
  expect(value("faiss_vectors", { namespace: "default", state: "live" })).toBe(4);
  expect(sampleValue(healthy, "nodejs_eventloop_lag_seconds")).toBeGreaterThanOrEqual(0);

  // A writing transaction that stays open holds the feed back.
  const writer = await world.sql.reserve();
  await writer`begin`;
  await writer`select pg_current_xact_id()`;
  await world.redisServer?.stop();
  expect(await world.put(world.memory(11))).toMatchObject({ status: "degraded" });
  const degraded = await scrape(world);
  await writer`rollback`;
  writer.release();
  expect(sampleValue(degraded, "mnemosync_queue_depth", { store: "redis", state: "pending" })).toBe(1);
  expect(sampleValue(degraded, "mnemosync_queue_oldest_age_seconds", { store: "redis" })).toBeGreaterThan(0);
  expect(sampleValue(degraded, "mnemosync_store_lag_seconds", { store: "redis" })).toBeGreaterThan(0);
  expect(sampleValue(degraded, "mnemosync_store_lag_seconds", { store: "faiss" })).toBeGreaterThanOrEqual(0);
  expect(sampleValue(degraded, "mnemosync_feed_horizon_age_seconds")).toBeGreaterThan(0);
  expect(sampleValue(degraded, "mnemosync_health_checks_total", { store: "redis", outcome: "down" })).toBeGreaterThan(
    0,
  );
  expect(sampleValue(degraded, "mnemosync_connection_pool_size", { store: "redis", state: "shared" })).toBe(0);
  expect(sampleValue(await scrape(world), "mnemosync_store_up", { store: "redis" })).toBe(0);
});

test("namespaces beyond the stated maximum share one label, and the sum stays right", async (t) => {
  const world = await openWorld(t, { settings: { metricsFreshMs: 0 } });
  const namespaces = Array.from({ length: NAMESPACES_MAX + 7 }, (_, number) => `tenant-${number}`);
  const memories = namespaces.map((namespace, number) => world.memory(number, { namespace }));
  const busiest = world.memories(5).map((memory) => ({ ...memory, namespace: "tenant-56" }));
  await world.sync.syncBatch([...memories, ...busiest]);
  const vectors = (await scrape(world)).get("mnemosync_faiss_vectors")?.samples ?? [];
  expect(new Set(vectors.map(({ labels }) => labels.namespace)).size).toBe(NAMESPACES_MAX + 1);
  const live = vectors.filter(({ labels }) => labels.state === "live");
  expect(live.reduce((sum, { value }) => sum + value, 0)).toBe(NAMESPACES_MAX + 7 + 5);
  expect(live.find(({ labels }) => labels.namespace === OTHER_NAMESPACES)?.value).toBe(7);
  expect(live.find(({ labels }) => labels.namespace === "tenant-56")?.value).toBe(6);
});

test("scrapes side by side, and shortly after one another, share one reading of the ledger", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: { metricsFreshMs: 60_000 } });
  await scrape(world);
  const readings = async (): Promise<number> => {
    const [row] = await world.sql<{ calls: number }[]>`
      select sum(seq_scan + coalesce(idx_scan, 0))::int as calls from pg_stat_user_tables where relname = 'sync_queue'`;
    return row?.calls ?? 0;
  };
  const before = await readings();
  await Promise.all(Array.from({ length: 50 }, () => scrape(world)));
  expect(await readings()).toBe(before);
});

test("a scrape answers while Postgres is frozen, with the last values and their age", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: { metricsFreshMs: 0 } });
  await scrape(world);
  // Whoever locks the queue keeps its readers waiting, as a server does that is out of breath.
  const locker = await world.sql.reserve();
  await locker`begin`;
  await locker`lock table mnemosync.sync_queue in access exclusive mode`;
  const families = await scrape(world);
  expect(sampleValue(families, "mnemosync_queue_depth", { store: "redis", state: "pending" })).toBe(0);
  expect(sampleValue(families, "mnemosync_readings_age_seconds")).toBeGreaterThan(0.5);
  await locker`rollback`;
  locker.release();
});
