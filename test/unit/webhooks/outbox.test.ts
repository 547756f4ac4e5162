import { expect, test } from "vitest";
import { silentLog } from "../../../src/runtime/log.ts";
import { Outbox } from "../../../src/webhooks/outbox.ts";

/** Goal: what happens again and again costs a row a minute, and nothing is told by a process that does not run. */

test("events of one key are one a minute, with how often it happened; a stop writes what is left", async () => {
  const written: { topic: string; data: Record<string, unknown> }[] = [];
  let now = 0;
  const outbox = new Outbox({
    store: {
      enqueue: async ({ topic, payload }) => {
        written.push({ topic, data: (JSON.parse(payload) as { data: Record<string, unknown> }).data });
        return 1;
      },
    },
    nodeId: "node-a",
    onQueued: () => undefined,
    log: silentLog,
    intervalMs: 3_600_000,
    now: () => now,
  });
  const signal = new AbortController().signal;
  outbox.tell("backlog", "redis/queued", { memories: 1 });
  expect(await outbox.runOnce(signal)).toBe(0);
  outbox.start();
  for (let write = 1; write <= 50; write++) outbox.tell("backlog", "redis/queued", { memories: write });
  outbox.tell("health", "redis/down", { to: "down" });
  expect(await outbox.runOnce(signal)).toBe(2);
  for (let write = 1; write <= 30; write++) outbox.tell("backlog", "redis/queued", { memories: write });
  now = 59_999;
  expect(await outbox.runOnce(signal)).toBe(0);
  now = 60_000;
  expect(await outbox.runOnce(signal)).toBe(1);
  outbox.tell("backlog", "redis/queued", { memories: 7 });
  await outbox.stop();
  expect(written).toEqual([
    { topic: "backlog", data: { nodeId: "node-a", times: 50, memories: 50 } },
    { topic: "health", data: { nodeId: "node-a", times: 1, to: "down" } },
    { topic: "backlog", data: { nodeId: "node-a", times: 30, memories: 30 } },
    { topic: "backlog", data: { nodeId: "node-a", times: 1, memories: 7 } },
  ]);
});
