import { expect, test } from "vitest";
import { edgeWorld, note } from "../../support/edges.ts";

const full = (content: string) =>
  ({ privacy: "full", content, memoryType: "note", importance: 0.5, metadata: {}, embedding: null }) as const;

test("a device behind pruned tombstones reads everything anew: what the hub no longer has goes, unsent edits stay", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  for (const id of ["kept", "deleted", "edited"]) hub.write(id, full(id));
  await edge.syncNow();
  await edge.put("unsent", note("unsent"));
  await edge.patch("edited", { content: "edited here" });
  hub.end("deleted", "deleted");
  hub.end("edited", "deleted");
  hub.pruneTombstones();
  await edge.syncNow();
  expect(await edge.get("deleted")).toBeNull();
  expect(await edge.get("kept")).toMatchObject({ status: "synced" });
  expect(hub.get("unsent")?.memory).toMatchObject({ content: "unsent" });
  expect(hub.get("edited")?.memory).toMatchObject({ content: "edited here" });
  expect(await edge.status()).toMatchObject({ resync: null, pending: 0 });
});

test("a hub that went back gets the edits again that it had acknowledged, and loses no edit of others", async () => {
  const { hub, open, clock } = edgeWorld();
  const [a, b] = [await open(), await open()];
  await a.put("both", note("base"));
  await a.syncNow();
  await b.syncNow();
  const restore = hub.snapshot();
  clock.advance(1_000);
  await a.put("lost", note("acknowledged, then lost"));
  await a.patch("both", { content: "acknowledged, then lost too" });
  await a.syncNow();
  await b.syncNow();
  restore();
  expect(hub.get("lost")).toBeUndefined();
  clock.advance(1_000);
  await b.put("new", note("of the new history"));
  await b.syncNow();
  for (let round = 0; round < 3; round++) for (const edge of [a, b]) await edge.syncNow();
  for (const edge of [a, b]) {
    expect(await edge.get("lost")).toMatchObject({ content: "acknowledged, then lost", status: "synced" });
    expect(await edge.get("both")).toMatchObject({ content: "acknowledged, then lost too", status: "synced" });
    expect(await edge.get("new")).toMatchObject({ content: "of the new history" });
  }
  expect(await a.conflicts({ all: true })).toEqual([]);
});

test("an edit that the hub lost is offered again although later pushes had called it settled", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("before", note("before"));
  await edge.syncNow();
  const restore = hub.snapshot();
  await edge.put("lost", note("lost"));
  await edge.syncNow();
  for (const id of ["later-1", "later-2"]) {
    await edge.put(id, note(id));
    await edge.syncNow();
  }
  restore();
  await edge.syncNow();
  await edge.syncNow();
  for (const id of ["before", "lost", "later-1", "later-2"]) {
    expect(hub.get(id)).toMatchObject({ version: 1 });
    expect(await edge.get(id)).toMatchObject({ status: "synced" });
  }
});

test("another epoch without a loss offers nothing twice", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("m1", note("one"));
  await edge.syncNow();
  hub.epoch = "another";
  await edge.syncNow();
  await edge.syncNow();
  expect(hub.get("m1")?.version).toBe(1);
  expect(await edge.get("m1")).toMatchObject({ status: "synced", version: 1 });
});

test("a restored hub that has withdrawn content again is told to withdraw it again", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open();
  await edge.put("m1", note("secret"));
  await edge.syncNow();
  const restore = hub.snapshot();
  await edge.patch("m1", { privacy: "local_only" });
  await edge.syncNow();
  restore();
  expect(hub.get("m1")?.memory).toMatchObject({ content: "secret" });
  await edge.syncNow();
  await edge.syncNow();
  expect(hub.get("m1")).toMatchObject({ memory: null, endedBy: "withdrawn" });
  expect(await edge.get("m1")).toMatchObject({ content: "secret", status: "local_only" });
});

test("an edit made 40 days ago is sent as any other", async () => {
  const { hub, open, clock } = edgeWorld();
  const [a, b] = [await open(), await open()];
  await a.put("m1", note("forty days old"));
  for (let day = 0; day < 40; day++) {
    clock.advance(86_400_000);
    await b.put("m2", note(`day ${day}`));
    await b.syncNow();
  }
  await a.syncNow();
  expect(hub.get("m1")).toMatchObject({
    memory: { content: "forty days old" },
    modifiedAt: clock.ms - 40 * 86_400_000,
  });
});

test("a copy of the file becomes a device of its own", async () => {
  const { hub, open, folder, clock } = edgeWorld();
  const { copyFileSync } = await import("node:fs");
  const edge = await open({ path: `${folder}/original.db` });
  await edge.put("m1", note("one"));
  await edge.syncNow();
  await edge.close();
  copyFileSync(`${folder}/original.db`, `${folder}/copy.db`);
  const original = await open({ path: `${folder}/original.db` });
  await original.put("m2", note("two"));
  await original.syncNow();
  await original.put("m3", note("three"));
  await original.syncNow();
  clock.advance(1_000);
  const copy = await open({ path: `${folder}/copy.db` });
  await copy.put("m2", note("of the copy"));
  await copy.syncNow();
  expect((await copy.status()).device).not.toBe((await original.status()).device);
  expect(await copy.status()).toMatchObject({ pending: 0, failed: 0 });
  expect(hub.get("m2")?.memory).toMatchObject({ content: "of the copy" });
  expect(await copy.conflicts({ all: true })).toMatchObject([{ memoryId: "m2" }]);
});

test("a namespace that is taken from the key goes, and unsent edits of it stay", async () => {
  const { hub, open } = edgeWorld();
  const edge = await open({ namespaces: ["default", "team"] });
  hub.write("m1", full("of the team"), "team");
  hub.write("m2", full("of the team"), "team");
  await edge.syncNow();
  await edge.patch("m2", { content: "unsent" }, { namespace: "team" });
  hub.namespaces = ["default"];
  await edge.pullOnce();
  expect(await edge.get("m1", { namespace: "team" })).toBeNull();
  expect(await edge.get("m2", { namespace: "team" })).toMatchObject({ content: "unsent" });
});

test("an edit that is offered again, and that the hub has under a later version of another device, is no conflict", async () => {
  const { hub, open, clock } = edgeWorld();
  const [a, b] = [await open(), await open()];
  await a.put("m1", note("of a"));
  await a.syncNow();
  await a.put("m2", note("settles the first"));
  await a.syncNow();
  await b.syncNow();
  clock.advance(1_000);
  await b.patch("m1", { content: "of b, made on a's" });
  await b.syncNow();
  hub.epoch = "another";
  for (let round = 0; round < 2; round++) for (const edge of [a, b]) await edge.syncNow();
  for (const edge of [a, b]) {
    expect(await edge.get("m1")).toMatchObject({ content: "of b, made on a's", status: "synced" });
    expect(await edge.conflicts({ all: true })).toEqual([]);
    expect(await edge.status()).toMatchObject({ pending: 0, failed: 0 });
  }
  expect(hub.get("m1")?.version).toBe(2);
});

/** A redacted memory of `a`, rated by `b`, at a hub that then goes back to before it had the memory. */
async function lostRedacted(options: { readonly isRatingKnown: boolean }) {
  const world = edgeWorld();
  const [a, b] = [await world.open(), await world.open()];
  await a.put("other", note("other"));
  for (const edge of [a, b]) await edge.syncNow();
  const restore = world.hub.snapshot();
  await a.put("m1", note("of its origin alone", { privacy: "redacted" }));
  await a.syncNow();
  await b.syncNow();
  world.clock.advance(1_000);
  await b.patch("m1", { importance: 0.9 });
  await b.syncNow();
  if (options.isRatingKnown) await a.syncNow();
  restore();
  return { ...world, a, b };
}

for (const isRatingKnown of [false, true]) {
  test(`a redacted memory that another device brings back keeps its content at its origin (rating known: ${isRatingKnown})`, async () => {
    const { a, b } = await lostRedacted({ isRatingKnown });
    for (let round = 0; round < 3; round++) for (const edge of [b, a]) await edge.syncNow();
    expect(await a.get("m1")).toMatchObject({ content: "of its origin alone", withheld: false, importance: 0.9 });
    expect(await b.get("m1")).toMatchObject({ content: "", withheld: true, importance: 0.9 });
  });
}

test("a redacted memory that the hub lost, and whose last editor is gone, is offered by its origin", async () => {
  const { hub, a } = await lostRedacted({ isRatingKnown: true });
  for (let round = 0; round < 3; round++) await a.syncNow();
  expect(await a.get("m1")).toMatchObject({ content: "of its origin alone", importance: 0.9, status: "synced" });
  expect(hub.get("m1")?.memory).toMatchObject({ privacy: "redacted", importance: 0.9 });
  expect(await a.status()).toMatchObject({ pending: 0, failed: 0 });
});
