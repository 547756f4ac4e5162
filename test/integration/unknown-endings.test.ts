import { expect, test } from "vitest";
import { LedgerHub } from "../../src/hub/ledger-hub.ts";
import { MemorySynchronizer } from "../../src/index.ts";
import { NEVER_ABORTED, TestDevice } from "../support/hub-client.ts";
import { openReplicaWorld } from "../support/replica-world.ts";
import { openWorld, type World } from "../support/world.ts";

/**
 * Goal: where the ledger has a replica, the deletion of an id that the ledger does not know leaves a tombstone, whoever deletes it: the
 * replica may still show the memory. Method: a node with the replica's settings, one without, and a device that writes straight to the
 * ledger.
 */

type Finishing = { onTestFinished: (finish: () => Promise<void>) => void };

async function plainNode(t: Finishing, { databaseUrl }: World): Promise<MemorySynchronizer> {
  const sync = await MemorySynchronizer.connect({ postgresUrl: databaseUrl, redisUrl: "none" });
  t.onTestFinished(() => sync.close());
  return sync;
}

async function deviceOf(t: Finishing, { databaseUrl }: World): Promise<TestDevice> {
  const hub = new LedgerHub({ postgresUrl: databaseUrl, device: "laptop" });
  t.onTestFinished(() => hub.close());
  await hub.identify(NEVER_ABORTED);
  return new TestDevice(hub, "laptop");
}

test("a node whose settings lack the replica, and a device, delete what the ledger does not know as one does that has them", async (t) => {
  const world = await openReplicaWorld(t);
  await world.caughtUp();
  const plain = await plainNode(t, world.world);
  const device = await deviceOf(t, world.world);
  expect(await world.sync.delete("a")).toMatchObject({ status: "synced", version: 1 });
  expect(await plain.delete("b")).toMatchObject({ status: "synced", version: 1 });
  expect(await device.one(device.end("delete", "c", 0))).toMatchObject({ status: "applied", version: 1 });
  // In chunks that are guessed about, and with a known row beside it.
  await plain.syncMemory("known", { content: "x", memoryType: "note" });
  const both = await Promise.all([plain.delete("d"), plain.syncMemory("known", { content: "y", memoryType: "note" })]);
  expect(both).toMatchObject([{ status: "synced" }, { status: "synced" }]);
  const rows = await world.world.sql`
    select memory_id, ended_by from mnemosync.memory_versions where checksum is null order by memory_id`;
  expect([...rows]).toEqual(["a", "b", "c", "d"].map((memory_id) => ({ memory_id, ended_by: "deleted" })));
  expect(await plain.delete("b")).toMatchObject({ status: "unchanged", version: 1 });
});

test("without a replica nothing is written, nor any more once it was taken out of the ledger", async (t) => {
  const world = await openWorld(t, { faiss: false, redis: false });
  const device = await deviceOf(t, world);
  expect(await world.sync.delete("a")).toMatchObject({ status: "unchanged", version: 0 });
  expect(await device.one(device.end("delete", "b", 0))).toMatchObject({ status: "applied", version: 0 });
  await world.sql`insert into mnemosync.erasure_stores (store, node_id) values ('replica', 'replica')`;
  expect(await world.sync.delete("a")).toMatchObject({ status: "synced", version: 1 });
  await world.sql`delete from mnemosync.erasure_stores`;
  expect(await world.sync.delete("c")).toMatchObject({ status: "unchanged", version: 0 });
});
