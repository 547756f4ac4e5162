import { expect, test } from "vitest";
import { MemorySynchronizer } from "../../src/index.ts";
import { openReplicaWorld } from "../support/replica-world.ts";
import { openWorld } from "../support/world.ts";

test("a replica has every version as the primary has it, with vectors, times and history", async (t) => {
  const world = await openReplicaWorld(t, { isEmpty: true });
  await world.world.fill(250);
  await world.put("m1", { content: "second", metadata: { a: 1 } });
  await world.put("m1", { content: "third", expiresAt: "2099-01-01T00:00:00.000Z" });
  await world.caughtUp();
  expect(await world.dump("replica")).toEqual(await world.dump("primary"));
});

test("a deletion is told, and its content stays in the replica", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "first" });
  await world.caughtUp();
  await world.sync.delete("m1");
  await world.caughtUp();
  expect(await world.held("m1")).toEqual({
    row: { version: 2, endedBy: "deleted", checksum: null },
    bodies: [
      { version: 1, endedBy: null, content: "first" },
      { version: 2, endedBy: "deleted", content: null },
    ],
  });
  await world.put("m1", { content: "again" });
  await world.caughtUp();
  expect(await world.dump("replica")).toEqual(await world.dump("primary"));
});

test("local_only never arrives, not even an id, and redacted arrives redacted", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("secret", { content: "local", privacy: "local_only" });
  await world.sync.delete("secret");
  await world.put("partly", { content: "hidden", metadata: { who: "me" }, privacy: "redacted", importance: 0.25 });
  await world.caughtUp();
  expect(await world.held("secret")).toEqual({ row: null, bodies: [] });
  const [body] = await world.replica`
    select document::text as document, embedding from mnemosync.memory_bodies where memory_id = 'partly'`;
  expect(JSON.parse(body?.document)).toEqual({
    ...{ content: "", metadata: {}, privacy: "redacted", importance: 0.25, memoryType: expect.any(String) },
  });
  const [flaw] = await world.replica`select * from mnemosync.check_memory_consistency('default', 'partly')`;
  expect(flaw).toMatchObject({ intact: true });
});

test("raising the privacy takes the content out of the replica, its history too", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "first" });
  await world.put("m1", { content: "second" });
  await world.put("m2", { content: "other" });
  await world.caughtUp();
  await world.put("m1", { content: "second", privacy: "local_only" });
  await world.put("m2", { content: "other", privacy: "redacted" });
  await world.caughtUp();
  const taken = { endedBy: "withdrawn", content: null };
  expect(await world.held("m1")).toEqual({
    row: { version: 3, endedBy: "withdrawn", checksum: null },
    bodies: [
      { version: 1, ...taken },
      { version: 2, ...taken },
      { version: 3, ...taken },
    ],
  });
  expect((await world.held("m2")).bodies).toEqual([
    { version: 1, ...taken },
    { version: 2, endedBy: null, content: "" },
  ]);
  await world.put("m1", { content: "open again" });
  await world.caughtUp();
  expect((await world.held("m1")).bodies.at(-1)).toEqual({ version: 4, endedBy: null, content: "open again" });
});

test("a replica that is filled later never sees what was withheld meanwhile", async (t) => {
  const world = await openReplicaWorld(t, { starts: false });
  await world.put("m1", { content: "was open" });
  await world.put("m1", { content: "is closed", privacy: "local_only" });
  await world.put("m2", { content: "was open" });
  await world.put("m2", { content: "is half open", privacy: "redacted" });
  world.sync.start();
  await world.caughtUp();
  expect(await world.held("m1")).toEqual({ row: null, bodies: [] });
  expect((await world.held("m2")).bodies.map(({ content }) => content)).toEqual(["", ""]);
});

test("an erased memory is erased in the replica, with its history, and the receipt waits for it", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "first" });
  await world.put("m1", { content: "second" });
  await world.caughtUp();
  await world.paused();
  const { id } = await world.sync.erase("m1");
  const waiting = await world.sync.erasures.get(id);
  expect(waiting).toMatchObject({ state: "awaiting_stores", awaiting: [{ store: "replica", nodeId: "replica" }] });
  await world.sync.replica.resume();
  await expect.poll(async () => (await world.sync.erasures.get(id)).state, { timeout: 60_000 }).toBe("complete");
  const { row, bodies } = await world.held("m1");
  expect(row).toMatchObject({ endedBy: "erased", checksum: null });
  expect(bodies.every(({ content }) => content === null)).toBe(true);
});

test("an erasure that the replica refuses stays unconfirmed, and the others are confirmed", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("poison", { content: "first" });
  await world.put("m1", { content: "second" });
  await world.caughtUp();
  await world.replica`
    alter table mnemosync.memory_bodies add constraint no_poison check (memory_id <> 'poison') not valid`;
  const stateOf = async (id: string) => (await world.sync.erasures.get(id)).state;
  const { id: refused } = await world.sync.erase("poison");
  const { id: other } = await world.sync.erase("m1");
  await expect.poll(() => stateOf(other), { timeout: 60_000 }).toBe("complete");
  expect(await stateOf(refused)).toBe("awaiting_stores");
  expect((await world.sync.replica.status()).state).toBe("following");
  await world.replica`alter table mnemosync.memory_bodies drop constraint no_poison`;
  await expect.poll(() => stateOf(refused), { timeout: 60_000 }).toBe("complete");
  expect((await world.held("poison")).bodies.every(({ content }) => content === null)).toBe(true);
});

test("a replica refuses to be opened as a primary, and another ledger cannot take it", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "first" });
  await world.caughtUp();
  const asPrimary = { postgresUrl: world.replicaUrl, redisUrl: "none" };
  await expect(MemorySynchronizer.connect(asPrimary)).rejects.toThrow(
    /is the replica of ledger .* cannot be opened as a ledger/,
  );
  const other = await openReplicaWorld(t, { replica: { postgresUrl: world.replicaUrl } });
  await expect
    .poll(async () => (await other.sync.replica.status()).reason, { timeout: 60_000 })
    .toMatch(/replica of another ledger/);
  expect((await other.sync.replica.status()).state).toBe("refused");
});

test("the primary's own database and a ledger with memories are refused as replicas", async (t) => {
  const ledger = await openWorld(t, { faiss: false, redis: false });
  await ledger.sync.syncMemory("m1", { content: "mine", memoryType: "note" });
  const world = await openReplicaWorld(t, { replica: { postgresUrl: ledger.databaseUrl } });
  await expect
    .poll(async () => (await world.sync.replica.status()).reason, { timeout: 60_000 })
    .toMatch(/a ledger of its own/);
  await world.world.disconnect();
  const own = { ...world.world.connectOptions, replica: { enabled: true, postgresUrl: world.world.databaseUrl } };
  await using sync = await MemorySynchronizer.connect(own);
  sync.start();
  await expect
    .poll(async () => (await sync.replica.status()).reason, { timeout: 60_000 })
    .toMatch(/the primary's own database/);
});
