import { expect, test, vi } from "vitest";
import type { EdgeMemory } from "../../src/edge/index.ts";
import { agentWorlds } from "../support/agent-world.ts";

/**
 * Goal: a commit at one edge is seen at another one by what causes it, not by an interval. Method: all intervals are a day, so a
 * test ends only where the write wakes the pusher and the commit ends the request that waits at the hub.
 */
vi.setConfig({ testTimeout: 240_000 });
const openWorld = agentWorlds();
const DAY_MS = 86_400_000;
const soon = { timeout: 60_000, interval: 20 };
const note = (content: string) => ({ content, memoryType: "note" });
const slow = { pushIntervalMs: DAY_MS, pullIntervalMs: DAY_MS };

test("the write wakes the pusher, from another process on the file too, and the waiting request brings it to another edge", async () => {
  const { agent, recorder } = await openWorld();
  const [one, other] = [agent(slow), agent(slow)];
  const [writer, reader] = [await one.start(), await other.start()];
  await writer.call("start");
  await reader.call("start");
  const readerWaits = () => waiting(recorder.messages, 2);
  await expect.poll(readerWaits, soon).toBe(true);
  await writer.call("put", "own", note("of the process that syncs"));
  await expect.poll(() => content(reader, "own"), soon).toBe("of the process that syncs");

  await expect.poll(readerWaits, soon).toBe(true);
  // This process never talks to the hub: the one beside it sees the write in the file.
  const sibling = await one.start({ enabled: false });
  await sibling.call("put", "of-sibling", note("of another process"));
  await expect.poll(() => content(reader, "of-sibling"), soon).toBe("of another process");
  // By the waiting request alone: the reader never asked without one, but for the first time.
  const asked = recorder.messages.filter(({ edge, text }) => edge === 2 && text.startsWith("/v1/hub/changes"));
  const waits = asked.map(({ text }) => Number(/waitMs=(\d+)/.exec(text)?.[1]));
  expect(waits.filter((waitMs) => waitMs === 0)).toHaveLength(1);
});

test("where the hub holds no request, polling alone brings it", async () => {
  const { agent, recorder } = await openWorld();
  const [one, other] = [agent(slow), agent({ ...slow, pullIntervalMs: 200 })];
  const [writer, reader] = [await one.start(), await other.start()];
  other.way.holdsNothing = true;
  await writer.call("start");
  await reader.call("start");
  await writer.call("put", "own", note("by polling"));
  await expect.poll(() => content(reader, "own"), soon).toBe("by polling");
  expect(waiting(recorder.messages, 2)).toBe(false);
});

async function content(edge: { call<Result>(name: "get", id: string): Promise<Result> }, id: string) {
  return (await edge.call<EdgeMemory | null>("get", id))?.content ?? null;
}

/** Whether the last that is known of an edge is a request for changes that the hub holds. */
function waiting(messages: readonly { edge: number; kind: string; text: string }[], edge: number): boolean {
  const ofEdge = messages.filter((message) => message.edge === edge && message.kind !== "push");
  return /^\/v1\/hub\/changes.*waitMs=[1-9]/.test(ofEdge.at(-1)?.text ?? "");
}
