import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import type { Subscription } from "../../src/index.ts";
import { ok, type Received, status, WebhookReceiver } from "../support/webhook-receiver.ts";
import { openWebhookWorld } from "../support/webhook-world.ts";
import type { World } from "../support/world.ts";

/** Goal: a receiver that reads `versions` gets each version, in order per memory, and no content comes back to it that it had to forget. */

const nameOf = ({ body }: Received) => `${body.data.memoryId}@${body.data.version}`;

async function untilState(world: World, id: string, is: (subscription: Subscription) => boolean): Promise<void> {
  await pollUntil("the state of the subscription", 60_000, async () => is(await world.sync.subscriptions.get(id)));
}

test("each version arrives, in order per memory, and of a memory only one is under way", async (t) => {
  const world = await openWebhookWorld(t, {}, { historyVersionsMax: 50 });
  const receiver = await WebhookReceiver.start(t);
  const underWay = new Map<string, number>();
  let together = 0;
  let calls = 0;
  receiver.answer = (response, message, request) => {
    const memoryId = String(message.body.data.memoryId);
    underWay.set(memoryId, (underWay.get(memoryId) ?? 0) + 1);
    together = Math.max(together, [...underWay.values()].filter((count) => count > 0).length);
    expect.soft(underWay.get(memoryId)).toBe(1);
    const fails = ++calls % 7 === 0;
    // Held a little, so that what is sent at the same time is under way at the same time.
    setTimeout(() => {
      underWay.set(memoryId, (underWay.get(memoryId) ?? 0) - 1);
      if (fails) return status(503)(response, message, request);
      ok(response, message, request);
      receiver.accepted.push(message);
    }, 15);
  };
  const { id } = await world.sync.subscriptions.create({ url: receiver.url, reading: "versions" });
  await world.sync.subscriptions.pause(id);
  for (let round = 0; round < 6; round++) {
    for (const number of [1, 2, 3]) await world.put(world.memory(number, { content: `round ${round}` }));
  }
  await world.sync.delete("m2");
  await world.sync.subscriptions.resume(id);
  await receiver.take(19);
  await untilState(world, id, ({ state, delivered }) => state === "active" && delivered >= 19);
  // A repetition after a failure is the same message: by its id it counts once.
  const told = [...new Map(receiver.accepted.map((message) => [message.id, message])).values()];
  for (const memoryId of ["m1", "m2", "m3"]) {
    const versions = told.filter(({ body }) => body.data.memoryId === memoryId).map(({ body }) => body.data.version);
    expect(versions).toEqual(memoryId === "m2" ? [1, 2, 3, 4, 5, 6, 7] : [1, 2, 3, 4, 5, 6]);
  }
  expect(told.find(({ body }) => body.type === "memory.deleted")?.body.data).toMatchObject({
    memoryId: "m2",
    version: 7,
  });
  expect(together).toBeGreaterThan(1);
  // The cursor of a message goes on in the same reading.
  const last = told.filter(({ body }) => body.data.memoryId === "m1").at(0)?.body.data as unknown as { cursor: string };
  const rest = await world.sync.readChanges({ cursor: last.cursor, reading: "versions" });
  expect(rest.events.filter(({ memoryId }) => memoryId === "m1").map(({ version }) => version)).toEqual([
    2, 3, 4, 5, 6,
  ]);
});

test("a version that was refused is replayed behind later ones, unless the receiver was told to forget the memory", async (t) => {
  const world = await openWebhookWorld(t, {}, { historyVersionsMax: 50 });
  const receiver = await WebhookReceiver.start(t);
  const { subscriptions } = world.sync;
  const { id } = await subscriptions.create({
    ...{ url: receiver.url, reading: "versions" },
    where: { memoryType: { ne: "secret" } },
  });
  receiver.answer = (response, message, request) =>
    (message.body.data.version === 1 ? status(422) : ok)(response, message, request);
  const put = (number: number, fields = {}) => world.put(world.memory(number, fields));
  for (const number of [1, 2, 3, 4, 5]) await put(number, { content: "first", memoryType: "note" });
  await untilState(world, id, ({ dead }) => dead === 5);
  await put(1, { content: "second", memoryType: "note" });
  await put(2, { content: "second", memoryType: "note", privacy: "local_only" });
  await put(3, { content: "second", memoryType: "secret" });
  await world.sync.delete("m4");
  await world.sync.erase("m5");
  await receiver.take(5);
  expect(receiver.accepted.map(({ body }) => `${body.type} ${body.data.memoryId}`).toSorted()).toEqual([
    "memory.deleted m4",
    "memory.deleted m5",
    "memory.put m1",
    "memory.withdrawn m2",
    "memory.withdrawn m3",
  ]);
  receiver.answer = ok;
  expect(await subscriptions.replay(id)).toBe(5);
  await untilState(world, id, ({ dead, pending, delivered }) => dead === 0 && pending === 0 && delivered === 6);
  expect(nameOf(receiver.accepted[5] as Received)).toBe("m1@1");
  expect(receiver.accepted).toHaveLength(6);
});

test("the reading is checked, and another one begins anew", async (t) => {
  const world = await openWebhookWorld(t);
  const { subscriptions } = world.sync;
  const url = "http://127.0.0.1:9/hooks";
  const made = await subscriptions.create({ url });
  expect(made.reading).toBe("changes");
  await expect(subscriptions.create({ url, reading: "all" as never })).rejects.toThrow(
    'reading: expected "changes" or "versions"',
  );
  await expect(subscriptions.create({ url, topics: ["drift"], reading: "versions" })).rejects.toThrow("has no change");
  await expect(subscriptions.replace(made.id, { url, reading: "versions" })).rejects.toThrow("from: is missing");
  const replaced = await subscriptions.replace(made.id, { url, reading: "versions" }, { from: "now" });
  expect(replaced.reading).toBe("versions");
  const [cursor] = await world.sql<{ filter: object }[]>`select filter from mnemosync.feed_cursors`;
  expect(cursor?.filter).toEqual({ reading: "versions" });
});

test("a job that fails is told to a receiver of run.failed", async (t) => {
  const world = await openWebhookWorld(t);
  const receiver = await WebhookReceiver.start(t);
  const { id } = await world.sync.subscriptions.create({ url: receiver.url, topics: ["run.failed"] });
  const started = await world.sync.jobs.start("repair", { checkJobId: "01ARZ3NDEKTSV4RRFFQ69G5FAV" });
  const jobId = "job" in started ? started.job.id : "";
  const [message] = await receiver.take(1);
  expect(message?.body).toMatchObject({
    type: "run.failed",
    data: { nodeId: world.sync.nodeId, jobId, kind: "repair", code: "NOT_FOUND", jobs: 1 },
  });
  await untilState(world, id, ({ delivered, pending }) => delivered === 1 && pending === 0);
});
