import { expect, test, vi } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { hasEverything, writeUnderLoad } from "../support/change-load.ts";
import { environmentOf, startProgram } from "../support/command-line.ts";
import { randomNumbers } from "../support/memories.ts";
import type { ToldChange } from "../support/told-change.ts";
import { closeEarly, hang, ok, type Received, status, WebhookReceiver } from "../support/webhook-receiver.ts";
import { SECRET_KEY, WEBHOOKS } from "../support/webhook-world.ts";
import { openWorld } from "../support/world.ts";

// The lease of a killed node runs for half a minute.
vi.setConfig({ testTimeout: 400_000 });

/** Goal: no message is lost with its node. Method: a service is killed while it delivers, and another node goes on. */

function told({ body }: Received): ToldChange {
  const data = body.data as unknown as {
    namespace: string;
    memoryId: string;
    version: number;
    kind: ToldChange["kind"];
    cursor: string;
    memory?: { content?: string };
  };
  const { namespace, memoryId, version, kind, cursor } = data;
  return { key: `${namespace}/${memoryId}`, kind, version, cursor, content: data.memory?.content ?? null };
}

test("a node that is killed in the midst of its calls is followed by another one: all arrives, in order per memory", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: { webhooks: { ...WEBHOOKS, timeoutMs: 500 } } });
  const receiver = await WebhookReceiver.start(t);
  const bad = [hang, closeEarly, status(500)];
  const chance = randomNumbers(5);
  // One call in fifty goes wrong, so that the receiver is never well for long.
  receiver.answer = (...parameters) =>
    (chance() < 0.02 ? (bad[Math.floor(chance() * bad.length)] ?? ok) : ok)(...parameters);
  const namespaces = ["a", "b"];
  const { id } = await world.sync.subscriptions.create({ url: receiver.url, namespaces });
  const environment = {
    ...environmentOf(world),
    MNEMOSYNC_HTTP_AUTHENTICATION: "none",
    MNEMOSYNC_HTTP_PORT: "0",
    MNEMOSYNC_WEBHOOKS_SECRET_KEY: SECRET_KEY,
    MNEMOSYNC_WEBHOOKS_ALLOWED_ADDRESSES: "127.0.0.1",
    MNEMOSYNC_WEBHOOKS_ALLOW_HTTP: "true",
    MNEMOSYNC_WEBHOOKS_TIMEOUT_MS: "500",
    MNEMOSYNC_WEBHOOKS_RETRY_MAX_MS: "50",
  };
  const { child, ended } = startProgram(["serve"], environment);
  t.onTestFinished(() => void child.kill("SIGKILL"));
  const writing = writeUnderLoad(world, 1_500, randomNumbers(3));
  await pollUntil("the service to deliver", 90_000, () => receiver.accepted.length >= 100);
  child.kill("SIGKILL");
  await ended;
  const before = receiver.accepted.length;
  world.sync.start();
  await writing;
  await pollUntil("all to arrive", 180_000, () => hasEverything(world, receiver.accepted.map(told), namespaces));
  expect(receiver.accepted.length).toBeGreaterThan(before);
  const versions = new Map<string, number>();
  const ids = new Map<string, string>();
  for (const message of receiver.accepted) {
    const { key, version, kind } = told(message);
    const named = `${key}@${version} ${kind}`;
    const isRepeated = ids.get(message.id) === named;
    expect(ids.get(message.id) ?? named).toBe(named);
    ids.set(message.id, named);
    // A repetition comes right after its first sending: never behind a later version.
    expect(version, named).toBeGreaterThanOrEqual(versions.get(key) ?? 0);
    if (!isRepeated) expect(version, named).toBeGreaterThan(versions.get(key) ?? 0);
    versions.set(key, version);
  }
  await pollUntil("the subscription to be at rest", 60_000, async () => {
    const { state, dead } = await world.sync.subscriptions.get(id);
    return state === "active" && dead === 0;
  });
});
