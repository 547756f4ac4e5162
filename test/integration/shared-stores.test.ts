import { expect, test, vi } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { type ConnectOptions, MemorySynchronizer } from "../../src/index.ts";
import { forgetStore } from "../../src/ledger/store-statements.ts";
import { openCommandLine } from "../support/command-line.ts";
import { openService } from "../support/http-service.ts";
import { OwnStore } from "../support/own-store.ts";
import { openWorld } from "../support/world.ts";

/** Goal: a shared store that no node runs any more leaves the deployment at an operator's word, and no other one does. */

vi.setConfig({ testTimeout: 240_000 });

const OWN = "keywords";
const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

test("a store is forgotten with its backlog once no node runs it, and refused before", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: { syncIntervalMs: 50 } });
  await world.fill(2);
  const options = { ...world.connectOptions, nodeId: "runs-it", stores: [new OwnStore()] } as ConnectOptions;
  const runs = await MemorySynchronizer.connect(options);
  runs.start();
  const shown = async () => await world.sync.stores.show(OWN);
  await pollUntil("the note that it is run", 60_000, async () => (await shown()).nodes.length > 0);
  expect(await shown()).toEqual({
    id: OWN,
    holds: ["documents"],
    registeredAt: INSTANT,
    filledAt: expect.toSatisfy((at) => at === null || typeof at === "string"),
    queued: 0,
    nodes: ["runs-it"],
  });
  await expect(world.sync.stores.forget(OWN)).rejects.toMatchObject({
    code: "VALIDATION",
    message: expect.stringMatching(/"keywords" is run by node runs-it: take it out of their settings/),
  });
  await expect(runs.stores.forget(OWN)).rejects.toThrow(/is run by this process: take it out of the settings first/);

  // Another node forgets it behind this one's back: its next pass registers it again.
  await forgetStore(world.sql, OWN);
  await pollUntil("its registration", 60_000, async () => (await world.sync.stores.list()).length === 2);
  await runs.close();
  expect((await shown()).nodes).toEqual([]);

  world.sync.start(); // Reads what others registered.
  await pollUntil("the store being known", 60_000, async () => {
    const { stores } = await world.put(world.memory(50, { content: `at ${performance.now()}` }));
    return stores[OWN] === "pending";
  });
  expect(await shown()).toMatchObject({ queued: 1, nodes: [] });
  expect(await world.sync.stores.forget(OWN)).toMatchObject({ id: OWN, queued: 1 });
  expect((await world.put(world.memory(51))).stores).toEqual({ postgres: "applied", redis: "applied" });
  expect((await world.sync.stores.list()).map(({ id }) => id)).toEqual(["redis"]);
  expect(await world.sync.backlog.list()).toEqual([]);
  await expect(world.sync.stores.forget(OWN)).rejects.toMatchObject({ code: "NOT_FOUND" });
});

test("mnemosync store lists, shows and forgets", async () => {
  const cli = await openCommandLine();
  await cli.run(["put", "m1", "--content", "x"]);
  const redis = { id: "redis", holds: ["documents", "vectors"], registeredAt: INSTANT, filledAt: INSTANT };
  const listed = { stores: [{ ...redis, queued: 0, nodes: [] }] };
  expect(await cli.json(["store"])).toEqual({ code: 0, document: listed });
  expect(await cli.run(["store", "list"])).toMatchObject({ code: 0, stdout: expect.stringMatching(/redis .*no node/) });
  expect(await cli.json(["store", "show", "redis"])).toEqual({ code: 0, document: listed.stores[0] });
  expect(await cli.run(["store", "forget", "redis"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("is run by this process"),
  });
  for (const [args, reason] of [
    [["store", "forget"], "needs the store's id"],
    [["store", "explode"], "expected list, show, forget"],
  ] as const) {
    expect(await cli.run(args)).toMatchObject({ code: 2, stderr: expect.stringContaining(reason) });
  }
  cli.environment.MNEMOSYNC_REDIS_URL = "none";
  expect(await cli.json(["store", "forget", "redis"])).toEqual({ code: 0, document: { forgotten: listed.stores[0] } });
  expect(await cli.json(["store", "list"])).toEqual({ code: 0, document: { stores: [] } });
  expect(await cli.json(["store", "show", "redis"])).toMatchObject({ document: { error: { code: "NOT_FOUND" } } });
});

test("HTTP has the same, for administrators of all namespaces", async (t) => {
  const service = await openService(t, { world: { faiss: false } });
  const { keys } = service;
  const list = await service.request("GET", "/v1/stores");
  expect(list.json()).toMatchObject({ stores: [{ id: "redis", queued: 0 }] });
  for (const key of [keys.writer, keys.boundAdmin]) {
    expect((await service.request("GET", "/v1/stores", { key })).statusCode).toBe(403);
    expect((await service.request("DELETE", "/v1/stores/redis", { key })).statusCode).toBe(403);
  }
  const refused = await service.request("DELETE", "/v1/stores/redis");
  expect([refused.statusCode, refused.json().code]).toEqual([422, "VALIDATION"]);
  expect((await service.request("DELETE", "/v1/stores/nowhere")).statusCode).toBe(404);
  await service.world.sql`insert into mnemosync.stores (id, holds) values ('old', '{documents}')`;
  const forgotten = await service.request("DELETE", "/v1/stores/old");
  expect(forgotten.json()).toMatchObject({ forgotten: { id: "old", filledAt: null, nodes: [] } });
});
