import { randomBytes } from "node:crypto";
import { describe, test, vi } from "vitest";
import { pause, pollUntil } from "../../src/dev/wait.ts";
import { MemorySynchronizer, MnemosyncError, type SyncOutcome } from "../../src/index.ts";
import { FaultServers } from "../support/fault-servers.ts";
import { sampleMemory } from "../support/memories.ts";
import { parsePrometheusText, sampleValue } from "../support/prometheus-text.ts";
import { createTestDatabase } from "../support/template-database.ts";

/**
 * Goal: under load, a server that is restarted, frozen or cut off shows in health and metrics at the second check that
 * fails at the latest, and all is well again without help. That two checks fit into two intervals is shown on a clock that
 * is moved by hand, in test/unit/connection.
 */

vi.setConfig({ testTimeout: 400_000 });

const INTERVAL_MS = 500;
const FROZEN_MS = 10_000;
/** Milliseconds for what takes one or two on an idle machine. Below the minute of a claim's lease: nothing may wait for its end. */
const WAIT_MS = 45_000;

interface Fault {
  readonly name: string;
  begin(servers: FaultServers): Promise<void>;
  /** Milliseconds that the fault lasts beyond its discovery. */
  readonly lastsMs: number;
}

const faultsOf = (store: "postgres" | "redis"): Fault[] => [
  { name: "restart", lastsMs: 0, begin: (servers) => servers[store].stop() },
  { name: "cut off", lastsMs: 0, begin: (servers) => servers[`${store}Proxy`].refuse() },
  { name: "freeze of 10 s", lastsMs: FROZEN_MS, begin: (servers) => servers[store].freeze() },
];

describe.concurrent("health and metrics follow", () => {
  for (const store of ["postgres", "redis"] as const) {
    test(`${store}: restarted, cut off and frozen under load`, async ({ expect: expected, onTestFinished }) => {
      const servers = await FaultServers.start();
      onTestFinished(() => servers.close());
      const database = await createTestDatabase(servers.postgres.url);
      const sync = await MemorySynchronizer.connect({
        postgresUrl: servers.postgresProxy.through(database.url),
        redisUrl: servers.redisProxy.through(servers.redis.url),
        redisPrefix: `health-${randomBytes(4).toString("hex")}`,
        postgresConnectionsMin: 2,
        healthCheckIntervalMs: INTERVAL_MS,
        reconnectIntervalMs: 100,
        metricsFreshMs: 0,
        syncIntervalMs: 50,
        callTimeoutMs: 2_000,
        prepareTimeoutMs: 300,
        publishTimeoutMs: 300,
        publishDeadlineMs: 500,
        retriesMax: 0,
      });
      onTestFinished(async () => {
        await sync.close();
        await database.drop();
      });
      sync.start();
      const load = new Load(sync);
      onTestFinished(() => load.stop());
      await load.writes(20);
      const health = () => sync.health()[store]!;
      const metric = async (name: string, labels: Record<string, string> = { store }): Promise<number> =>
        sampleValue(parsePrometheusText(await sync.metrics.text()), `mnemosync_${name}`, labels) ?? Number.NaN;
      for (const fault of faultsOf(store)) {
        await pollUntil(`${store} being healthy before a ${fault.name}`, WAIT_MS, () => health().state === "healthy");
        const before = health();
        const startedAt = performance.now();
        const [after] = await Promise.all([
          pollUntil(`${store} being down after a ${fault.name}`, WAIT_MS, () => health().state === "down").then(health),
          fault.begin(servers), // A server takes its time to end, in which more checks may fail.
        ]);
        const downMs = performance.now() - startedAt;
        const failed = after.checksFailed - before.checksFailed;
        expected(failed).toBeGreaterThanOrEqual(2);
        expected(failed).toBeLessThanOrEqual(2 + 1); // A third may have failed before this test looked.
        // One check may have been under way, and well, when the fault began.
        expected(after.checks - before.checks).toBeLessThanOrEqual(2 + 1 + 1);
        expected(await metric("store_up")).toBe(0);
        expected(await metric("health_checks_total", { store, outcome: "down" })).toBeGreaterThanOrEqual(
          after.checksFailed,
        );
        await pause(fault.lastsMs);
        expected(health().state).toBe("down");
        await servers.heal();
        const healedAt = performance.now();
        await pollUntil(`${store} being healthy after a ${fault.name}`, WAIT_MS, () => health().state === "healthy");
        const healthyMs = performance.now() - healedAt;
        expected(await metric("store_up")).toBe(1);
        await load.until(`a write that is synced after a ${fault.name}`, (outcome) => outcome.status === "synced");
        const syncedMs = performance.now() - healedAt;
        const times = [downMs, healthyMs, syncedMs].map((milliseconds) => `${milliseconds.toFixed(0)} ms`);
        process.stdout.write(
          `${store}, ${fault.name}, checked every ${INTERVAL_MS} ms: down after ${times[0]} and ${after.checks - before.checks} ` +
            `checks; over again, healthy after ${times[1]}, a write to all stores after ${times[2]}\n`,
        );
      }
      await load.stop();
      // Whatever was acknowledged is there, and the stores agree.
      await pollUntil("the backlog being worked off", WAIT_MS, async () => {
        const { backlog } = await sync.status();
        return backlog.pending + backlog.dead === 0;
      }).catch(async (error: Error) => {
        throw new Error(`${error.message}: ${JSON.stringify(await sync.backlog.list({ limit: 20 }))}`, {
          cause: error,
        });
      });
      expected(await sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
      for (const [memoryId, version] of load.acknowledged) {
        const memory = await sync.get(memoryId);
        expected([memoryId, (memory?.version ?? 0) >= version]).toEqual([memoryId, true]);
      }
      expected(load.acknowledged.size).toBeGreaterThan(0);
    });
  }
});

/** Writes one memory after the other, from four sides, until it is stopped. */
class Load {
  /** Versions that an outcome claimed, by memory. */
  readonly acknowledged = new Map<string, number>();
  readonly #sync: MemorySynchronizer;
  readonly #watchers = new Set<(outcome: SyncOutcome) => void>();
  readonly #workers: Promise<void>[];
  #stopped = false;
  #turn = 0;

  constructor(sync: MemorySynchronizer) {
    this.#sync = sync;
    this.#workers = Array.from({ length: 4 }, () => this.#work());
  }

  async writes(count: number): Promise<void> {
    await pollUntil(`${count} writes`, WAIT_MS, () => this.#turn >= count);
  }

  async until(what: string, wanted: (outcome: SyncOutcome) => boolean): Promise<void> {
    let seen = false;
    const watcher = (outcome: SyncOutcome): void => {
      seen ||= wanted(outcome);
    };
    this.#watchers.add(watcher);
    await pollUntil(what, WAIT_MS, () => seen);
    this.#watchers.delete(watcher);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#workers);
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      const turn = this.#turn++;
      const { memoryId, ...memory } = sampleMemory(turn % 50, 8, { content: `turn ${turn}` });
      try {
        const outcome = await this.#sync.syncMemory(memoryId, memory);
        this.acknowledged.set(memoryId, Math.max(outcome.version, this.acknowledged.get(memoryId) ?? 0));
        for (const watcher of this.#watchers) watcher(outcome);
      } catch (error) {
        if (!(error instanceof MnemosyncError)) throw error;
      }
      await pause(5);
    }
  }
}
