import { expect, test } from "vitest";
import { HubError } from "../../../src/edge/index.ts";
import { edgeWorld, note } from "../../support/edges.ts";

/** An edit of `b` that awaits a decision, against one of `a` that the hub has as version 2. */
async function heldEdit() {
  const world = edgeWorld();
  const a = await world.open();
  const b = await world.open({ conflictPolicy: "manual" });
  await a.put("m1", note("base"));
  await a.syncNow();
  await b.syncNow();
  const restore = world.hub.snapshot();
  await a.patch("m1", { content: "of a" });
  await b.patch("m1", { content: "of b" });
  await a.syncNow();
  await b.syncNow();
  const [conflict] = await b.conflicts();
  expect(conflict).toMatchObject({ state: "pending", local: { memory: { content: "of b" } } });
  return { ...world, a, b, restore, conflictId: conflict?.id ?? "" };
}

test("the answer to a push and the pull behind it tell of one conflict: it is counted once, and keeps its id", async () => {
  const { open } = edgeWorld();
  const [a, b] = [await open(), await open({ conflictPolicy: "manual" })];
  await a.put("m1", note("base"));
  await a.syncNow();
  await b.syncNow();
  await a.patch("m1", { content: "of a" });
  await b.patch("m1", { content: "of b" });
  await a.syncNow();
  const told: string[] = [];
  b.on("conflict", ({ conflictId }) => void told.push(conflictId));
  expect(await b.syncNow()).toMatchObject({ conflicts: 1, up: { count: 1 }, down: { count: 0 } });
  await b.resync();
  expect(await b.syncNow()).toMatchObject({ conflicts: 0 });
  const pending = (await b.conflicts()).map(({ id }) => id);
  await expect.poll(() => told).toEqual(pending);
  // The hub has a later version by now: that is another conflict.
  await a.patch("m1", { content: "of a, later" });
  await a.syncNow();
  expect(await b.syncNow()).toMatchObject({ conflicts: 1 });
  expect(await b.conflicts()).toMatchObject([{ remote: { version: 3, memory: { content: "of a, later" } } }]);
});

test("a later edit of a held memory is kept where the hub's side is chosen", async () => {
  const { b, conflictId, folder } = await heldEdit();
  await b.patch("m1", { content: "of b, later" });
  await b.resolve(conflictId, "remote");
  expect(await b.get("m1")).toMatchObject({ content: "of a", status: "synced" });
  const [resolved] = await b.conflicts({ all: true });
  expect(resolved).toMatchObject({ resolution: "remote", local: { memory: { content: "of b, later" } } });
  const { readFileSync } = await import("node:fs");
  expect(readFileSync(`${folder}/edge-2.db.conflicts/${resolved?.file}`, "utf8")).toContain("of b, later");
});

test("a merge that comes out as the hub's side sends nothing: it would take back what others wrote meanwhile", async () => {
  const { hub, open, clock } = edgeWorld();
  const [a, b] = [await open(), await open({ conflictPolicy: "manual" })];
  await a.put("m1", note("base"));
  await a.syncNow();
  await b.syncNow();
  await b.patch("m1", { content: "of b" });
  clock.advance(1_000);
  await a.patch("m1", { content: "of a" });
  await a.syncNow();
  await b.syncNow();
  await a.patch("m1", { content: "of a, later" });
  await a.syncNow();
  const [conflict] = await b.conflicts();
  await b.resolve(conflict?.id ?? "", "merge");
  expect(await b.get("m1")).toMatchObject({ content: "of a", status: "synced" });
  await b.syncNow();
  expect(hub.get("m1")).toMatchObject({ version: 3, memory: { content: "of a, later" } });
  expect(await b.get("m1")).toMatchObject({ content: "of a, later", status: "synced" });
  expect(await b.conflicts()).toEqual([]);
});

test("a hub that went back asks anew for a decision, on what it has now", async () => {
  const { hub, open, b, restore, conflictId } = await heldEdit();
  restore();
  const c = await open();
  await c.syncNow();
  await c.patch("m1", { content: "of c, at version 2 of the new history" });
  await c.syncNow();
  // The edge hears of the new epoch, and of nothing else: its cursor is refused, and then the line breaks.
  let pulls = 0;
  hub.intercept = (step) => {
    if (step === "pull" && ++pulls > 1) throw new HubError("SYNC_CONNECTION", "the line broke");
  };
  await expect(b.syncNow()).rejects.toThrow("the line broke");
  hub.intercept = () => undefined;
  await b.resolve(conflictId, "local").catch(() => undefined);
  await b.syncNow();
  expect(hub.get("m1")).toMatchObject({ version: 2, memory: { content: "of c, at version 2 of the new history" } });
  const [asked] = await b.conflicts();
  expect(asked).toMatchObject({
    state: "pending",
    remote: { memory: { content: "of c, at version 2 of the new history" } },
  });
  await b.resolve(asked?.id ?? "", "local");
  await b.syncNow();
  expect(hub.get("m1")).toMatchObject({ version: 3, memory: { content: "of b" } });
});

test("a withdrawal decides the conflict that was pending", async () => {
  const { hub, b } = await heldEdit();
  await b.patch("m1", { privacy: "local_only" });
  expect(await b.status()).toMatchObject({ conflicts: 0 });
  expect(await b.conflicts({ all: true })).toMatchObject([
    { state: "resolved", resolution: "local", remote: { memory: { content: "of a" } } },
  ]);
  await b.syncNow();
  expect(hub.get("m1")).toMatchObject({ memory: null, endedBy: "withdrawn" });
  expect(await b.get("m1")).toMatchObject({ content: "of b", status: "local_only" });
});

test("a memory that the hub has too is deleted here while the conflict awaits a decision: the deletion is a side of it", async () => {
  const { hub, open } = edgeWorld();
  const [a, b] = [await open(), await open({ conflictPolicy: "manual" })];
  await a.put("m1", note("of a"));
  await a.syncNow();
  await b.put("m1", note("of b, who knows of none"));
  hub.intercept = (step) => {
    if (step === "answered") throw new HubError("SYNC_CONNECTION", "the answer was lost");
  };
  await expect(b.pushOnce()).rejects.toThrow("the answer was lost");
  await b.put("m1", note("of b, behind the one that was sent"));
  hub.intercept = () => undefined;
  await b.syncNow();
  const [conflict] = await b.conflicts();
  expect(await b.delete("m1")).toBe(true);
  expect(await b.get("m1")).toBeNull();
  await b.syncNow();
  expect(hub.get("m1")).toMatchObject({ version: 1, memory: { content: "of a" } });
  await b.resolve(conflict?.id ?? "", "local");
  await b.syncNow();
  expect(hub.get("m1")).toMatchObject({ version: 2, memory: null, endedBy: "deleted" });
  expect(await b.status()).toMatchObject({ conflicts: 0, pending: 0 });
});
