import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import type { Subscription } from "../../src/index.ts";
import {
  closeEarly,
  drip,
  endless,
  hang,
  isSignedBy,
  ok,
  status,
  WebhookReceiver,
} from "../support/webhook-receiver.ts";
import { openWebhookWorld } from "../support/webhook-world.ts";
import type { World } from "../support/world.ts";

/** Goal: what a receiver is to be told arrives, whatever the receiver does, and costs nobody else anything. */

async function stateOf(world: World, id: string, is: (subscription: Subscription) => boolean): Promise<Subscription> {
  let found: Subscription | null = null;
  await pollUntil("the state of the subscription", 60_000, async () => {
    found = await world.sync.subscriptions.get(id);
    return is(found);
  });
  return found as unknown as Subscription;
}

test("changes are delivered signed, in the form of a Change, each with an id that stays", async (t) => {
  const world = await openWebhookWorld(t);
  const receiver = await WebhookReceiver.start(t);
  await world.put(world.memory(1, { metadata: { team: "red" } }));
  const { secret, ...made } = await world.sync.subscriptions.create(
    { url: receiver.url, where: { "metadata.team": { eq: "red" } }, description: "for red" },
    { from: "start" },
  );
  expect(made).toMatchObject({ state: "active", owner: "library", topics: ["change"], namespaces: null, dead: 0 });
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  await receiver.take(1);
  await world.put(world.memory(2, { metadata: { team: "red" }, privacy: "local_only" }));
  await world.put(world.memory(3, { metadata: { team: "blue" } }));
  await world.put(world.memory(1, { metadata: { team: "blue" } }));
  const [put, withdrawn] = await receiver.take(2);
  expect(put?.body).toMatchObject({
    type: "memory.put",
    timestamp: expect.stringMatching(/Z$/),
    data: {
      kind: "put",
      memoryId: "m1",
      version: 1,
      memory: { content: "memory number 1", metadata: { team: "red" } },
    },
  });
  expect(put?.text).not.toContain('"embedding"');
  expect(withdrawn?.body).toMatchObject({ type: "memory.withdrawn", data: { memoryId: "m1", version: 2 } });
  for (const message of receiver.received) {
    expect(isSignedBy(message, secret)).toBe(true);
    expect(Math.abs(message.timestamp - Date.now() / 1_000)).toBeLessThan(60);
  }
  expect(put?.id).toMatch(/^msg_[\w-]{27}$/);
  const after = await stateOf(world, made.id, ({ delivered }) => delivered === 2);
  expect(after).not.toHaveProperty("secret");
  // Neither the secret nor its bytes are in the ledger.
  const rows = await world.sql`select s::text as row from mnemosync.webhook_subscriptions s`;
  const bytes = Buffer.from(secret.slice(6), "base64").toString("hex");
  for (const form of [secret.slice(6, 30), bytes]) expect(JSON.stringify(rows)).not.toContain(form);
  expect(receiver.received).toHaveLength(2);
});

test("a receiver that hangs, drips, closes early, fails or redirects is asked again: nothing is lost, in order per memory", async (t) => {
  const world = await openWebhookWorld(t, { timeoutMs: 300 });
  const receiver = await WebhookReceiver.start(t);
  const elsewhere = await WebhookReceiver.start(t);
  const bad = [hang, drip, closeEarly, status(500), status(503), status(302, { location: elsewhere.url }), status(404)];
  let call = 0;
  receiver.answer = (...parameters) => (bad[call++] ?? ok)(...parameters);
  const { id } = await world.sync.subscriptions.create({ url: receiver.url });
  for (let round = 0; round < 3; round++) {
    for (const number of [1, 2, 3]) await world.put(world.memory(number, { content: `round ${round}` }));
  }
  const known = new Map<string, number>();
  await pollUntil("the last version of each memory", 60_000, () => {
    for (const { body } of receiver.accepted) known.set(String(body.data.memoryId), Number(body.data.version));
    return ["m1", "m2", "m3"].every((memoryId) => known.get(memoryId) === 3);
  });
  const told = new Map<string, number>();
  for (const { body } of receiver.accepted) {
    const [memoryId, version] = [String(body.data.memoryId), Number(body.data.version)];
    expect(version).toBeGreaterThanOrEqual(told.get(memoryId) ?? 0);
    told.set(memoryId, version);
  }
  expect(elsewhere.received).toEqual([]);
  // One id names one message, however often it is sent.
  const versions = new Map<string, string>();
  for (const { id: messageId, body } of receiver.received) {
    const named = `${body.data.memoryId}@${body.data.version}`;
    expect(versions.get(messageId) ?? named).toBe(named);
    versions.set(messageId, named);
  }
  expect(await stateOf(world, id, ({ state }) => state === "active")).toMatchObject({ failures: 0, dead: 0 });
});

test("an answer whose body does not end is an answer, and holds up nothing", async (t) => {
  const world = await openWebhookWorld(t);
  const receiver = await WebhookReceiver.start(t);
  receiver.answer = endless;
  const { id } = await world.sync.subscriptions.create({ url: receiver.url });
  await world.sync.syncBatch(world.memories(20));
  await receiver.take(20);
  await stateOf(world, id, ({ delivered }) => delivered === 20);
  expect(receiver.received).toHaveLength(20);
});

test("a message that the receiver refuses becomes a dead letter, and the next one goes on; a replay sends what still holds", async (t) => {
  const world = await openWebhookWorld(t);
  const receiver = await WebhookReceiver.start(t);
  const { subscriptions } = world.sync;
  receiver.answer = (response, message, request) =>
    (["m1", "m2"].includes(message.body.data.memoryId ?? "") ? status(422) : ok)(response, message, request);
  const { id } = await subscriptions.create({ url: receiver.url });
  for (const number of [1, 2, 3]) await world.put(world.memory(number));
  expect((await receiver.take(1))[0]?.body.data.memoryId).toBe("m3");
  await stateOf(world, id, ({ dead, state }) => dead === 2 && state === "active");
  const letters = await subscriptions.deadLetters(id);
  expect(letters).toMatchObject([
    { type: "memory.put", memory: { memoryId: "m1", version: 1 }, attempts: 5, lastError: "the receiver answered 422" },
    { memory: { memoryId: "m2" } },
  ]);
  expect(receiver.received.filter(({ body }) => body.data.memoryId === "m1")).toHaveLength(5);
  // Dead letters hold no content.
  const rows = await world.sql`select m::text as row from mnemosync.webhook_messages m`;
  expect(JSON.stringify(rows)).not.toContain("memory number");
  // m2 moves on: its dead letter has nothing left to tell.
  receiver.answer = ok;
  await world.put(world.memory(2, { content: "later" }));
  await receiver.take(2);
  expect(await subscriptions.replay(id)).toBe(2);
  await receiver.take(3);
  // m3 was accepted beside the others, and is not sent again by this process.
  expect(receiver.accepted.map(({ body }) => `${body.data.memoryId}@${body.data.version}`)).toEqual([
    "m3@1",
    "m2@2",
    "m1@1",
  ]);
  expect(receiver.accepted[2]?.id).toBe(letters[0]?.id);
  await pollUntil("the metrics to have no dead letter", 60_000, async () =>
    (await world.sync.metrics.text()).includes(`mnemosync_webhook_dead_letters{subscription="${id}"} 0`),
  );
  const metrics = await world.sync.metrics.text();
  expect(metrics).toContain(`mnemosync_webhook_lag_seconds{subscription="${id}"} 0`);
  expect(metrics).toContain('mnemosync_webhook_subscriptions{state="active"} 1');
  const refused = receiver.received.length - receiver.accepted.length;
  expect(metrics).toContain(`mnemosync_webhook_deliveries_total{outcome="refused"} ${refused}`);
  await stateOf(world, id, ({ dead, pending }) => dead === 0 && pending === 0);
});

test("a refusal after an outage is the first one: attempts that failed in another way do not make it a dead letter", async (t) => {
  const world = await openWebhookWorld(t);
  const receiver = await WebhookReceiver.start(t);
  const answers = [...Array.from({ length: 6 }, () => status(503)), status(404), ok];
  let call = 0;
  receiver.answer = (...parameters) => (answers[call++] ?? ok)(...parameters);
  const { id } = await world.sync.subscriptions.create({ url: receiver.url });
  await world.put(world.memory(1));
  await stateOf(world, id, ({ delivered, dead }) => delivered + dead === 1);
  expect(await world.sync.subscriptions.get(id)).toMatchObject({ delivered: 1, dead: 0, failures: 0 });
});

test("a receiver that fails for long pauses its own subscription, visibly; after resume nothing is missing", async (t) => {
  const world = await openWebhookWorld(t, { attemptsMax: 3 });
  const [receiver, other] = [await WebhookReceiver.start(t), await WebhookReceiver.start(t)];
  const { subscriptions } = world.sync;
  receiver.answer = status(500);
  const { id } = await subscriptions.create({ url: receiver.url });
  await subscriptions.create({ url: other.url });
  for (const number of [1, 2]) await world.put(world.memory(number));
  const paused = await stateOf(world, id, ({ state }) => state === "paused");
  expect(paused).toMatchObject({
    pausedReason: "receiver_failing",
    lastError: "the receiver answered 500",
    dead: 1,
    nextAttemptAt: null,
  });
  await other.take(2);
  receiver.answer = ok;
  await subscriptions.resume(id);
  await subscriptions.replay(id);
  await receiver.take(2);
  expect(receiver.accepted.map(({ body }) => body.data.memoryId).sort()).toEqual(["m1", "m2"]);
  // 410: the receiver is gone, and is not asked again.
  receiver.answer = status(410);
  await world.put(world.memory(3));
  await stateOf(world, id, ({ pausedReason }) => pausedReason === "receiver_gone");
});

test("receivers that hang take a quarter of the places, so that another owner's messages pass", async (t) => {
  const world = await openWebhookWorld(t, { timeoutMs: 60_000, concurrencyMax: 4 });
  const [stuck, free] = [await WebhookReceiver.start(t), await WebhookReceiver.start(t)];
  stuck.answer = hang;
  const { subscriptions } = world.sync;
  for (let number = 0; number < 6; number++) await subscriptions.create({ url: stuck.url }, { owner: "slow" });
  await subscriptions.create({ url: free.url }, { owner: "quick" });
  await world.put(world.memory(1));
  await free.take(1);
  await world.put(world.memory(2)); // A write does not wait for receivers either.
  await free.take(2);
  expect(stuck.received.length).toBeLessThanOrEqual(1);
});

test("what the service notices goes to subscriptions of its topic, as figures without a memory's name", async (t) => {
  const world = await openWebhookWorld(t, {}, { consistencyCheckIntervalMs: 3_600_000 });
  const receiver = await WebhookReceiver.start(t);
  const { id } = await world.sync.subscriptions.create({ url: receiver.url, topics: ["drift", "repair"] });
  // The first pass of the background work would find the drift too, and repair it.
  const sweepEnded = async () => {
    const { consistency } = await world.sync.status();
    return consistency?.checks.some(({ scope, finishedAt }) => scope === "sweep" && finishedAt !== null);
  };
  await expect.poll(sweepEnded, { timeout: 60_000 }).toBe(true);
  await world.put(world.memory(1, { privacy: "local_only" }));
  await world.untilMarked();
  await world.redis.del(world.redisKey("m1"));
  const report = await world.sync.checkConsistency();
  await world.sync.repairInconsistencies(report);
  const messages = await receiver.take(2);
  expect(messages.map(({ body }) => body)).toMatchObject([
    { type: "drift", data: { nodeId: world.sync.nodeId, findings: 1, byKind: { missing: 1 }, byStore: { redis: 1 } } },
    { type: "repair", data: { repaired: 1, failed: 0 } },
  ]);
  expect(messages.map(({ text }) => text).join()).not.toContain('m1"');
  await stateOf(world, id, ({ pending, delivered }) => pending === 0 && delivered === 2);
});
