import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { ConflictView, EdgeStatus, QueueItem } from "../../src/edge/index.ts";
import { agentWorlds } from "../support/agent-world.ts";

/**
 * Goal: the five stories of an agent with an edge, as its user lives them. Method: the agent is a process with the built package,
 * commands of the built command line work on the same file, and the hub is a service on real stores behind a proxy.
 */

// Each command starts the program.
vi.setConfig({ testTimeout: 300_000 });
const openWorld = agentWorlds();
const soon = { timeout: 60_000, interval: 50 };
const note = (content: string) => ({ content, memoryType: "note" });

/** An agent that syncs, and whose first memory has arrived. */
async function syncingAgent() {
  const { agent, atHub } = await openWorld();
  const file = agent();
  const running = await file.start();
  await running.call("start");
  await running.call("put", "before", note("before"));
  await expect.poll(() => atHub("before"), soon).not.toBeNull();
  return { file, running, atHub };
}

test("written offline, then online: the command line shows it waiting, and one command brings it to the hub", async () => {
  const { agent, atHub } = await openWorld();
  const file = agent();
  file.way.isOnline = false;
  const running = await file.start({ enabled: false }); // An agent that leaves syncing to others.
  await running.call("put", "mem-1", note("Amara is allergic to cashews"));
  expect(await running.call("get", "mem-1")).toMatchObject({ status: "pending", version: 0 });
  const offline = await file.command("now");
  expect(offline.code).not.toBe(0);
  expect(offline.stderr).toContain("cannot be reached");
  const waiting = await file.command("status");
  expect(waiting.stdout).toMatch(/Mode: offline/);
  expect(waiting.stdout).toMatch(/pending 1 \(\d+ B, oldest \d+ s\)\s+failed 0/);
  expect(await atHub("mem-1")).toBeNull();

  file.way.isOnline = true;
  const now = await file.command("now");
  expect([now.code, now.stdout]).toEqual([0, expect.stringMatching(/^1 change up, .*0 failed, 0 pending/)]);
  expect(await atHub("mem-1")).toMatchObject({ content: "Amara is allergic to cashews", version: 1 });
  // The other process on the file sees what the command did.
  expect(await running.call("get", "mem-1")).toMatchObject({ status: "synced", version: 1 });
  const { document } = await file.json<EdgeStatus>("status");
  expect(document).toMatchObject({ mode: "online", pending: 0, failed: 0, syncedToday: 1 });
});

test("a blocked network, then restored: the agent's process drains by itself, and no change lost an attempt", async () => {
  const { file, running, atHub } = await syncingAgent();
  file.way.isOnline = false;
  for (let index = 0; index < 10; index++) await running.call("put", `mem-${index}`, note(`message ${index}`));
  await expect.poll(async () => (await file.json<EdgeStatus>("status")).document.mode, soon).toBe("offline");
  const { document } = await file.json<{ items: QueueItem[] }>("queue");
  expect(document.items.map(({ attempts, lastError }) => [attempts, lastError])).toEqual(
    Array.from({ length: 10 }, () => [0, null]),
  );
  file.way.isOnline = true;
  await expect.poll(async () => (await running.call<EdgeStatus>("status")).pending, soon).toBe(0);
  for (let index = 0; index < 10; index++) expect(await atHub(`mem-${index}`)).toMatchObject({ version: 1 });
  expect((await file.command("status")).stdout).toMatch(/Mode: online/);
});

test("100 messages leave in batches of at most 50, each once", async () => {
  const { agent, atHub, recorder } = await openWorld();
  const file = agent();
  const running = await file.start({ enabled: false });
  for (let index = 0; index < 100; index++) await running.call("put", `mem-${index}`, note(`message ${index}`));
  expect((await file.json<{ items: QueueItem[] }>("queue")).document.items).toHaveLength(100);
  const now = await file.command("now");
  expect([now.code, now.stdout]).toEqual([0, expect.stringMatching(/^100 changes up/)]);
  const pushes = recorder.messages.filter(({ kind }) => kind === "push");
  const sizes = pushes.map(({ text }) => JSON.parse(text.slice(text.indexOf("{"))).changes.length as number);
  expect(sizes).toEqual([50, 50]);
  expect(recorder.appliedTwice()).toEqual([]);
  for (const index of [0, 49, 50, 99]) {
    expect(await atHub(`mem-${index}`)).toMatchObject({ content: `message ${index}`, version: 1 });
  }
});

test("edited on both sides: the newer edit wins, the other one is shown and kept, and can be brought back", async () => {
  const { agent, atHub } = await openWorld();
  const [one, other] = [agent(), agent()];
  const [first, second] = [await one.start({ enabled: false }), await other.start({ enabled: false })];
  await first.call("put", "shared", note("the base"));
  await one.command("now");
  await other.command("now");
  // A minute older: clocks are compared by requests, so no better than a request takes on a busy machine.
  second.tell({ kind: "clock", aheadMs: -60_000 });
  await second.call("patch", "shared", { content: "the older edit" });
  second.tell({ kind: "clock", aheadMs: 0 });
  await first.call("patch", "shared", { content: "the newer edit" });
  await one.command("now");
  const now = await other.command("now");
  expect(now.stdout).toContain("1 conflict");
  expect(await second.call("get", "shared")).toMatchObject({ content: "the newer edit", status: "synced" });

  const shown = await other.command("conflicts", "--all");
  expect(shown.stdout).toMatch(/here\s+on version 1, \d+ min old: the older edit/);
  expect(shown.stdout).toMatch(/hub\s+version 2, \d+ s old: the newer edit/);
  expect(shown.stdout).toMatch(/resolution\s+remote/);
  const { document } = await other.json<{ conflicts: ConflictView[] }>("conflicts", "--all");
  const [conflict] = document.conflicts;
  const original = join(`${other.path}.conflicts`, "shared_v1.json");
  expect(conflict?.file).toBe("shared_v1.json");
  expect(JSON.parse(readFileSync(original, "utf8"))).toMatchObject({ memory: { content: "the older edit" } });

  const back = await other.command("conflicts", "resolve", conflict?.id ?? "", "local");
  expect(back.code).toBe(0);
  await other.command("now");
  expect(await atHub("shared")).toMatchObject({ content: "the older edit", version: 3 });
  expect(existsSync(original)).toBe(true);
});

test("edited on both sides under the policy manual: the edit is held until the command line decides", async () => {
  const { agent, atHub } = await openWorld();
  const [one, other] = [agent(), agent({ conflictPolicy: "manual" })];
  const [first, second] = [await one.start({ enabled: false }), await other.start({ enabled: false })];
  await first.call("put", "shared", note("the base"));
  await one.command("now");
  await other.command("now");
  await first.call("patch", "shared", { content: "of the first" });
  await second.call("patch", "shared", { content: "of the second" });
  await one.command("now");
  await other.command("now");
  expect(await second.call("get", "shared")).toMatchObject({ content: "of the second", status: "conflict" });
  const pending = await other.json<{ conflicts: ConflictView[] }>("conflicts");
  expect([pending.code, pending.document.conflicts]).toMatchObject([1, [{ state: "pending", resolution: null }]]);
  await other.command("conflicts", "resolve", pending.document.conflicts[0]?.id ?? "", "local");
  const now = await other.command("now");
  expect([now.code, now.stdout]).toEqual([0, expect.stringContaining("0 pending")]);
  expect(await atHub("shared")).toMatchObject({ content: "of the second", version: 3 });
  await one.command("now");
  expect(await first.call("get", "shared")).toMatchObject({ content: "of the second", status: "synced" });
});

test("pause and resume by the command line hold for the agent's process, and over its death", async () => {
  const { file, running, atHub } = await syncingAgent();
  expect((await file.command("pause")).code).toBe(0);
  // A request that was under way ends as ever; what is written from now on stays.
  await running.call("put", "during", note("during"));
  await running.kill();
  const again = await file.start();
  await again.call("start");
  await again.call("put", "during-2", note("during, after a restart"));
  const paused = await file.command("status");
  expect(paused.stdout).toMatch(/Mode: paused/);
  expect(paused.stdout).toMatch(/pending 2/);
  expect([await atHub("during"), await atHub("during-2")]).toEqual([null, null]);
  expect((await file.command("resume")).code).toBe(0);
  await expect.poll(() => atHub("during-2"), soon).toMatchObject({ version: 1 });
  await expect.poll(() => atHub("during"), soon).toMatchObject({ version: 1 });
  await expect.poll(async () => (await again.call<EdgeStatus>("status")).mode, soon).toBe("online");
});
