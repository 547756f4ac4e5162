import type { Route } from "playwright-core";
import { expect, vi } from "vitest";
import { browserTest } from "../support/browser-test.ts";
import { CONNECTOR_KEY } from "../support/connectors/hosted-world.ts";
import { MemorySpaceServer } from "../support/connectors/memory-space-server.ts";
import { openConsole } from "../support/console.ts";
import { openService, serviceOn } from "../support/http-service.ts";
import { openReplicaWorld } from "../support/replica-world.ts";

/** Goal: an operator works with the console's pages of the queue, connectors, edges, the replica and keys. */

// A limit against hanging: a browser takes its time on a busy machine.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 240_000 });

const { test, browser } = browserTest();

test("the backlog is paused and resumed, and a dead letter is tried again", async (t) => {
  const service = await openService(t, { world: { faiss: false }, http: { port: 0 } });
  const { world } = service;
  await world.put({ memoryId: "m1", content: "one", memoryType: "note" });
  await world.sql`
    insert into mnemosync.sync_queue (store, node_id, namespace, memory_id, dead_at, last_error)
    values ('redis', '', 'default', 'm1', clock_timestamp(), 'the store said no')`;
  const console = await openConsole(t, browser(), service, { place: "queue" });
  const { page } = console;
  const row = page.getByRole("row", { name: /default\/m1/ });
  await row.getByText("the store said no").waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  const question = page.getByRole("dialog", { name: "Pause the backlog?" });
  await question.waitFor(); // It opens a moment after the click, and a key before that closes nothing.
  await page.keyboard.press("Escape");
  await question.waitFor({ state: "hidden" });
  expect(await world.sync.backlog.isPaused()).toBe(false);
  await page.getByRole("button", { name: "Pause" }).click();
  await question.getByRole("button", { name: "Pause" }).click();
  await page.getByText("The backlog is paused on every node").waitFor();
  expect(await world.sync.backlog.isPaused()).toBe(true);
  await page.getByRole("button", { name: "Retry dead letters" }).click();
  await row.getByText("waits").waitFor();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText("Nothing waits").waitFor();
  expect(await world.sync.backlog.list({ limit: 1 })).toEqual([]);
  console.expectQuiet();
});

test("a job is listed and shown with its result", async (t) => {
  const service = await openService(t, { world: { faiss: false }, http: { port: 0 } });
  const { id } = (await service.request("POST", "/v1/checks", { body: { scope: "quick" } })).json();
  const console = await openConsole(t, browser(), service, { place: "queue" });
  const { page } = console;
  const row = page.getByRole("table").last().getByRole("row").filter({ hasText: "check" });
  await row.getByText("done").waitFor();
  await row.getByRole("link", { name: "check" }).click();
  const card = page.getByRole("region", { name: `Job ${id}` });
  await card.getByText("Result").click();
  await card.getByText('"clean": true').waitFor();
  await console.go("queue/01ARZ3NDEKTSV4RRFFQ69G5FAV");
  await page.getByRole("alert").first().waitFor();
  console.expectQuiet();
});

test("a connector is run and paused, and what it could not store is tried again or dropped", async (t) => {
  const space = await MemorySpaceServer.start();
  t.onTestFinished(() => space.close());
  const created_at = "2026-01-01T00:00:00Z";
  space.put({ id: "fine", created_at, transcript: "said" });
  for (const id of ["big", "huge"]) space.put({ id, created_at, transcript: "x".repeat(1_100_000) });
  const settings = { connectors: { secretKey: CONNECTOR_KEY } };
  const service = await openService(t, { world: { faiss: false, settings }, http: { port: 0 } });
  const from = { type: "memory-space", url: space.url, context: space.context, apiKey: "secret-key" };
  await service.world.sync.connectors.create("space", { from, to: { type: "memories" } });
  const console = await openConsole(t, browser(), service, { place: "connectors" });
  const { page } = console;
  await page.getByRole("link", { name: "space" }).click();
  await page.getByText("It has not run yet").waitFor();
  await page.getByRole("button", { name: "Run now" }).click();
  const runs = page.getByRole("group", { name: "Runs, newest first" });
  await runs.getByText("partial").first().waitFor();
  const letters = page.getByRole("region", { name: "Dead letters" });
  await letters.getByRole("row", { name: /huge/ }).waitFor();
  space.put({ id: "big", created_at, transcript: "shorter" });
  await letters.getByLabel("Choose big").check();
  const stored = async () => (await service.world.sync.get("memory-space/big"))?.content;
  // The letters are read before the run has ended, and the state behind its end: nothing is left to follow.
  const before = (await service.request("GET", "/v1/connectors/space/dead-letters?limit=100")).json();
  await page.route("**/v1/connectors/space/dead-letters?*", (route) => route.fulfill({ json: before }), { times: 1 });
  const ended = async (): Promise<void> => {
    await expect.poll(stored, { timeout: 60_000 }).toBe("shorter");
    const state = async () => (await service.world.sync.connectors.status("space")).state;
    await expect.poll(state, { timeout: 60_000 }).not.toBe("running");
  };
  const late = async (route: Route): Promise<void> => {
    await ended();
    await route.continue().catch(() => undefined); // The page has given that reading up: it reads again.
  };
  await page.route("**/v1/connectors/space/status", late, { times: 1 });
  await page.getByRole("button", { name: "Replay 1 chosen" }).click();
  await letters.getByRole("row", { name: /big/ }).waitFor({ state: "detached" });
  await ended();
  await page.getByRole("button", { name: "Run now" }).waitFor(); // Its run has ended.
  await page.getByRole("button", { name: "Drop all" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Drop all" }).click();
  await page.getByText("Nothing was given up").waitFor();
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.getByText("space makes no runs by its schedule until it is resumed").waitFor();
  await page.getByRole("button", { name: "Resume", exact: true }).click();
  await page.getByText("space runs by its schedule again").waitFor();
  await page.getByRole("button", { name: "Pause", exact: true }).waitFor();
  console.expectQuiet();
});

test("a device is revoked and admitted again; the keys are listed, and none is shown", async (t) => {
  const service = await openService(t, { world: { faiss: false }, http: { port: 0 } });
  const device = { device: "laptop-1", name: "Amara's laptop", protocolVersions: [1] };
  expect((await service.request("POST", "/v1/hub/identify", { body: device })).statusCode).toBe(200);
  const console = await openConsole(t, browser(), service, { place: "edges" });
  const { page } = console;
  const row = page.getByRole("row", { name: /Amara's laptop/ });
  await row.getByText("active").waitFor();
  await row.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await row.getByText("revoked").waitFor();
  expect((await service.request("POST", "/v1/hub/identify", { body: device })).json()).toMatchObject({
    code: "DEVICE_REVOKED",
  });
  await row.getByRole("button", { name: "Admit" }).click();
  await row.getByText("active").waitFor();
  await console.go("keys");
  await page
    .getByRole("row", { name: /bound-admin/ })
    .getByText("tenant-a")
    .waitFor();
  await page
    .getByRole("row", { name: /^admin/ })
    .getByText("yours")
    .waitFor();
  expect(await page.content()).not.toContain(service.keys.admin.slice(-20));
  console.expectQuiet();
});

test("the replica is paused, compared and resumed; without one the page says so", async (t) => {
  const replica = await openReplicaWorld(t);
  await replica.put("m1", { content: "one" });
  await replica.caughtUp();
  const service = await serviceOn(t, replica.world, { http: { port: 0 } });
  const console = await openConsole(t, browser(), service, { place: "replica" });
  const { page } = console;
  await page.getByText("following").first().waitFor();
  await page.getByText("The replica refuses nothing").waitFor();
  await page.getByRole("button", { name: "Compare" }).click();
  await page.getByText("replica and primary agree").first().waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Pause" }).click();
  await page.getByText("Replication is paused on every node").waitFor();
  expect((await replica.sync.replica.status()).isPaused).toBe(true);
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText("Replication is paused on every node").waitFor({ state: "hidden" });
  console.expectQuiet();
});
