import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type ConflictPolicy, type EdgeStore, HubError } from "../../../src/edge/index.ts";
import { edgeWorld, note } from "../../support/edges.ts";

const full = (content: string, more: object = {}) =>
  ({ privacy: "full", content, memoryType: "note", importance: 0.5, metadata: {}, embedding: null, ...more }) as const;

/** Two edges that have memory m1 in sync, then edit it: b first and synced, a five seconds later and unsent. */
async function bothEdited(conflictPolicy: ConflictPolicy, options: { readonly aFirst?: boolean } = {}) {
  const world = edgeWorld();
  const a = await world.open({ conflictPolicy });
  const b = await world.open({ conflictPolicy });
  await a.put("m1", note("base", { importance: 0.1, metadata: { from: "base" } }));
  await a.syncNow();
  await b.syncNow();
  const editA = () => a.patch("m1", { content: "from a" });
  const editB = () => b.patch("m1", { importance: 0.9, metadata: { more: "b" } });
  world.clock.advance(5_000);
  if (options.aFirst) await editA();
  else await editB();
  world.clock.advance(5_000);
  if (options.aFirst) await editB();
  else await editA();
  await b.syncNow();
  return { ...world, a, b };
}

async function converge(...edges: EdgeStore[]): Promise<void> {
  for (let round = 0; round < 3; round++) for (const edge of edges) await edge.syncNow();
}

test("what one edge writes, another one gets, with its vector", async () => {
  const { open } = edgeWorld();
  const [a, b] = [await open(), await open()];
  await a.put("m1", note("one", { embedding: [0.5, -1, 2], metadata: { tags: ["x"] } }));
  await a.syncNow();
  expect(await b.syncNow()).toMatchObject({ pulled: 1 });
  expect(await b.get("m1")).toMatchObject({ content: "one", metadata: { tags: ["x"] }, version: 1, status: "synced" });
  expect((await b.get("m1"))?.embedding).toEqual(new Float32Array([0.5, -1, 2]));
  await b.delete("m1");
  await b.syncNow();
  await a.syncNow();
  expect(await a.get("m1")).toBeNull();
});

test("pages are applied with their cursor, so an interrupted pull goes on where it was", async () => {
  const { hub, open } = edgeWorld();
  for (let index = 0; index < 25; index++) hub.write(`m${index}`, full(`n${index}`));
  const edge = await open({ pullPageSize: 10 });
  expect(await edge.pullOnce()).toMatchObject({ changes: 10, more: true });
  await edge.pullOnce();
  expect(await edge.pullOnce()).toMatchObject({ changes: 5, more: false });
  expect((await edge.list({ limit: 1_000 })).memories).toHaveLength(25);
});

test("last_write_wins: the newer edit counts on all sides, and the other side is kept, in the file and beside it", async () => {
  const { a, b, hub, folder } = await bothEdited("last_write_wins");
  expect(await a.syncNow()).toMatchObject({ conflicts: 1 });
  await converge(a, b);
  for (const edge of [a, b]) {
    expect(await edge.get("m1")).toMatchObject({ content: "from a", importance: 0.1, status: "synced" });
  }
  expect(hub.get("m1")).toMatchObject({ version: 3, memory: { content: "from a" } });
  const [conflict] = await a.conflicts({ all: true });
  expect(conflict).toMatchObject({ resolution: "local", remote: { memory: { importance: 0.9 }, version: 2 } });
  expect(conflict?.file).toBe("m1_v2.json");
  const kept = JSON.parse(readFileSync(`${folder}/edge-1.db.conflicts/m1_v2.json`, "utf8"));
  expect(kept).toMatchObject({ side: "hub", memory: { importance: 0.9, metadata: { from: "base", more: "b" } } });
  const states = await Promise.all([a.status(), b.status()]);
  expect(states).toMatchObject([
    { pending: 0, conflicts: 0 },
    { pending: 0, conflicts: 0 },
  ]);
});

test("last_write_wins: the older edit loses to the hub, and is kept", async () => {
  const { a, b, folder } = await bothEdited("last_write_wins", { aFirst: true });
  await converge(a, b);
  for (const edge of [a, b]) expect(await edge.get("m1")).toMatchObject({ content: "base", importance: 0.9 });
  expect(await a.conflicts({ all: true })).toMatchObject([
    { resolution: "remote", local: { memory: { content: "from a" } } },
  ]);
  expect(readFileSync(`${folder}/edge-1.db.conflicts/m1_v1.json`, "utf8")).toContain("from a");
});

test("an edge whose clock is two hours fast does not win by it", async () => {
  const world = edgeWorld();
  const a = await world.open({}, { now: () => world.clock.ms + 7_200_000 });
  const b = await world.open();
  await a.put("m1", note("base"));
  await converge(a, b);
  await a.patch("m1", { content: "older, by a fast clock" });
  world.clock.advance(10_000);
  await b.patch("m1", { content: "newer" });
  await b.syncNow();
  await converge(a, b);
  for (const edge of [a, b]) expect(await edge.get("m1")).toMatchObject({ content: "newer" });
});

test("local_wins and remote_wins do as they say", async () => {
  const local = await bothEdited("local_wins", { aFirst: true });
  await converge(local.a, local.b);
  expect(await local.b.get("m1")).toMatchObject({ content: "from a", importance: 0.1 });
  const remote = await bothEdited("remote_wins");
  await converge(remote.a, remote.b);
  expect(await remote.a.get("m1")).toMatchObject({ content: "base", importance: 0.9 });
});

test("merge keeps both edits field by field, here and at the hub", async () => {
  const { a, b, hub } = await bothEdited("merge");
  await converge(a, b);
  for (const edge of [a, b]) {
    expect(await edge.get("m1")).toMatchObject({
      ...{ content: "from a", importance: 0.9, metadata: { from: "base", more: "b" }, status: "synced" },
    });
  }
  expect(hub.get("m1")?.memory).toMatchObject({ content: "from a", importance: 0.9 });
  expect(await a.conflicts({ all: true })).toMatchObject([{ resolution: "merged" }]);
});

test("manual holds the edit until it is decided, and later edits with it", async () => {
  const { a, b, hub } = await bothEdited("manual");
  await a.syncNow();
  expect(await a.get("m1")).toMatchObject({ status: "conflict", content: "from a" });
  expect(await a.status()).toMatchObject({ conflicts: 1 });
  await a.patch("m1", { content: "from a, later" });
  await a.syncNow();
  expect(hub.get("m1")?.version).toBe(2);
  const [conflict] = await a.conflicts();
  expect(conflict).toMatchObject({ state: "pending", local: { version: 1 }, remote: { version: 2 } });
  await expect(a.resolve("no such", "local")).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect(await a.resolve(conflict?.id ?? "", "merge")).toMatchObject({ state: "resolved", resolution: "merged" });
  await converge(a, b);
  for (const edge of [a, b])
    expect(await edge.get("m1")).toMatchObject({ content: "from a, later", importance: 0.9, status: "synced" });
});

test("a resolved conflict gives its lost side back as an edit like any other", async () => {
  const { a, b } = await bothEdited("remote_wins");
  await converge(a, b);
  const [conflict] = await a.conflicts({ all: true });
  await a.resolve(conflict?.id ?? "", "local");
  await converge(a, b);
  expect(await b.get("m1")).toMatchObject({ content: "from a" });
});

test("a deletion against an edit: the newer one counts, and the lost edit is kept", async () => {
  const { a, b, clock } = await bothEdited("last_write_wins");
  await converge(a, b);
  await a.patch("m1", { content: "edited" });
  clock.advance(1_000);
  await b.delete("m1");
  await b.syncNow();
  await converge(a, b);
  for (const edge of [a, b]) expect(await edge.get("m1")).toBeNull();
  expect((await a.conflicts({ all: true }))[0]).toMatchObject({
    local: { memory: { content: "edited" } },
    remote: { memory: null },
  });
});

test("equal edits on both sides are no conflict", async () => {
  const { a, b, clock } = await bothEdited("last_write_wins");
  await converge(a, b);
  await a.patch("m1", { content: "same" });
  clock.advance(1_000);
  await b.patch("m1", { content: "same" });
  await converge(b, a);
  expect(await a.conflicts({ all: true })).toHaveLength(1); // The one of before.
  expect(await a.queue()).toEqual([]);
});

test("the echo that comes before the answer counts as the answer", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("m1", note("one"));
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  hub.intercept = async (step) => {
    if (step === "answered") await held;
  };
  const pushing = edge.pushOnce();
  await expect.poll(() => hub.get("m1")?.version).toBe(1);
  // Another process of the device, or the waiting request of before: here by another transport under the same name.
  const { device } = await edge.status();
  hub.write("m2", full("other"));
  release();
  await pushing;
  hub.intercept = () => undefined;
  await edge.pullOnce();
  expect(await edge.get("m1")).toMatchObject({ status: "synced", version: 1 });
  expect(hub.get("m1")?.device).toBe(device);
  expect(await edge.conflicts({ all: true })).toEqual([]);
});

test("a pulled change of a memory whose sent edit has no answer waits for it, and is a conflict only if it must be", async () => {
  const { hub, open, clock } = edgeWorld();
  let answer = true;
  const edge = await open({
    hub: (device) => ({
      ...hub.as(device),
      push: async (changes, signal) => {
        if (!answer) throw new HubError("SYNC_CONNECTION", "not sent at all");
        return await hub.as(device).push(changes, signal);
      },
    }),
  });
  await edge.put("m1", note("base"));
  await edge.syncNow();
  await edge.patch("m1", { content: "mine" });
  answer = false;
  await expect(edge.pushOnce()).rejects.toThrow();
  hub.write("m1", full("theirs"));
  clock.advance(1_000_000);
  answer = true;
  await edge.syncNow();
  expect(hub.get("m1")?.memory).toMatchObject({ content: "theirs" });
  expect(await edge.get("m1")).toMatchObject({ content: "theirs", status: "synced" });
  expect(await edge.conflicts({ all: true })).toMatchObject([{ local: { memory: { content: "mine" } } }]);
});

test("an erased memory leaves no trace: neither unsent edits nor bases, conflicts or their files", async () => {
  const { a, b, hub, folder } = await bothEdited("last_write_wins");
  await converge(a, b);
  expect(readdirSync(`${folder}/edge-1.db.conflicts`)).toHaveLength(1);
  await a.patch("m1", { content: "unsent secret words" });
  hub.end("m1", "erased");
  await a.syncNow();
  expect(await a.get("m1")).toBeNull();
  expect(await a.queue()).toEqual([]);
  expect(await a.conflicts({ all: true })).toEqual([]);
  expect(readdirSync(`${folder}/edge-1.db.conflicts`)).toEqual([]);
  await expect(a.put("m1", note("again"))).rejects.toMatchObject({ code: "ERASED" });
  await a.close();
  for (const suffix of ["", "-wal"]) {
    const file = `${folder}/edge-1.db${suffix}`;
    if (!existsSync(file)) continue;
    for (const words of ["unsent secret", "from a"]) expect(readFileSync(file).includes(words)).toBe(false);
  }
});
