import { expect, test } from "vitest";
import { Delivery, type DeliveryParts } from "../../../src/webhooks/delivery.ts";

/** Goal: a slow receiver does not keep its place longer than a turn and one call. */

test("a turn whose time is over begins no further call, and keeps what was accepted", async () => {
  let now = 0;
  const sent: string[] = [];
  const deleted: string[][] = [];
  const row = {
    id: "s1",
    url: "https://receiver.example/",
    state: "active",
    topics: ["drift"],
    where: null,
    namespaces: null,
    failures: 1,
    head: "msg_1",
  };
  const waiting = Array.from({ length: 8 }, (_, at) => ({
    id: `msg_${at + 1}`,
    topic: "drift",
    payload: "{}",
    change: null,
  }));
  const parts = {
    store: {
      read: async () => row,
      messages: async () => waiting,
      deleteMessages: async (_id: string, ids: string[]) => void deleted.push(ids),
      change: async () => row,
    },
    feed: {
      cursors: {
        lease: async () => true,
        read: async () => ({ epoch: "e1", cursor: { xid: "1", seq: "1" } }),
        release: async () => true,
      },
    },
    sender: {
      send: async (_url: string, { id }: { id: string }) => {
        sent.push(id);
        now += 14_000;
        return { outcome: "accepted", status: 204 };
      },
    },
    box: { secretsOf: () => [] },
    settings: { timeoutMs: 15_000, attemptsMax: 24, retryMaxMs: 1_000 },
    metrics: { delivered: () => undefined },
    log: { debug: () => undefined },
    now: () => now,
    holder: "node",
    leaseMs: 60_000,
  } as unknown as DeliveryParts;
  expect(await new Delivery(parts).turn("s1", new AbortController().signal)).toBe(true);
  expect(sent).toEqual(["msg_1"]);
  expect(deleted).toEqual([["msg_1"]]);
});
