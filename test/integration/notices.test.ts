import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { type EventName, type SynchronizerEvents, ValidationError } from "../../src/index.ts";
import { openWorld, type World, type WorldOptions } from "../support/world.ts";
import { recordingLog } from "../unit/faiss/support.ts";

/** Goal: a program is told what happens, with typed payloads, and no listener of it holds up a write. */

type Test = Parameters<typeof openWorld>[0];
type Heard = { [Name in EventName]: SynchronizerEvents[Name][] };

async function openHeard(t: Test, options: WorldOptions = {}): Promise<{ world: World; heard: Heard }> {
  const world = await openWorld(t, { faiss: false, ...options });
  const heard: Heard = {
    drift: [],
    conflict: [],
    repair: [],
    health: [],
    backlog: [],
    "run.failed": [],
    "run.partial": [],
    "connector.stalled": [],
    change: [],
  };
  for (const name of Object.keys(heard) as EventName[]) {
    world.sync.on(name, (event) => void (heard[name] as unknown[]).push(event));
  }
  return { world, heard };
}

const until = (what: string, probe: () => boolean): Promise<void> => pollUntil(what, 60_000, probe);

test("drift, its repair, and the conflict that a strategy decided", async (t) => {
  const { world, heard } = await openHeard(t);
  await world.sync.syncBatch(world.memories(2));
  await world.untilMarked();
  await world.sync.checkConsistency();
  await world.redis.unlink(world.redisKey("m0"));
  // Another content under the same version: both sides may be right.
  const ours = await world.redis.hgetall(world.redisKey("m1"));
  await world.put(world.memory(1, { content: "changed" }));
  await world.untilMarked();
  await world.redis.hset(world.redisKey("m1"), "data", ours.data ?? "", "checksum", ours.checksum ?? "");
  const report = await world.sync.checkConsistency();
  await until("the drift", () => heard.drift.length > 0);
  expect(heard.drift).toEqual([{ scope: "full", findings: report.findings }]);
  expect(report.findings.map(({ memoryId, kind }) => `${memoryId} ${kind}`).toSorted()).toEqual([
    "m0 missing",
    "m1 diverged",
  ]);
  const repair = await world.sync.repairInconsistencies(report, { strategy: "prefer_store" });
  await until("the repair", () => heard.repair.length === 1 && heard.conflict.length === 1);
  expect(heard.repair[0]).toEqual(repair);
  expect(heard.conflict).toMatchObject([
    { namespace: "default", memoryId: "m1", source: "redis", strategy: "prefer_store", outcome: "resolved" },
  ]);
});

test("a store that goes away: its health, what it lacks, and that its backlog waits", async (t) => {
  const settings = { healthCheckIntervalMs: 400, syncIntervalMs: 50, retriesMax: 0, storeFailuresMax: 1_000 };
  const { world, heard } = await openHeard(t, { ownRedis: true, settings });
  world.sync.start();
  await world.put(world.memory(0));
  await world.redisServer?.close();
  expect(await world.put(world.memory(1))).toMatchObject({ status: "degraded" });
  await until("the notices", () => heard.health.some(({ to }) => to === "down") && heard.backlog.length > 0);
  const ofRedis = heard.health.filter(({ store }) => store === "redis");
  expect(ofRedis.find(({ to }) => to === "down")?.reason).toMatch(/./);
  for (const [at, { from }] of ofRedis.entries()) expect(from).toBe(ofRedis[at - 1]?.to ?? from);
  for (const notice of heard.backlog) {
    expect(notice).toMatchObject({ store: "redis", memories: expect.any(Number), error: expect.any(String) });
    expect(["queued", "waiting"]).toContain(notice.state);
  }
});

test("changes of every node are told, and listeners that throw or never end hold up no write", async (t) => {
  const log = recordingLog();
  const { world, heard } = await openHeard(t, { settings: { log } });
  const endThrowing = world.sync.on("change", () => {
    throw new Error("a defect of the listener");
  });
  world.sync.on("change", () => new Promise(() => undefined));
  // Listeners of changes begin at the horizon as it is when they first read it.
  await pollUntil("the first change", 60_000, async () => {
    await world.put(world.memory(0, { content: `again ${performance.now()}` }));
    return heard.change.length > 0;
  });
  const outcomes = await world.sync.syncBatch(world.memories(50, 100));
  expect(outcomes.every(({ status }) => status === "synced")).toBe(true);
  await until("all changes", () => heard.change.filter(({ memoryId }) => memoryId !== "m0").length === 50);
  const told = heard.change.find(({ memoryId }) => memoryId === "m120");
  expect(told).toMatchObject({ kind: "put", version: 1, memory: { content: "memory number 120" } });
  await until("the failures", () => log.events.some(({ event }) => event === "listener.failed"));
  endThrowing();
  endThrowing();
  const before = heard.change.length;
  await world.disconnect();
  expect(heard.change).toHaveLength(before);
});

test("an unknown name, and something that is no function, are refused; a closed synchronizer takes no listener", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const { sync } = world;
  expect(() => sync.on("drfit" as "drift", () => undefined)).toThrow(ValidationError);
  expect(() => sync.on("drfit" as "drift", () => undefined)).toThrow(/name: "drfit": expected drift, conflict, repair/);
  expect(() => sync.on("drift", null as never)).toThrow(/listener: expected a function/);
  await world.disconnect();
  expect(() => sync.on("drift", () => undefined)).toThrow(/closed/);
});

test("a job that failed: which one, and the code of its error", async (t) => {
  const { world, heard } = await openHeard(t);
  const started = await world.sync.jobs.start("repair", { checkJobId: "01ARZ3NDEKTSV4RRFFQ69G5FAV" });
  const jobId = "job" in started ? started.job.id : "";
  await until("the failure", () => heard["run.failed"].length > 0);
  expect(heard["run.failed"]).toEqual([{ jobId, kind: "repair", code: "NOT_FOUND", jobs: 1 }]);
  expect(await world.sync.jobs.get(jobId)).toMatchObject({ state: "failed", error: { code: "NOT_FOUND" } });
});
