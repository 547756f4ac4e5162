import { expect, onTestFinished, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import type { BatchProgress } from "../../src/index.ts";
import { unitVector } from "../support/memories.ts";
import { openWorld, type World } from "../support/world.ts";

/** Goal: a crash of the FAISS host costs time, never a true outcome. Method: SIGKILL at chosen moments. */

function killHost(world: World): void {
  const pid = world.index.hostPid;
  if (pid !== null) process.kill(pid, "SIGKILL");
}

/** Until the synchronizer uses the index again: its breaker is probed once a second. */
async function untilIndexIsBack(world: World): Promise<void> {
  await pollUntil("the index being back", 60_000, async () => {
    try {
      await world.sync.search(unitVector(1, 8), { k: 1 });
      return true;
    } catch (error) {
      expect(error).toMatchObject({ code: "STORE_UNAVAILABLE", store: "faiss", retryable: true });
      return false;
    }
  });
}

test("a host that is killed again and again during a batch: every outcome is true, and a repair makes all agree", async (t) => {
  const world = await openWorld(t, {
    clients: "own",
    settings: { batchSize: 25, publishDeadlineMs: 100, prepareTimeoutMs: 2_000, retryDelayMs: 1 },
  });
  let kills = 0;
  const onProgress = ({ done }: BatchProgress) => {
    if (done % 250 === 0) {
      kills++;
      killHost(world);
    }
  };
  const outcomes = await world.sync.syncBatch(world.memories(1_000), { onProgress });
  expect(kills).toBeGreaterThanOrEqual(3);
  expect(outcomes).toHaveLength(1_000);
  await untilIndexIsBack(world);

  const held = await world.index.read(
    outcomes.map(({ memoryId }) => ({ namespace: "default", memoryId })),
    { data: false },
    AbortSignal.timeout(60_000),
  );
  const queued = new Set(
    (await world.sql`select memory_id from mnemosync.sync_queue where store = 'faiss'`).map((row) => row.memory_id),
  );
  outcomes.forEach(({ memoryId, status, stores }, number) => {
    // No store but the index was touched, so no write may fail.
    expect([memoryId, stores.postgres, stores.redis]).toEqual([memoryId, "applied", "applied"]);
    if (status === "synced")
      expect([memoryId, stores.faiss, held[number]?.state]).toEqual([memoryId, "applied", "live"]);
    else {
      expect([memoryId, status, stores.faiss]).toEqual([memoryId, "degraded", "pending"]);
      expect(queued).toContain(memoryId);
    }
  });

  await pollUntil("the queue's rows being overdue", 30_000, async () => {
    const rows = await world.sql`
      select 1 from mnemosync.sync_queue where enqueued_at > clock_timestamp() - interval '110 milliseconds'`;
    return rows.length === 0;
  });
  const report = await world.sync.checkConsistency({ scope: "deep" });
  expect(report.findings.every(({ store, kind }) => store === "faiss" && kind === "missing")).toBe(true);
  const repair = await world.sync.repairInconsistencies(report);
  expect(repair).toMatchObject({ repaired: report.findings.length, failed: 0, deferred: 0 });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: 1_000 });
  expect(await world.sync.search(unitVector(500, 8), { k: 1_000 })).toHaveLength(1_000);
});

test.each(["locked", "prepared", "committed", "published"] as const)(
  "a host that dies at the moment %s: the outcome is true, and the program goes on",
  async (moment) => {
    const state: { world?: World; armed: boolean } = { armed: false };
    const onStep = (step: string) => {
      if (state.armed && step === moment) {
        state.armed = false;
        killHost(state.world!);
      }
    };
    const world = await openWorld(
      { onTestFinished },
      { clients: "own", settings: { onStep, publishDeadlineMs: 100, retryDelayMs: 1 } },
    );
    state.world = world;
    await world.fill(5);
    state.armed = true;
    const outcomes = await world.sync.syncBatch([
      world.memory(1, { content: "changed", embedding: unitVector(101, 8) }),
      world.memory(50),
    ]);
    await untilIndexIsBack(world);
    for (const { memoryId, version, status, stores } of outcomes) {
      expect(["synced", "degraded"]).toContain(status);
      const [entry] = await world.index.read(
        [{ namespace: "default", memoryId }],
        { data: false },
        AbortSignal.timeout(60_000),
      );
      if (stores.faiss === "applied") expect(entry).toMatchObject({ state: "live", version });
    }
    const report = await world.sync.checkConsistency({ scope: "deep" });
    await world.sync.repairInconsistencies(report);
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: 6 });
    const [nearest] = await world.sync.search(unitVector(101, 8), { k: 1 });
    expect(nearest?.memory).toMatchObject({ memoryId: "m1", version: 2 });
    expect(await world.put(world.memory(60))).toMatchObject({ status: "synced" });
  },
);

test("a search goes on once the host is back; until then it waits or says so, within its own deadline", async (t) => {
  const world = await openWorld(t, { clients: "own" });
  await world.fill(30);
  killHost(world);
  await untilIndexIsBack(world);
  expect(await world.sync.search(unitVector(3, 8), { k: 30 })).toHaveLength(30);
  const killed = world.index.hostPid;
  killHost(world);
  await pollUntil("the end being noticed", 30_000, () => world.index.hostPid !== killed); // The next one may be there.
  const startedAt = performance.now();
  await expect(world.sync.search(unitVector(3, 8), { k: 30, timeoutMs: 1 })).rejects.toMatchObject({
    code: expect.stringMatching(/^(DEADLINE_EXCEEDED|STORE_UNAVAILABLE)$/),
  });
  expect(performance.now() - startedAt).toBeLessThan(5_000);
});
