import { expect, onTestFinished, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { type ConnectOptions, MemorySynchronizer } from "../../src/index.ts";
import { feedShown } from "../support/feed-shown.ts";
import { unitVector } from "../support/memories.ts";
import { openWorld, type World } from "../support/world.ts";
import { temporaryFolder } from "../unit/faiss/support.ts";

/** Goal: what one node writes another node finds. Method: two synchronizers on the same Postgres and Redis. */

const DIMENSION = 8;
const NEVER_MS = 86_400_000;

/** A second node, with an index of its own. */
async function openSecond(
  world: World,
  directory: string,
  settings: Partial<ConnectOptions> = {},
): Promise<MemorySynchronizer> {
  const { faiss: _, ...options } = world.connectOptions;
  const second = await MemorySynchronizer.connect({
    ...options,
    faiss: { directory, dimension: DIMENSION },
    ...settings,
  });
  onTestFinished(() => second.close());
  return second;
}

async function folder(): Promise<string> {
  const { path, remove } = await temporaryFolder();
  onTestFinished(remove);
  return path;
}

async function untilFound(sync: MemorySynchronizer, number: number, version = 1): Promise<void> {
  await pollUntil(`m${number} being found`, 60_000, async () => {
    const [best] = await sync.search(unitVector(number, DIMENSION), { k: 1 });
    return best?.memory.memoryId === `m${number}` && best.memory.version === version && best.score > 0.999;
  });
}

const listeners = (world: World) => world.sql<{ pid: number }[]>`
  select pid from pg_stat_activity where datname = current_database() and query ilike 'listen %'`;

test("a node applies another node's writes, updates and deletes as soon as it is notified", async (t) => {
  const world = await openWorld(t);
  // It would look by itself once a day: what it finds sooner it was told of.
  const second = await openSecond(world, await folder(), { syncIntervalMs: NEVER_MS });
  second.start();
  await pollUntil("the second node listening", 60_000, async () => (await listeners(world)).length === 1);
  for (let number = 0; number < 5; number++) {
    await world.put(world.memory(number));
    await untilFound(second, number);
  }
  await world.put({ ...world.memory(1), embedding: unitVector(500, DIMENSION) });
  await pollUntil("the vector having moved", 60_000, async () => {
    const [best] = await second.search(unitVector(500, DIMENSION), { k: 1 });
    return best?.memory.memoryId === "m1" && best.memory.version === 2;
  });
  await world.sync.delete("m2");
  await pollUntil("the deleted one being gone", 60_000, async () => {
    const results = await second.search(unitVector(2, DIMENSION), { k: 100 });
    return results.length === 4 && results.every(({ memory }) => memory.memoryId !== "m2");
  });
});

test("without notifications a node finds changes by polling, and listens again once it can", async (t) => {
  const world = await openWorld(t);
  const second = await openSecond(world, await folder(), { syncIntervalMs: 200 });
  second.start();
  await pollUntil("the second node listening", 60_000, async () => (await listeners(world)).length === 1);
  const [first] = await listeners(world);
  await world.sql`select pg_terminate_backend(${first?.pid ?? 0})`;
  await world.put(world.memory(1));
  await untilFound(second, 1);
  await pollUntil("it listening again", 60_000, async () => {
    const [again] = await listeners(world);
    return again !== undefined && again.pid !== first?.pid;
  });
});

test("a restarted node catches up with exactly the changes that its snapshot lacks", async (t) => {
  const world = await openWorld(t);
  const directory = await folder();
  await world.sync.syncBatch(world.memories(100));
  await feedShown(world);
  const before = await openSecond(world, directory);
  await untilFound(before, 99);
  await before.close();
  await world.sync.syncBatch([...world.memories(10, 100), { ...world.memory(3), content: "changed" }]);
  await world.sync.delete("m4");
  await feedShown(world);
  const progress: { read: number; applied: number }[] = [];
  const log = {
    debug: () => undefined,
    warn: () => undefined,
    error: () => undefined,
    info: (fields: object, event: string) => {
      if (event === "index.caught_up") progress.push(fields as { read: number; applied: number });
    },
  };
  const after = await openSecond(world, directory, { log });
  expect(progress).toMatchObject([{ read: 12, applied: 12 }]);
  await untilFound(after, 105);
  await untilFound(after, 3, 2);
  expect(await after.search(unitVector(1, DIMENSION), { k: 200 })).toHaveLength(109);
});

test("clients that the caller provides are notified too, and nothing listens after close", async (t) => {
  const world = await openWorld(t, { clients: "own", settings: { syncIntervalMs: NEVER_MS } });
  world.sync.start();
  await pollUntil("it listening", 60_000, async () => (await listeners(world)).length === 1);
  const other = await openSecond(world, await folder());
  await other.syncMemory("m7", { content: "from elsewhere", memoryType: "note", embedding: unitVector(7, DIMENSION) });
  await untilFound(world.sync, 7);
  expect(world.index.lagMs).toBeTypeOf("number");
  expect((await world.index.statistics(AbortSignal.timeout(90_000))).lagMs).toBeGreaterThanOrEqual(0);
  await world.sync.close();
  await pollUntil("nobody listening", 60_000, async () => (await listeners(world)).length === 0);
});
