import { expect, test } from "vitest";
import { KeywordStore } from "../../examples/keyword-store.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import { type ConnectExtras, MemorySynchronizer, type Options, StoreRefusedError } from "../../src/index.ts";
import type { MemoryChange } from "../../src/stores/index.ts";
import { changeEpoch } from "../support/feed-world.ts";
import { openWorld, type World } from "../support/world.ts";

/** Goal: a store of one node has what every node writes, though it keeps no cursor. Method: two nodes on one ledger. */

const NEVER_MS = 86_400_000;
type Test = Parameters<typeof openWorld>[0];

/** A store of this node that keeps what it is told to, without a name for its contents. */
class NodeStore extends KeywordStore {
  /** Ids that it refuses. */
  readonly refused = new Set<string>();
  published = 0;

  constructor() {
    super("node");
    // Optional in the contract, and a store without it is told apart by its absence.
    Object.defineProperty(this, "generation", { value: undefined });
  }

  override async publish(changes: readonly MemoryChange[], signal: AbortSignal) {
    if (changes.some(({ memoryId }) => this.refused.has(memoryId)))
      throw new StoreRefusedError(this.id, "not this one");
    this.published += changes.length;
    return await super.publish(changes, signal);
  }

  /** `id@version` of the live memories. */
  get live(): string[] {
    const live = [...this.entries.values()].filter(({ state }) => state === "live");
    return live.map(({ memoryId, version }) => `${memoryId}@${version}`).toSorted();
  }
}

async function openNode(
  t: Test,
  world: World,
  store: NodeStore,
  settings: Partial<Options> & ConnectExtras = {},
): Promise<MemorySynchronizer> {
  const node = await MemorySynchronizer.connect({
    ...world.connectOptions,
    nodeId: "second",
    stores: [store],
    ...settings,
  });
  t.onTestFinished(() => node.close());
  return node;
}

const holds = (store: NodeStore, expected: readonly string[]) =>
  pollUntil(`the store holding ${expected.join(", ")}, not ${store.live.join(", ")}`, 60_000, () =>
    expected.every((line, at) => store.live[at] === line && store.live.length === expected.length),
  );

const cursorOf = async (world: World) => {
  const [row] = await world.sql`select name, xid::text as xid, holder from mnemosync.feed_cursors`;
  return row as { name: string; xid: string; holder: string | null } | undefined;
};

test("a new store is filled from the start, then gets what another node writes as soon as it is told", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.sync.syncBatch(world.memories(3));
  await world.sync.delete("m1");
  const store = new NodeStore();
  // It would look by itself once a day: what it has sooner it was told of.
  const node = await openNode(t, world, store, { syncIntervalMs: NEVER_MS });
  node.start();
  await holds(store, ["m0@1", "m2@1"]);
  await world.put(world.memory(7));
  await world.put(world.memory(0, { content: "changed" }));
  await world.sync.delete("m2");
  await holds(store, ["m0@2", "m7@1"]);
  const report = await node.checkConsistency({ scope: "deep" });
  expect(report).toMatchObject({ clean: true, stores: expect.arrayContaining([store.id]) });
  expect(await cursorOf(world)).toMatchObject({ name: "node/second/keywords" });
  await node.close();
  expect(await cursorOf(world)).toMatchObject({ holder: null });
});

test("it goes on where it was after a restart, and a store that came back empty is filled anew", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.sync.syncBatch(world.memories(20));
  const store = new NodeStore();
  const first = await openNode(t, world, store, { syncIntervalMs: 50 });
  first.start();
  await pollUntil("the store being filled", 60_000, () => store.live.length === 20);
  await pollUntil("its place being kept", 60_000, async () => (await cursorOf(world))?.xid !== "0");
  await first.close();
  await world.put(world.memory(100));
  const before = store.published;
  const second = await openNode(t, world, store, { syncIntervalMs: 50 });
  second.start();
  await pollUntil("what it missed", 60_000, () => store.live.includes("m100@1"));
  expect(store.published - before).toBe(1);
  await second.close();

  const empty = new NodeStore();
  const third = await openNode(t, world, empty, { syncIntervalMs: 50 });
  third.start();
  await pollUntil("the empty store being filled", 60_000, () => empty.live.length === 21);
});

test("another epoch has it follow from the start of the feed", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.sync.syncBatch(world.memories(5));
  const store = new NodeStore();
  const node = await openNode(t, world, store, { syncIntervalMs: 50 });
  node.start();
  await pollUntil("the store being filled", 60_000, () => store.live.length === 5);
  // What the new history holds behind an older place: the follower would never see it again from where it stands.
  store.entries.clear();
  await changeEpoch(world.sql);
  await pollUntil("the store being filled again", 60_000, () => store.live.length === 5);
  await world.put(world.memory(50));
  await pollUntil("later writes", 60_000, () => store.live.includes("m50@1"));
});

test("a memory that the store refuses goes to its backlog, and the ones behind it get in", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.sync.syncBatch(world.memories(6));
  const store = new NodeStore();
  store.refused.add("m2");
  const node = await openNode(t, world, store, { syncIntervalMs: 50 });
  node.start();
  await pollUntil("the others being in", 60_000, () => store.live.length === 5);
  await pollUntil("the refused one being queued", 60_000, async () => {
    const queued = await node.backlog.list({ limit: 10 });
    return queued.length === 1 && queued[0]?.memoryId === "m2" && queued[0].store === store.id;
  });
  store.refused.clear();
  await pollUntil("the refused one being in", 60_000, () => store.live.length === 6);
});

test("without start nothing follows, and a store that nothing fills is no reason to wait at close", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.sync.syncBatch(world.memories(2));
  const store = new NodeStore();
  const node = await openNode(t, world, store);
  await node.close();
  expect(store.live).toEqual([]);
  expect(await cursorOf(world)).toBeUndefined();
});
