import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { LiveEntry } from "mnemosync/stores";
import { conformanceCases } from "mnemosync/testing";
import { describe, expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import type { CheckScope, Finding } from "../../src/index.ts";
import { type MemoryInput, MemorySynchronizer, StoreUnavailableError } from "../../src/index.ts";
import { feedShown } from "../support/feed-shown.ts";
import { MEMORY, openService } from "../support/http-service.ts";
import { NodeStore, OwnStore, ShapedStore, withContent } from "../support/own-store.ts";
import { REPOSITORY } from "../support/program.ts";
import { parsePrometheusText, sampleValue } from "../support/prometheus-text.ts";
import { openWorld, type World, type WorldOptions } from "../support/world.ts";

/**
 * Goal: a store that a user registers is a full member of the deployment, with FAISS and Redis or without them. Method: the
 * tests' own store, given to `connect({ stores })`; each test runs in every deployment.
 */

const DEPLOYMENTS: readonly { readonly name: string; readonly options: WorldOptions; readonly others: string[] }[] = [
  { name: "with Redis and FAISS", options: {}, others: ["redis", "faiss"] },
  { name: "without FAISS", options: { faiss: false }, others: ["redis"] },
  { name: "without Redis", options: { redis: false }, others: ["faiss"] },
  { name: "without Redis and FAISS", options: { redis: false, faiss: false }, others: [] },
];

const FAST = { retryDelayMs: 1, retriesMax: 0, storeProbeIntervalMs: 10, metricsFreshMs: 0 };
const OWN = "keywords";

interface Own {
  readonly world: World;
  readonly store: OwnStore;
  /** `applied` (or another answer) by every store of the deployment. */
  all(answer: string): Record<string, string>;
}

type Test = Parameters<typeof openWorld>[0];
type Deployment = (typeof DEPLOYMENTS)[number];

async function openOwn(t: Test, { options, others }: Deployment, settings = {}): Promise<Own> {
  const store = new OwnStore();
  const world = await openWorld(t, { ...options, settings: { ...FAST, ...settings, stores: [store] } });
  const all = (answer: string) => Object.fromEntries(["postgres", ...others, OWN].map((id) => [id, answer]));
  return { world, store, all };
}

test("no line of the sources names the store", async () => {
  const files = await readdir(join(REPOSITORY, "src"), { recursive: true });
  const naming = [];
  for (const file of files.filter((name) => name.endsWith(".ts"))) {
    const text = await readFile(join(REPOSITORY, "src", file), "utf8");
    if (/["'`]keywords["'`]|KeywordStore|keyword-store/.test(text)) naming.push(file);
  }
  expect(naming).toEqual([]);
  expect(files.length).toBeGreaterThan(200);
});

describe("the tests' own store keeps the contract", () => {
  const open = async () => ({ projection: new OwnStore(), close: async () => undefined });
  for (const { group, name, run } of conformanceCases(open)) test(`${group} ${name}`, run);
});

describe.each(DEPLOYMENTS)("an own store $name", (deployment) => {
  test("takes part in writes, deletes, batches and rollbacks", async (t) => {
    const { world, store, all } = await openOwn(t, deployment);
    const faissWithout = deployment.others.includes("faiss") ? { faiss: "not_applicable" } : {};
    expect(await world.put(world.memory(1))).toMatchObject({ version: 1, status: "synced", stores: all("applied") });
    expect(store.live("m1")).toMatchObject({ version: 1 });
    const plain = { ...world.memory(2), embedding: undefined } as unknown as MemoryInput;
    expect((await world.put(plain)).stores).toEqual({ ...all("applied"), ...faissWithout });
    const batch = await world.sync.syncBatch(world.memories(20, 10));
    for (const { stores } of batch) expect(stores).toEqual(all("applied"));
    expect(store.find("default", "15")).toEqual(["m15"]);
    expect(await world.put(world.memory(1))).toMatchObject({ status: "unchanged", stores: all("unchanged") });
    expect(await world.put(world.memory(1, { content: "green tea" }))).toMatchObject({ version: 2 });
    expect(store.find("default", "tea")).toEqual(["m1"]);
    expect(await world.sync.delete("m1")).toMatchObject({ status: "synced", stores: all("applied") });
    expect(store.entry("m1")).toMatchObject({ state: "tombstone", version: 3 });
    expect(await world.sync.rollback("m1", 1)).toMatchObject({ version: 4, stores: all("applied") });
    expect(store.find("default", "tea")).toEqual([]);
    expect(store.live("m1")).toMatchObject({ version: 4 });
    expect(await world.sync.get("m1")).toMatchObject({ version: 4, content: "memory number 1" });
    const status = await world.sync.status();
    expect(Object.keys(status.stores)).toEqual(Object.keys(all("")));
    expect(status.stores[OWN]).toEqual({ state: "healthy", memories: 22 });
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({
      clean: true,
      checked: 22,
      stores: Object.keys(all("")),
    });
  });

  test("is left out while it is away, and gets its backlog when it is back", async (t) => {
    const { world, store, all } = await openOwn(t, deployment, { storeFailuresMax: 3 });
    await world.fill(3);
    store.unplug();
    const without = { ...all("applied"), [OWN]: "pending" };
    for (const number of [10, 11, 12, 13]) {
      expect(await world.put(world.memory(number))).toMatchObject({ status: "degraded", stores: without });
    }
    expect(await world.sync.delete("m0")).toMatchObject({ status: "degraded", stores: { [OWN]: "pending" } });
    // The breaker is open: a write does not even ask.
    const asked = store.publishes;
    expect(await world.put(world.memory(14))).toMatchObject({ stores: { [OWN]: "pending" } });
    expect(store.publishes).toBe(asked);

    expect(await world.sync.status()).toMatchObject({
      stores: { [OWN]: { state: "down", memories: null, reason: expect.stringContaining("unplugged") } },
      backlog: { pending: 6, failed: 0, dead: 0 },
    });
    const queued = await world.sync.backlog.list({ limit: 100 });
    expect(queued.map(({ store: id, memoryId }) => `${id} ${memoryId}`).toSorted()).toEqual(
      ["m0", "m10", "m11", "m12", "m13", "m14"].map((id) => `${OWN} ${id}`).toSorted(),
    );
    const metrics = parsePrometheusText(await world.sync.metrics.text());
    expect(sampleValue(metrics, "mnemosync_queue_depth", { store: OWN, state: "pending" })).toBe(6);
    expect(sampleValue(metrics, "mnemosync_store_up", { store: OWN })).toBe(0);
    expect(sampleValue(metrics, "mnemosync_health_checks_total", { store: OWN, outcome: "down" })).toBeGreaterThan(0);
    await expect(world.sync.checkConsistency()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", store: OWN });

    store.plugIn();
    await pollUntil("the backlog being drained", 30_000, async () => {
      await world.sync.backlog.drain();
      return (await world.sync.status()).backlog.pending === 0;
    });
    expect(store.live("m14")).toMatchObject({ version: 1 });
    expect(store.entry("m0")).toMatchObject({ state: "tombstone", version: 2 });
    expect(await world.put(world.memory(15))).toMatchObject({ status: "synced", stores: all("applied") });
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  });

  test("fails a write under onStoreDown reject, which then leaves no trace", async (t) => {
    const { world, store } = await openOwn(t, deployment, { onStoreDown: "reject" });
    await world.fill(1);
    const before = await world.footprint();
    store.unplug();
    await expect(world.put(world.memory(5))).rejects.toThrow(StoreUnavailableError);
    await expect(world.put(world.memory(5))).rejects.toMatchObject({ store: OWN, retryable: true });
    expect(await world.footprint()).toEqual(before);
    expect(store.entry("m5")).toBeUndefined();
  });

  test("has drift of every kind found, named, repaired and kept as evidence", async (t) => {
    const { world, store } = await openOwn(t, deployment);
    await expectEveryKind(world, store, DRIFTS);
  });

  test("is in the documents of HTTP", async (t) => {
    const store = new OwnStore();
    const { options, others } = deployment;
    // Its loop, which the service has started, leaves the drift to the job.
    const settings = { ...FAST, storeFailuresMax: 1, stores: [store], repairKinds: [] };
    const service = await openService(t, { world: { ...options, settings } });
    const ids = ["postgres", ...others, OWN];
    const get = async (path: string) => (await service.request("GET", path)).json();
    const PATH = "/v1/namespaces/default/memories";
    const { embedding } = service.world.memory(1);
    const put = await service.request("PUT", `${PATH}/m1`, { body: { ...MEMORY, embedding: [...embedding!] } });
    expect(put.json().stores).toEqual(Object.fromEntries(ids.map((id) => [id, "applied"])));
    expect(Object.keys((await get("/v1/status")).stores)).toEqual(ids);
    expect((await get("/readyz")).stores[OWN]).toEqual({ state: "healthy", reason: null });
    await service.world.untilMarked();
    store.lose("m1");
    const job = (await service.request("POST", "/v1/repairs", { body: { scope: "full" } })).json();
    await pollUntil("the repair", 30_000, async () => (await get(`/v1/jobs/${job.id}`)).endedAt !== null);
    expect((await get(`/v1/jobs/${job.id}`)).result).toMatchObject({ repaired: 1, failed: 0 });
    expect(store.live("m1")).toMatchObject({ version: 1 });
    store.unplug();
    const degraded = await service.request("PUT", `${PATH}/m2`, { body: MEMORY });
    expect(degraded.json()).toMatchObject({ status: "degraded", stores: { [OWN]: "pending" } });
    expect((await get("/v1/queue")).entries).toMatchObject([{ store: OWN, memoryId: "m2" }]);
    // Readings are shared by callers for a while.
    await pollUntil(
      "the status showing it",
      30_000,
      async () => (await get("/v1/status")).stores[OWN].state === "down",
    );
    expect((await get("/v1/status")).stores[OWN]).toMatchObject({ memories: null });
  });

  test("that is empty after its process ended is filled anew, which is no drift", async (t) => {
    const { world } = await openOwn(t, deployment);
    await world.fill(30);
    await world.disconnect();
    // Another process: the same store, with nothing in it.
    const fresh = new OwnStore();
    const { stores: _, ...options } = world.connectOptions;
    const sync = await MemorySynchronizer.connect({
      ...options,
      consistencyCheckIntervalMs: 50,
      stores: [fresh],
    });
    try {
      sync.start();
      await pollUntil("the store being filled", 30_000, async () => fresh.entries.size === 30);
      expect(await sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: 30 });
    } finally {
      await sync.close();
    }
  });
});

/** Damage to one memory of the store at version 2, and what a check has to call it. */
interface Drift {
  readonly what: string;
  readonly kind: Finding["kind"];
  /** The weakest scope that sees it. @default "full" */
  readonly scope?: CheckScope;
  /** @default 2 */
  readonly expectedVersion?: number | null;
  readonly foundVersion: number | null;
  inject(world: World, store: OwnStore, memoryId: string, earlier: LiveEntry): void | Promise<void>;
  /** Whether the memory is deleted before. `earlier` is its last version then. */
  readonly isDeleted?: true;
  /** The content and the version in the ledger after the repair. @default the content of version 2 */
  readonly after?: { readonly version: number; readonly content: string } | null;
}

const HOUR_MS = 3_600_000;

const DRIFTS: readonly Drift[] = [
  {
    what: "an entry was lost",
    kind: "missing",
    foundVersion: null,
    inject: (_world, store, id) => store.lose(id),
  },
  {
    what: "the version before came back",
    kind: "stale",
    foundVersion: 1,
    inject: (_world, store, _id, earlier) => store.forge(earlier),
  },
  {
    what: "a version that the ledger never gave out, older than the ledger's",
    kind: "ahead",
    foundVersion: 9,
    inject: (_world, store, id) => {
      const live = store.live(id);
      store.forge(withContent(live, "ahead", { version: 9, modifiedAt: (live.modifiedAt ?? 0) - HOUR_MS }));
    },
  },
  {
    what: "a version that the ledger never gave out, newer than the ledger's",
    kind: "ahead",
    foundVersion: 9,
    inject: (_world, store, id) => {
      const live = store.live(id);
      store.forge(withContent(live, "ahead", { version: 9, modifiedAt: (live.modifiedAt ?? 0) + HOUR_MS }));
    },
    after: { version: 3, content: "ahead" },
  },
  {
    what: "another content of the same version, older",
    kind: "diverged",
    foundVersion: 2,
    inject: (_world, store, id) => {
      const live = store.live(id);
      store.forge(withContent(live, "diverged", { modifiedAt: (live.modifiedAt ?? 0) - HOUR_MS }));
    },
  },
  {
    what: "another content of the same version, newer",
    kind: "diverged",
    foundVersion: 2,
    inject: (_world, store, id) => {
      const live = store.live(id);
      store.forge(withContent(live, "diverged", { modifiedAt: (live.modifiedAt ?? 0) + HOUR_MS }));
    },
    after: { version: 3, content: "diverged" },
  },
  {
    what: "one bit of the document flipped",
    kind: "corrupt",
    scope: "deep",
    foundVersion: 2,
    inject: (_world, store, id) => {
      const live = store.live(id);
      const documentJson = Buffer.from(live.data?.documentJson ?? "");
      documentJson[20]! ^= 4;
      store.forge({ ...live, data: { embedding: null, versionVector: null, ...live.data, documentJson } });
    },
  },
  {
    what: "something that is no entry",
    kind: "corrupt",
    foundVersion: null,
    inject: (_world, store, memoryId) =>
      store.forge({
        state: "malformed",
        namespace: "default",
        memoryId,
        reason: "not an entry of ours",
        raw: Buffer.from("?"),
      }),
  },
  {
    what: "a deleted memory is shown again",
    kind: "resurrected",
    expectedVersion: 3,
    foundVersion: 2,
    isDeleted: true,
    inject: (_world, store, _id, last) => store.forge(last),
    after: null,
  },
];

/** A check of a store of this node follows the feed first, which would mend what it has not shown until now. */
async function expectEveryKind(world: World, store: OwnStore, drifts: readonly Drift[]): Promise<void> {
  const contents = drifts.map((_, index) => world.memory(index, { content: `before ${index}` }));
  await world.sync.syncBatch(contents);
  const earlier = drifts.map((_, index) => store.live(`m${index}`));
  await world.sync.syncBatch(drifts.map((_, index) => world.memory(index)));
  await world.put(world.memory(1_000));
  for (const [index, { isDeleted }] of drifts.entries()) {
    if (!isDeleted) continue;
    earlier[index] = store.live(`m${index}`);
    await world.sync.delete(`m${index}`);
  }
  await feedShown(world);
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  for (const [index, drift] of drifts.entries()) {
    await drift.inject(world, store, `m${index}`, earlier[index] as LiveEntry);
  }
  // Orphans: whole, and malformed.
  store.forge({ ...withContent(store.live("m1000"), "unknown to the ledger"), memoryId: "orphan" });
  store.forge({
    state: "malformed",
    namespace: "default",
    memoryId: "rubbish",
    reason: "rubbish",
    raw: Buffer.from("!"),
  });

  const expected = (scopes: readonly string[]) =>
    [
      ...drifts.flatMap(({ kind, scope = "full", expectedVersion = 2, foundVersion }, index) =>
        scopes.includes(scope) ? [{ memoryId: `m${index}`, kind, expectedVersion, foundVersion }] : [],
      ),
      { memoryId: "orphan", kind: "orphan", expectedVersion: null, foundVersion: 1 },
      { memoryId: "rubbish", kind: "orphan", expectedVersion: null, foundVersion: null },
    ].map((finding) => ({ ...finding, namespace: "default", store: OWN, evidence: expect.stringMatching(/\S/) }));
  const byId = <T extends { memoryId: string }>(list: readonly T[]) =>
    list.toSorted((a, b) => (a.memoryId < b.memoryId ? -1 : 1));

  const full = await world.sync.checkConsistency({ scope: "full" });
  expect(byId(full.findings)).toEqual(byId(expected(["full"])));
  const deep = await world.sync.checkConsistency({ scope: "deep" });
  expect(byId(deep.findings)).toEqual(byId(expected(["full", "deep"])));
  expect(deep.byMemory).toMatchObject({ m0: [OWN], orphan: [OWN] });
  const metrics = parsePrometheusText(await world.sync.metrics.text());
  expect(sampleValue(metrics, "mnemosync_consistency_errors_total", { store: OWN, kind: "orphan" })).toBe(4);

  const repair = await world.sync.repairInconsistencies(deep, { strategy: "latest_wins" });
  expect(repair, JSON.stringify(repair.details, null, 1)).toMatchObject({
    repaired: drifts.length + 2,
    failed: 0,
    deferred: 0,
  });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  for (const [index, { after, what }] of drifts.entries()) {
    const memory = await world.sync.get(`m${index}`);
    const wanted = after === undefined ? { version: 2, content: world.memory(index).content } : after;
    if (wanted === null) expect(memory, what).toBeNull();
    else expect(memory, what).toMatchObject(wanted);
  }
  expect(await world.sync.get("orphan")).toMatchObject({ content: "unknown to the ledger", version: 1 });
  expect(store.entry("rubbish")).toBeUndefined();
  const kept = await world.sql<{ memory_id: string; kind: string; state: string }[]>`
    select memory_id, kind, state from mnemosync.conflict_resolutions where store = ${OWN} order by memory_id`;
  expect(kept.map(({ memory_id, kind, state }) => `${memory_id} ${kind} ${state}`)).toEqual(
    byId(expected(["full", "deep"])).map(({ memoryId, kind }) => `${memoryId} ${kind} resolved`),
  );
  const repaired = parsePrometheusText(await world.sync.metrics.text());
  const labels = { store: OWN, kind: "stale", outcome: "repaired" };
  expect(sampleValue(repaired, "mnemosync_repairs_total", labels)).toBe(1);
}

describe("an own store that takes vectors of one shape", () => {
  const open = async (t: Test) => {
    const store = new ShapedStore();
    const settings = { ...FAST, embedding: { provider: "hashing" as const }, stores: [store] };
    const world = await openWorld(t, { redis: false, faiss: false, settings });
    return { store, world };
  };

  test("has writes of another one refused, and texts embedded in its own", async (t) => {
    const { world, store } = await open(t);
    await expect(world.sync.syncMemory("m1", { ...world.memory(1), embedding: [1, 2, 3] })).rejects.toMatchObject({
      code: "VALIDATION",
      message: "embedding: has 3 numbers, and the index holds vectors of 8",
    });
    const named = { ...world.memory(1), embeddingModel: "other" };
    await expect(world.put(named)).rejects.toMatchObject({ code: "VALIDATION", path: "embeddingModel" });
    await world.sync.syncMemory("m2", { content: "only words", memoryType: "t" });
    expect(await world.sync.get("m2")).toMatchObject({ embeddingModel: "mnemosync-hash-v1-8" });
    expect(store.live("m2")).toMatchObject({ version: 1 });
  });

  test("gets no foreign vector from its backlog, and a check finds the memory and a repair embeds it anew", async (t) => {
    const { world, store } = await open(t);
    await world.fill(1);
    // Another node, which does not run the store.
    const { stores: _, embedding: __, ...options } = world.connectOptions;
    const other = await MemorySynchronizer.connect({ ...options, nodeId: "other" });
    try {
      const wide = await other.syncMemory("wide", { content: "wide", memoryType: "t", embedding: Array(16).fill(0.5) });
      expect(wide).toMatchObject({ status: "degraded", stores: { [OWN]: "pending" } });
      await other.syncMemory("plain", { content: "plain", memoryType: "t" });
    } finally {
      await other.close();
    }
    expect(await world.sync.backlog.drain()).toBe(2);
    expect(store.live("plain")).toMatchObject({ version: 1 });
    // The version and the checksum are right: only a check that reads the vector tells.
    const report = await world.sync.checkConsistency({ scope: "deep" });
    expect(report.findings).toMatchObject([
      { memoryId: "wide", store: OWN, kind: "foreign", evidence: expect.stringMatching(/16 numbers.*vectors of 8/) },
    ]);
    expect(await world.sync.repairInconsistencies(report)).toMatchObject({ repaired: 1, failed: 0 });
    expect(await world.sync.get("wide")).toMatchObject({ version: 2, embeddingModel: "mnemosync-hash-v1-8" });
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  });
});

describe.each([DEPLOYMENTS[0]!, DEPLOYMENTS[3]!])("an own store of each node $name", ({ options, others }) => {
  /** Two nodes with a store of each one's own. The second one's index, where there is one, is in a folder of its own. */
  const openNodes = async (t: Test) => {
    const stores = [new NodeStore(), new NodeStore()] as const;
    const world = await openWorld(t, { ...options, settings: { ...FAST, syncIntervalMs: 50, stores: [stores[0]] } });
    const { faiss } = world.connectOptions;
    const folder = join(world.directory, "second");
    const connectSecond = async (store: OwnStore) =>
      await MemorySynchronizer.connect({
        ...world.connectOptions,
        ...(faiss && { faiss: { ...faiss, directory: folder } }),
        nodeId: "second",
        stores: [store],
      });
    return { world, stores, connectSecond };
  };

  test("has what the other node writes, and is checked by its own node", async (t) => {
    const { world, stores, connectSecond } = await openNodes(t);
    await world.fill(5);
    const second = await connectSecond(stores[1]);
    try {
      second.start();
      await pollUntil("the new store being filled", 60_000, () => stores[1].entries.size === 5);
      await world.sync.delete("m0");
      expect(await world.put(world.memory(9))).toMatchObject({ status: "synced", stores: { [OWN]: "applied" } });
      const written = await second.syncMemory("own", { content: "of the second node", memoryType: "t" });
      expect(written.stores).toMatchObject({ [OWN]: "applied", ...(others.includes("redis") && { redis: "applied" }) });
      await pollUntil("both changes", 60_000, () => stores[1].find("default", "9").length === 1);
      await pollUntil("the deletion", 60_000, () => stores[1].entry("m0")?.state === "tombstone");
      expect(await second.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: 6 });
      // The first node runs no loops: its check brings its store up to date by itself.
      expect(stores[0].find("default", "second")).toEqual([]);
      expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: 6 });
      expect(stores[0].find("default", "second")).toEqual(["own"]);
      expect((await second.status()).stores[OWN]).toEqual({ state: "healthy", memories: 6 });
    } finally {
      await second.close();
    }
  });

  test("has drift of every kind found and repaired", async (t) => {
    const { world, stores } = await openNodes(t);
    await expectEveryKind(world, stores[0], DRIFTS);
  });
});
