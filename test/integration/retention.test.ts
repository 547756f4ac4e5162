import { expect, test, vi } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { feedShown } from "../support/feed-shown.ts";
import { openWorld, type World } from "../support/world.ts";

/** Goal: of the past, each namespace keeps what its settings say, by number and by age, and nothing that readers still need goes. */

vi.setConfig({ testTimeout: 240_000 });

const DAY_MS = 86_400_000;
const SETTINGS = {
  historyVersionsMax: 2,
  retention: {
    historyMs: DAY_MS,
    evidenceMs: DAY_MS,
    namespaces: [
      { namespace: "long", historyVersionsMax: 5, historyMs: 0, evidenceMs: 0 },
      { namespace: "short", historyVersionsMax: 1 },
    ],
  },
};

async function write(world: World, namespace: string, versions: number, memoryId = "m"): Promise<void> {
  for (let version = 1; version <= versions; version++) {
    await world.put(world.memory(version, { namespace, memoryId, content: `version ${version}` }));
  }
}

/** @returns the result of the job, which is shown every write before it unless `isHeld`. */
async function prune(world: World, isHeld = false): Promise<unknown> {
  if (!isHeld) await feedShown(world);
  const started = await world.sync.jobs.start("retention", {});
  if (started.outcome !== "started") throw new Error(`the job is ${started.outcome}`);
  let last = started.job;
  for await (const job of world.sync.jobs.changes(started.job.id)) last = job;
  expect(last.state).toBe("done");
  return world.sync.jobs.resultOf(last);
}

async function kept(world: World, namespace: string, memoryId = "m"): Promise<number[]> {
  const rows = await world.sql<{ version: string }[]>`
    select version from mnemosync.memory_bodies where namespace = ${namespace} and memory_id = ${memoryId} order by version`;
  return rows.map(({ version }) => Number(version));
}

async function age(world: World, namespace: string, version: number, days: number): Promise<void> {
  await world.sql`
    update mnemosync.memory_bodies set modified_at = clock_timestamp() - ${days}::int * interval '1 day'
    where namespace = ${namespace} and version <= ${version}`;
}

test("history is kept by number and by age, and a namespace may have numbers and ages of its own", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: SETTINGS });
  for (const namespace of ["default", "long", "short"]) await write(world, namespace, 5);
  const shown = async (namespace: string): Promise<number[]> =>
    (await world.sync.history("m", { namespace })).map(({ version }) => version);
  expect([await shown("default"), await shown("long"), await shown("short")]).toEqual([
    [5, 4, 3],
    [5, 4, 3, 2, 1],
    [5, 4],
  ]);
  for (const namespace of ["default", "long"]) await age(world, namespace, 3, 2);
  await age(world, "short", 5, 2); // The current version stays, however old it is.
  expect(await prune(world)).toEqual({ historyVersions: 3 + 4, evidence: 0 });
  expect([await kept(world, "default"), await kept(world, "long"), await kept(world, "short")]).toEqual([
    [4, 5],
    [1, 2, 3, 4, 5],
    [5],
  ]);
  expect(await prune(world)).toEqual({ historyVersions: 0, evidence: 0 });
  expect(await world.sync.get("m", { namespace: "short" })).toMatchObject({ version: 5 });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
});

test("the latest version below the feed's horizon stays until readers may have seen a later one", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: SETTINGS });
  await write(world, "default", 1);
  await age(world, "default", 1, 2);
  await feedShown(world);
  const held = await world.sql.reserve();
  await held`begin`;
  await held`select pg_current_xact_id()`; // From here on the feed shows nothing that begins later.
  await write(world, "default", 1, "other");
  await world.put(world.memory(2, { memoryId: "m" }));
  expect(await prune(world, true)).toEqual({ historyVersions: 0, evidence: 0 });
  expect(await kept(world, "default")).toEqual([1, 2]);
  await held`rollback`;
  held.release();
  expect(await prune(world)).toEqual({ historyVersions: 1, evidence: 0 });
  expect(await kept(world, "default")).toEqual([2]);
});

test("settled conflicts are kept by age, pending ones for as long as they wait", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: SETTINGS });
  const insert = async (namespace: string, state: string, days: number): Promise<void> => {
    await world.sql`
      insert into mnemosync.conflict_resolutions (namespace, memory_id, store, kind, strategy, state, evidence, resolved_at)
      values (${namespace}, 'm', 'redis', 'ahead', 'manual', ${state}, 'found', 
              case when ${state} <> 'pending' then clock_timestamp() - ${days}::int * interval '1 day' end)`;
  };
  await insert("default", "resolved", 2);
  await insert("default", "failed", 2);
  await insert("default", "resolved", 0);
  await insert("default", "pending", 2);
  await insert("long", "resolved", 900);
  expect(await prune(world)).toEqual({ historyVersions: 0, evidence: 2 });
  const rows = await world.sql`select namespace, state from mnemosync.conflict_resolutions order by id`;
  expect(rows.map(({ namespace, state }) => `${namespace} ${state}`)).toEqual([
    "default resolved",
    "default pending",
    "long resolved",
  ]);
});

test("the leader prunes by itself, and a node whose settings keep the past by number alone has no such loop", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: SETTINGS });
  world.sync.start();
  expect((await world.sync.status()).services.retention?.state).toBe("running");
  await pollUntil("the job", 60_000, async () =>
    (await world.sync.jobs.list()).some(({ kind, state }) => kind === "retention" && state === "done"),
  );
  const plain = await openWorld(t, { faiss: false });
  expect((await plain.sync.status()).services.retention).toBeUndefined();
});
