import { expect, onTestFinished, test } from "vitest";
import type { ConnectorRun } from "../../src/connectors/hosted/run-view.ts";
import { DyingNodes } from "../support/connectors/dying-nodes.ts";
import { fastTime } from "../support/connectors/fast-time.ts";
import { HostedNode } from "../support/connectors/hosted-world.ts";
import { LightRagServer } from "../support/connectors/lightrag-server.ts";
import { MemorySpaceServer } from "../support/connectors/memory-space-server.ts";
import { fastClock, VirtualClock } from "../support/connectors/virtual-clock.ts";
import { sharedWorld } from "../support/world.ts";

/**
 * Goal: a run of a connector from service to service loses nothing and does nothing twice, whatever dies on its way. Method: a
 * process is killed after each change that a run makes to others, and one of two nodes takes the run up; and a language model that
 * is away in the midst of a thousand memories.
 */

const shared = sharedWorld({ faiss: false, redis: false });
const signal = new AbortController().signal;
/** More effects than any run of the test has: a limit against counting for ever. */
const EFFECTS_MAX = 400;

async function openServices(...[version, clock]: [version: "1.4.16" | "1.5.6", clock: VirtualClock | null]) {
  const space = await MemorySpaceServer.start();
  const rag = await LightRagServer.start({ version, clock: clock ?? fastClock(20), processMs: 10 });
  onTestFinished(async () => {
    await space.close();
    await rag.close();
  });
  const pipe = (namespace: string) => ({
    from: { type: "memory-space", url: space.url, context: space.context, apiKey: "secret-key" },
    to: { type: "lightrag", url: rag.url, apiKey: "rag-key" },
    ...{ through: { namespace }, transform: "plain" },
  });
  const put = (id: string, transcript: string, minute = 0) =>
    space.put({ id, created_at: new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString(), transcript });
  /** What the service has, each text as often as it has it, without the lines that name its memory. */
  const held = () => {
    const documents = [...rag.state.documents.values()];
    expect(documents.filter(({ status }) => status !== "processed")).toEqual([]);
    return documents.map(({ text }) => text.split("\n").slice(2).join("\n")).sort();
  };
  return { space, rag, pipe, put, held };
}

function openNode(nodeId: string, hooks = fastTime(8)): HostedNode {
  const node = new HostedNode(shared.current, { nodeId, hooks });
  onTestFinished(() => node.close());
  return node;
}

async function endOf(node: HostedNode, id: string, runId: string): Promise<ConnectorRun> {
  let last = await node.connectors.run(id, runId);
  for await (const run of node.connectors.watch(id, runId)) last = run;
  return last;
}

test("a process that is killed after any effect of a run: one of two nodes takes it up, and all is there, once", {
  timeout: 600_000,
}, async () => {
  const id = "killed";
  const { space, rag, pipe, put, held } = await openServices("1.4.16", null);
  const [one, two] = [openNode("one"), openNode("two")];
  await one.connectors.create(id, pipe(id));
  for (const item of ["stays", "edited", "even"]) put(item, `${item}, round 0`);
  expect(await one.run(id, { scope: "full" })).toMatchObject({ state: "succeeded", delivery: { state: "succeeded" } });
  const dying = await DyingNodes.open({ databaseUrl: shared.current.databaseUrl, connectorId: id });
  onTestFinished(() => dying.close());

  let before = "";
  let rounds = 0;
  for (let hasDied = true; hasDied; ) {
    rounds++;
    expect(rounds).toBeLessThan(EFFECTS_MAX);
    // Each round edits an item, removes one, and adds one that was there before.
    const [added, removed] = rounds % 2 === 0 ? ["even", "odd"] : ["odd", "even"];
    put("edited", `edited, round ${rounds}`);
    put(added, `${added}, round ${rounds}`);
    space.items.delete(removed);
    hasDied = await dying.run(rounds);
    await shared.current.sql`
      update mnemosync.jobs set lease_expires_at = clock_timestamp() - interval '1 second' where state = 'running'`;

    const [newest] = await one.connectors.runs(id, { limit: 1 });
    const isMade = newest !== undefined && newest.id !== before;
    const where = `killed after ${rounds} effects`;
    const [byOne, byTwo] = await Promise.all([one.hosted.runOnce(signal), two.hosted.runOnce(signal)]);
    expect(byOne + byTwo, where).toBe(isMade && newest.endedAt === null ? 1 : 0);
    const run = isMade ? await endOf(one, id, newest.id) : await two.run(id, { scope: "full" });
    expect(run, where).toMatchObject({
      state: "succeeded",
      error: null,
      delivery: { state: "succeeded", error: null },
    });
    before = run.id;

    expect(held(), where).toEqual([`edited, round ${rounds}`, `${added}, round ${rounds}`, "stays, round 0"]);
    const { memories } = await shared.current.sync.list({ namespace: id });
    const kept = memories.map(({ memoryId, version, content }) => `${memoryId} ${version}: ${content}`).sort();
    expect(kept, where).toEqual([
      `memory-space/edited ${rounds + 1}: edited, round ${rounds}`,
      // The end of a memory is a version too.
      `memory-space/${added} ${added === "even" ? rounds + 1 : rounds}: ${added}, round ${rounds}`,
      "memory-space/stays 1: stays, round 0",
    ]);
    // What is known of both sides is whole: a run that compares everything finds nothing to do.
    const inserts = rag.requests.filter(({ path }) => path === "/documents/text").length;
    const compared = await one.run(id, { scope: "full" });
    const nothing = { created: 0, updated: 0, deleted: 0, failed: 0 };
    expect(compared, where).toMatchObject({
      ...{ state: "succeeded", counts: { ...nothing, read: 3, unchanged: 3 } },
      delivery: { state: "succeeded", counts: nothing },
    });
    expect(rag.requests.filter(({ path }) => path === "/documents/text").length, where).toBe(inserts);
    expect(await two.connectors.status(id), where).toMatchObject({
      ...{ state: "idle", imported: 3, failures: 0, deadLetters: 0 },
      records: { queued: 0, sent: 0, delivered: 3, failed: 0 },
    });
    before = compared.id;
  }
  // Fewer would mean that effects were not counted.
  expect(rounds).toBeGreaterThan(20);
});

test("a thousand memories and a model that fails: each is delivered or among the dead letters, and a replay delivers those", {
  timeout: 300_000,
}, async () => {
  const id = "failing";
  const clock = new VirtualClock();
  const { rag, pipe, put, held } = await openServices("1.5.6", clock);
  const pause = async (milliseconds: number) => clock.advance(milliseconds);
  const node = openNode("one", { now: () => clock.now(), pause });
  await node.connectors.create(id, pipe(id));
  const contents = Array.from({ length: 1_000 }, (_, index) => `we talked about ${String(index).padStart(4, "0")}`);
  for (const [index, content] of contents.entries()) put(`i${index}`, content, index);
  // It is away at first, until some texts have been given up; and one text in fifty is too much for it even then.
  rag.state.modelIsDown = true;
  rag.state.failsText = (text) => /[05]0$/.test(text);
  rag.intercept = (method) => {
    if (method === "DELETE") rag.state.modelIsDown = false;
    return null;
  };
  const run = await node.run(id, { scope: "full" });
  expect(run).toMatchObject({ state: "succeeded", counts: { created: 1_000 }, delivery: { state: "partial" } });

  const letters: { readonly memoryId: string; readonly reason: string }[] = [];
  for (let cursor: string | null = null, pages = 0; ; ) {
    const page = await node.connectors.deadLetters(id, { limit: 7, ...(cursor !== null && { cursor }) });
    letters.push(...page.letters);
    cursor = page.cursor;
    if (cursor === null) break;
    expect(++pages).toBeLessThan(1_000);
  }
  expect(new Set(letters.map(({ reason }) => reason))).toEqual(new Set(["the language model gave no answer"]));
  const dead = new Set(letters.map(({ memoryId }) => memoryId));
  expect(dead.size).toBe(letters.length);
  expect(dead.size).toBeGreaterThan(20); // Also some that it would have processed later.
  expect(run.delivery?.counts).toMatchObject({ created: 1_000 - dead.size, failed: dead.size });
  const delivered = new Set(held());
  expect(contents.filter((content) => !delivered.has(content))).toEqual(
    contents.filter((_, index) => dead.has(`memory-space/i${index}`)),
  );
  expect(await node.connectors.status(id)).toMatchObject({
    deadLetters: dead.size,
    records: { delivered: 1_000 - dead.size, failed: dead.size },
  });

  rag.state.failsText = () => false;
  expect(await node.run(id, { scope: "replay" })).toMatchObject({
    delivery: { state: "succeeded", counts: { created: dead.size, failed: 0 } },
  });
  expect(held()).toEqual(contents);
  expect((await node.connectors.deadLetters(id)).letters).toEqual([]);
});
