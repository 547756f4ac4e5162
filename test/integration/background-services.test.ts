import { expect, test } from "vitest";
import { openWorld } from "../support/world.ts";

/** Goal: all background work of a node is one list, which `start` starts, `status` shows and `close` stops. */

test("status lists the background services: idle, then running, each once", async (t) => {
  const { sync } = await openWorld(t);
  const before = (await sync.status()).services;
  expect(Object.keys(before)).toEqual([
    "health:postgres",
    "health:redis",
    "health:faiss",
    "connections",
    "leadership",
    "sync",
    "follow",
    "consistency",
    "jobs",
    "erase",
    "connectors",
  ]);
  expect(new Set(Object.values(before).map(({ state }) => state))).toEqual(new Set(["idle"]));
  sync.start();
  sync.start();
  const running = (await sync.status()).services;
  expect(new Set(Object.values(running).map(({ state }) => state))).toEqual(new Set(["running"]));
});

test("a service that fails says so in the status, and the others go on", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: { syncIntervalMs: 20 } });
  const { sync } = world;
  await world.sql`alter table mnemosync.sync_queue rename to gone`;
  sync.start();
  await expect
    .poll(async () => (await sync.status()).services.sync?.lastError, { timeout: 30_000 })
    .toMatch(/sync_queue/);
  expect((await sync.status()).services["health:redis"]).toEqual({ state: "running", lastError: null });
  await world.sql`alter table mnemosync.gone rename to sync_queue`;
  await expect.poll(async () => (await sync.status()).services.sync?.lastError, { timeout: 30_000 }).toBeNull();
});

test("a synchronizer without an index has no follower, and with clients of the caller's no connections to keep", async (t) => {
  const { sync } = await openWorld(t, { faiss: false, clients: "own" });
  const services = Object.keys((await sync.status()).services);
  expect(services).toEqual([
    "health:postgres",
    "health:redis",
    "leadership",
    "sync",
    "consistency",
    "jobs",
    "erase",
    "connectors",
  ]);
});
