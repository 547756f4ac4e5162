import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import type { Sql } from "../../src/drivers/postgres/postgres-access.ts";
import { enqueueEvent } from "../../src/ledger/webhook-message-statements.ts";
import { newUlid } from "../../src/runtime/ulid.ts";
import { WEBHOOKS } from "../support/webhook-world.ts";
import { openWorld, type World } from "../support/world.ts";

/**
 * Goal: what is done to a subscription, its cursor and its messages at the same time waits, and ends in no circle. Method: another
 * connection holds what one step of the other transaction has locked.
 */

type Test = Parameters<typeof openWorld>[0];

async function open(t: Test): Promise<World> {
  return await openWorld(t, { faiss: false, redis: false, settings: { webhooks: WEBHOOKS } });
}

async function subscribe(world: World, topics: ["change"] | ["conflict"] = ["change"]): Promise<string> {
  return (await world.sync.subscriptions.create({ url: "http://127.0.0.1:9/", topics })).id;
}

/** Until some statement of the ledger's waits for a lock. */
async function untilWaiting({ sql }: World, count = 1): Promise<void> {
  await pollUntil(`${count} statements that wait for a lock`, 60_000, async () => {
    const rows = await sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    return rows.length === count;
  });
}

test("a subscription that is deleted while it is changed goes, and neither is ended as a deadlock", async (t) => {
  const world = await open(t);
  const id = await subscribe(world);
  const holder = await world.sql.reserve();
  t.onTestFinished(() => holder.release());
  // As a change does: the subscription, and then its place in the feed.
  await holder`begin`;
  await holder`update mnemosync.webhook_subscriptions set description = 'other' where id = ${id}`;
  const deleting = world.sync.subscriptions.delete(id);
  await untilWaiting(world);
  await holder`update mnemosync.feed_cursors set seq = 0 where name = ${`webhook/${id}`}`;
  await holder`commit`;
  await deleting;
  await expect(world.sync.subscriptions.get(id)).rejects.toThrow("there is no webhook subscription");
  expect(await world.sql`select from mnemosync.feed_cursors`).toHaveLength(0);
});

test("an event reaches the others where a subscription is deleted at the same time", async (t) => {
  const world = await open(t);
  const [gone] = [await subscribe(world, ["conflict"]), await subscribe(world, ["conflict"])];
  const [holder, node] = [await world.sql.reserve(), await world.sql.reserve()];
  t.onTestFinished(() => [holder, node].forEach((connection) => void connection.release()));
  await holder`begin`;
  await holder`delete from mnemosync.webhook_subscriptions where id = ${gone}`;
  const event = { id: `msg_${newUlid()}`, topic: "conflict", payload: "{}" };
  const queued = enqueueEvent(node as unknown as Sql, event, 10);
  await untilWaiting(world);
  await holder`commit`;
  expect(await queued).toBe(1);
});

test("events of two nodes for which there is no room wait for each other in one order", async (t) => {
  const world = await open(t);
  const ids: string[] = [];
  for (let number = 0; number < 4; number++) ids.push(await subscribe(world, ["conflict"]));
  const [first = ""] = ids.sort();
  const [holder, node] = [await world.sql.reserve(), await world.sql.reserve()];
  t.onTestFinished(() => [holder, node].forEach((connection) => void connection.release()));
  // In the table the first one stands behind the others.
  await holder`update mnemosync.webhook_subscriptions set description = 'moved' where id = ${first}`;
  await holder`begin`;
  await holder`select from mnemosync.webhook_subscriptions where id = ${first} for update`;
  const event = { id: `msg_${newUlid()}`, topic: "conflict", payload: "{}" };
  const queued = enqueueEvent(node as unknown as Sql, event, 0);
  await untilWaiting(world);
  const free = await world.sql`
    select from mnemosync.webhook_subscriptions where id <> ${first} for update skip locked`;
  expect(free).toHaveLength(ids.length - 1);
  await holder`rollback`;
  expect(await queued).toBe(0);
  const lost = await world.sql`select events_lost::int as lost from mnemosync.webhook_subscriptions`;
  expect(lost.map((row) => row.lost)).toEqual([1, 1, 1, 1]);
});
