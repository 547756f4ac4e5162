import { expect, test } from "vitest";
import type { ResourceFeed } from "../../../src/mcp/resource-feed.ts";
import { Subscriptions } from "../../../src/mcp/subscriptions.ts";
import { UpdateGate } from "../../../src/mcp/update-gate.ts";

/** Goal: a session that takes no updates holds the names of its resources, and nothing that grows. */

/** A feed that the test speaks for. */
function feedDouble() {
  const listeners = new Map<string, () => void>();
  const feed = {
    subscribe: async ({ namespace, memoryId }: { namespace: string; memoryId: string }, listener: () => void) => {
      listeners.set(`${namespace}/${memoryId}`, listener);
      return () => void listeners.delete(`${namespace}/${memoryId}`);
    },
  };
  return { feed: feed as unknown as ResourceFeed, listeners };
}

const key = (memoryId: string) => ({ namespace: "a", memoryId });
const uri = (memoryId: string) => `memory://a/${memoryId}`;

test("updates that come while the gate is shut are sent once it opens, each resource once", async () => {
  const { feed, listeners } = feedDouble();
  const gate = new UpdateGate();
  const sent: string[] = [];
  const send = async (name: string): Promise<void> => {
    await gate.pass();
    sent.push(name);
  };
  const subscriptions = new Subscriptions(feed, { send });
  for (const id of ["1", "2"]) await subscriptions.add(uri(id), key(id));
  for (let change = 0; change < 1_000; change++) for (const tell of listeners.values()) tell();
  await Promise.resolve();
  expect(sent).toEqual([]);
  gate.open();
  // The first was on its way when the others came, so it is told a second time.
  await expect.poll(() => [...sent].sort()).toEqual([uri("1"), uri("1"), uri("2")]);
  subscriptions.close();
  expect([subscriptions.size, listeners.size]).toEqual([0, 0]);
});

test("subscriptions are counted by number and by bytes, and one twice is one", async () => {
  const { feed, listeners } = feedDouble();
  const subscriptions = new Subscriptions(feed, { send: async () => undefined });
  await subscriptions.add(uri("1"), key("1"));
  await subscriptions.add(uri("1"), key("1"));
  expect([subscriptions.size, listeners.size]).toEqual([1, 1]);
  const long = (number: number) => `${number}`.padEnd(1_000, "x");
  const full = async (): Promise<void> => {
    for (let number = 0; number < 100; number++) await subscriptions.add(uri(long(number)), key(long(number)));
  };
  await expect(full()).rejects.toMatchObject({ code: "TOO_MANY_CALLS" });
  expect(subscriptions.size).toBeLessThan(66);
  subscriptions.remove(uri(long(0)));
  await subscriptions.add(uri(long(200)), key(long(200)));
});

test("what a caller may no longer see is forgotten", async () => {
  const { feed, listeners } = feedDouble();
  const subscriptions = new Subscriptions(feed, { send: async () => undefined });
  await subscriptions.add(uri("1"), key("1"));
  subscriptions.keepOnly((namespace) => namespace !== "a");
  expect([subscriptions.size, listeners.size]).toEqual([0, 0]);
});

test("a gate that is closed lets nobody through, and wakes those that wait", async () => {
  const gate = new UpdateGate();
  const waiting = gate.pass();
  gate.close();
  await expect(waiting).rejects.toThrow("the session has ended");
  gate.open();
  await expect(gate.pass()).rejects.toThrow("the session has ended");
});
