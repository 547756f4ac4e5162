import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { postgresHub } from "../../src/edge/transport/postgres-hub.ts";
import { NEVER_ABORTED, TestDevice } from "../support/hub-client.ts";
import { openWorld } from "../support/world.ts";
import { hubContract } from "./hub-contract.ts";
import { onStores } from "./hub-under-test.ts";

/** Goal: an edge may rely on the same promises, however it reaches its hub: here straight at the ledger. */

hubContract("postgres", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: { syncIntervalMs: 100 } });
  world.sync.start(); // Its backlog brings the shared stores up to date.
  return {
    ...onStores(world),
    hub: (device) => postgresHub({ postgresUrl: world.databaseUrl, device, timeoutMs: 60_000 }),
  };
});

const SOON_MS = 30_000;

test("a push at postgres:// wakes the nodes of the shared stores: none waits for its next look at the backlog", async (t) => {
  // A node that listens: with an index it follows the feed.
  const world = await openWorld(t, { faiss: { dimension: 4 }, settings: { syncIntervalMs: 3_600_000 } });
  world.sync.start();
  const hub = postgresHub({ postgresUrl: world.databaseUrl, device: "a", timeoutMs: 60_000 });
  t.onTestFinished(() => hub.close());
  const device = new TestDevice(hub, "a");
  device.epoch = (await hub.identify(NEVER_ABORTED)).epoch;
  // Once it listens: a node that starts looks at the backlog by itself.
  let number = 0;
  await pollUntil("Redis has a memory of this edge", SOON_MS, async () => {
    await device.one(device.put(`m${number++}`, 0));
    return (await world.redis.hget(world.redisKey("m0"), "version")) === "1";
  });
  await device.one(device.put("later", 0, { content: "signalled with its commit" }));
  await pollUntil(
    "Redis has the later one",
    SOON_MS,
    async () => (await world.redis.hget(world.redisKey("later"), "version")) === "1",
  );
});

test("a vector that the deployment's index would not hold is refused at postgres:// as it is over HTTP", async (t) => {
  const world = await openWorld(t, { faiss: { dimension: 4 } });
  const hub = postgresHub({ postgresUrl: world.databaseUrl, device: "a", timeoutMs: 60_000 });
  t.onTestFinished(() => hub.close());
  const device = new TestDevice(hub, "a");
  const identity = await hub.identify(NEVER_ABORTED);
  device.epoch = identity.epoch;
  expect(identity.vectors).toMatchObject({ dimension: 4 });
  const vector = (...numbers: number[]) => Buffer.from(new Float32Array(numbers).buffer).toString("base64");
  expect(await device.one(device.put("short", 0, { embedding: vector(1, 2) }))).toMatchObject({
    status: "rejected",
    code: "VALIDATION",
    message: expect.stringContaining("2 numbers, and the index holds vectors of 4"),
  });
  expect(await device.one(device.put("fits", 0, { embedding: vector(1, 2, 3, 4) }))).toMatchObject({
    status: "applied",
  });
});
