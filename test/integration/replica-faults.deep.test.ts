import { expect, test, vi } from "vitest";
import { MemorySynchronizer } from "../../src/index.ts";
import { openReplicaWorld } from "../support/replica-world.ts";
import { postgresUrl } from "../support/services.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

vi.setConfig({ testTimeout: 300_000 });

/** Goal: what goes wrong with the replica holds up no write, loses nothing, and ends by itself or is said. */

test("memories that the replica refuses become dead letters, the others go on, and a retry delivers them", async (t) => {
  const world = await openReplicaWorld(t, { replica: { retriesMax: 1 } });
  await world.put("ended", { content: "first" });
  await world.caughtUp();
  await world.replica`
    alter table mnemosync.memory_bodies
    add constraint no_poison check (memory_id not in ('poison', 'ended')) not valid`;
  await world.put("poison", { content: "refused" });
  await world.sync.delete("ended");
  await world.world.fill(20);
  await world.caughtUp();
  await expect
    .poll(async () => (await world.sync.replica.status()).deadLetters, { timeout: 60_000 })
    .toEqual({ waiting: 0, dead: 2 });
  const letters = await world.sync.replica.deadLetters();
  expect(letters.map(({ operation, memoryId, attempts }) => ({ operation, memoryId, attempts }))).toEqual(
    expect.arrayContaining([
      { operation: "put", memoryId: "poison", attempts: 2 },
      { operation: "delete", memoryId: "ended", attempts: 2 },
    ]),
  );
  expect(letters.every(({ lastError }) => lastError.includes("no_poison") && !lastError.includes('refused"'))).toBe(
    true,
  );
  const ending = letters.find(({ memoryId }) => memoryId === "ended");
  await expect(world.sync.replica.drop({ id: ending?.id ?? "" })).rejects.toThrow(/is of an ending/);
  await expect(world.sync.replica.retry({ id: "01ARZ3NDEKTSV4RRFFQ69G5FAV" })).rejects.toThrow(/no dead letter/);
  await world.replica`alter table mnemosync.memory_bodies drop constraint no_poison`;
  expect(await world.sync.replica.retry()).toBe(2);
  await expect
    .poll(async () => (await world.sync.replica.status()).deadLetters, { timeout: 60_000 })
    .toEqual({ waiting: 0, dead: 0 });
  expect(await world.dump("replica")).toEqual(await world.dump("primary"));
});

test("writes do not wait for a replica that is away, and replication resumes by itself", async (t) => {
  const proxy = await TcpProxy.start(Number(new URL(postgresUrl()).port));
  t.onTestFinished(() => proxy.close());
  const world = await openReplicaWorld(t, { via: (url) => proxy.through(url) });
  await world.put("m1", { content: "first" });
  await world.caughtUp();
  await proxy.refuse();
  const outcome = await world.put("m2", { content: "while it is away" });
  expect(outcome.status).toBe("synced");
  await expect.poll(async () => (await world.sync.replica.status()).state, { timeout: 60_000 }).toBe("unavailable");
  const away = await world.sync.replica.status();
  expect(away).toMatchObject({ isUp: false, phase: null });
  expect(away.lag?.changes).toBeGreaterThan(0);
  await proxy.pass();
  await world.caughtUp();
  expect(await world.dump("replica")).toEqual(await world.dump("primary"));
});

test("one node replicates, the other one takes over, and a pause holds for both", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "first" });
  await world.caughtUp();
  const other = await MemorySynchronizer.connect({ ...world.world.connectOptions, nodeId: "other" });
  t.onTestFinished(() => other.close());
  // As a command sees it, which starts nothing.
  expect(await other.replica.status()).toMatchObject({ state: "starting", isUp: true, phase: "following" });
  other.start();
  await expect.poll(async () => (await other.replica.status()).state, { timeout: 60_000 }).toBe("standby");
  await other.replica.pause();
  await world.put("m2", { content: "held back" });
  await expect.poll(async () => (await world.sync.replica.status()).state, { timeout: 60_000 }).toBe("paused");
  expect((await world.held("m2")).row).toBeNull();
  await world.world.disconnect();
  await other.replica.resume();
  await expect.poll(async () => (await world.held("m2")).row?.version, { timeout: 60_000 }).toBe(1);
  expect((await other.replica.status()).state).toBe("following");
});

test("verify waits for what an open transaction keeps from the feed, and has no finding", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "first" });
  await world.caughtUp();
  const open = await world.world.sql.reserve();
  await open`begin`;
  await open`select pg_current_xact_id()`;
  await world.put("m1", { content: "second" });
  await expect(world.sync.replica.verify({ timeoutMs: 1_000 })).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  await open`commit`;
  open.release();
  expect(await world.sync.replica.verify()).toMatchObject({ clean: true });
});
