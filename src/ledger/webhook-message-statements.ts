import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "./arrays.ts";

/** A change of a memory, by its key and its place in the feed. */
export interface ChangeReference {
  readonly namespace: string;
  readonly memoryId: string;
  readonly version: number;
  readonly epoch: string;
  readonly xid: string;
  readonly seq: string;
}

/** A message that waits, or that was given up. `createdAt` is milliseconds since 1970. */
export interface MessageRow {
  readonly id: string;
  /** The order of messages. */
  readonly number: number;
  readonly topic: string;
  /** JSON text of an event; null for a change. */
  readonly payload: string | null;
  readonly change: ChangeReference | null;
  readonly attempts: number;
  readonly lastError: string | null;
  readonly createdAt: number;
}

type Columns = Omit<MessageRow, "change"> & { [Name in keyof ChangeReference]: ChangeReference[Name] | null };

/** The oldest messages of a subscription in one state, behind `after`. */
export async function listMessages(
  sql: Sql,
  subscriptionId: string,
  state: "pending" | "dead",
  { after = 0, limit }: { after?: number; limit: number },
): Promise<MessageRow[]> {
  const rows = await sql<Columns[]>`
    select id, number::float8 as number, topic, payload::text as payload, attempts, last_error as "lastError",
           extract(epoch from created_at)::float8 * 1000 as "createdAt",
           namespace, memory_id as "memoryId", version::float8 as version, epoch, xid::text as xid, seq::text as seq
    from mnemosync.webhook_messages
    where subscription_id = ${subscriptionId} and state = ${state} and number > ${after}::float8::bigint
    order by number limit ${limit}`;
  return rows.map(({ namespace, memoryId, version, epoch, xid, seq, ...row }) => {
    const change = { namespace, memoryId, version, epoch, xid, seq };
    return { ...row, change: namespace === null ? null : (change as ChangeReference) };
  });
}

/**
 * Queues an event for each active or paused subscription to its topic that has fewer than `pendingMax` waiting; counts it as
 * lost for the others.
 * @returns how many got it.
 */
export async function enqueueEvent(
  sql: Sql,
  event: { id: string; topic: string; payload: string },
  pendingMax: number,
): Promise<number> {
  const { id, topic, payload } = event;
  const rows = await sql<{ queued: number }[]>`
    with wanting as materialized (
      -- Locked in one order: events of several nodes wait for each other, and a subscription that is deleted meanwhile drops out.
      select s.id, (select count(*) from mnemosync.webhook_messages m
                    where m.subscription_id = s.id and m.state = 'pending') < ${pendingMax} as has_room
      from mnemosync.webhook_subscriptions s where ${topic} = any (s.topics)
      order by s.id for no key update of s
    ), lost as (
      update mnemosync.webhook_subscriptions s set events_lost = events_lost + 1
      from wanting w where w.id = s.id and not w.has_room
    ), queued as (
      insert into mnemosync.webhook_messages (subscription_id, id, topic, state, payload)
      select w.id, ${id}, ${topic}, 'pending', ${payload}::text::json from wanting w where w.has_room
      on conflict (subscription_id, id) do nothing
      returning 1
    )
    select count(*)::int as queued from queued`;
  return rows[0]?.queued ?? 0;
}

/** Keeps a change as a dead letter; a repetition changes its error only. */
export async function buryChange(
  sql: Sql,
  subscriptionId: string,
  message: { id: string; topic: string; change: ChangeReference; attempts: number; lastError: string },
): Promise<void> {
  const { id, topic, attempts, lastError } = message;
  const { namespace, memoryId, version, epoch, xid, seq } = message.change;
  await sql`
    insert into mnemosync.webhook_messages
      (subscription_id, id, topic, state, namespace, memory_id, version, epoch, xid, seq, attempts, last_error)
    select ${subscriptionId}, ${id}, ${topic}, 'dead', ${namespace}, ${memoryId}, ${version}::float8::bigint, ${epoch},
           ${xid}::text::xid8, ${seq}::text::bigint, ${attempts}, ${lastError}
    from mnemosync.webhook_subscriptions where id = ${subscriptionId} for key share
    on conflict (subscription_id, id) do update set state = 'dead', attempts = ${attempts}, last_error = ${lastError}`;
}

/** A message that waited becomes a dead letter. */
export async function buryMessage(
  sql: Sql,
  subscriptionId: string,
  { id, attempts, lastError }: { id: string; attempts: number; lastError: string },
): Promise<void> {
  await sql`
    update mnemosync.webhook_messages set state = 'dead', attempts = ${attempts}, last_error = ${lastError}
    where subscription_id = ${subscriptionId} and id = ${id}`;
}

/** Messages that were delivered, or that there is nothing left to tell of. */
export async function deleteMessages(sql: Sql, subscriptionId: string, ids: readonly string[]): Promise<void> {
  await sql`
    delete from mnemosync.webhook_messages
    where subscription_id = ${subscriptionId} and state = 'pending' and id = any (${arrayLiteral(ids)}::text::text[])`;
}

/** Makes dead letters due again, all or those named. @returns how many. */
export async function reviveMessages(sql: Sql, subscriptionId: string, ids: readonly string[] | null): Promise<number> {
  const named = ids === null ? null : arrayLiteral(ids);
  const rows = await sql`
    update mnemosync.webhook_messages set state = 'pending', attempts = 0
    where subscription_id = ${subscriptionId} and state = 'dead'
      and (${named}::text is null or id = any (${named}::text::text[]))
    returning 1`;
  return rows.length;
}

/** Forgets dead letters, all or those named. @returns how many. */
export async function dropDeadMessages(
  sql: Sql,
  subscriptionId: string,
  ids: readonly string[] | null,
): Promise<number> {
  const named = ids === null ? null : arrayLiteral(ids);
  const rows = await sql`
    delete from mnemosync.webhook_messages
    where subscription_id = ${subscriptionId} and state = 'dead'
      and (${named}::text is null or id = any (${named}::text::text[]))
    returning 1`;
  return rows.length;
}
