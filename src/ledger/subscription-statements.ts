import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "./arrays.ts";
import type { FeedReading } from "./feed-page-statements.ts";
import { hasCome } from "./stored-times.ts";

/** What a caller sets of a webhook subscription. `where` is JSON text; null lists and filters mean all. */
export interface SubscriptionFields {
  readonly url: string;
  readonly description: string;
  readonly topics: readonly string[];
  readonly namespaces: readonly string[] | null;
  readonly where: string | null;
  readonly reading: FeedReading;
  readonly embeddings: boolean;
}

/** A subscription's row. Times are milliseconds since 1970. */
export interface SubscriptionRow extends SubscriptionFields {
  readonly id: string;
  readonly owner: string;
  /** Encrypted. */
  readonly secret: Buffer;
  /** Encrypted; null once its time is over. */
  readonly previousSecret: Buffer | null;
  readonly previousSecretUntil: number | null;
  readonly state: "active" | "paused";
  readonly pausedReason: string | null;
  readonly head: string | null;
  readonly failures: number;
  readonly nextAttemptAt: number | null;
  readonly lastError: string | null;
  readonly lastFailureAt: number | null;
  readonly lastSuccessAt: number | null;
  readonly delivered: number;
  readonly eventsLost: number;
  readonly pending: number;
  readonly dead: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

type Columns = Omit<SubscriptionRow, "topics" | "namespaces"> & { topics: string; namespaces: string | null };

/** The subscriptions that a caller may know of. */
export interface Visibility {
  /** Those for these namespaces alone; null: for any. */
  readonly among: readonly string[] | null;
  /** Those of this topic alone; null: of any. */
  readonly topic: string | null;
}

/** Every subscription. */
export const ALL_VISIBLE: Visibility = { among: null, topic: null };

function columns(sql: Sql): Fragment {
  const time = (column: string): Fragment => sql`extract(epoch from s.${sql(column)})::float8 * 1000`;
  return sql`
    s.id, s.owner, s.url, s.description, to_json(s.topics)::text as topics, to_json(s.namespaces)::text as namespaces,
    s.where_filter::text as where, s.reading, s.embeddings, s.secret,
    case when s.previous_secret_until > clock_timestamp() then s.previous_secret end as "previousSecret",
    case when s.previous_secret_until > clock_timestamp()
      then ${time("previous_secret_until")} end as "previousSecretUntil",
    s.state, s.paused_reason as "pausedReason", s.head, s.failures, ${time("next_attempt_at")} as "nextAttemptAt",
    s.last_error as "lastError", ${time("last_failure_at")} as "lastFailureAt",
    ${time("last_success_at")} as "lastSuccessAt", s.delivered::float8 as delivered,
    s.events_lost::float8 as "eventsLost", ${messages(sql, "pending")} as pending, ${messages(sql, "dead")} as dead,
    ${time("created_at")} as "createdAt", ${time("updated_at")} as "updatedAt"`;
}

function messages(sql: Sql, state: "pending" | "dead"): Fragment {
  return sql`(select count(*)::int from mnemosync.webhook_messages m where m.subscription_id = s.id and m.state = ${state})`;
}

function parsed({ topics, namespaces, ...row }: Columns): SubscriptionRow {
  return {
    ...row,
    topics: JSON.parse(topics) as string[],
    namespaces: namespaces === null ? null : (JSON.parse(namespaces) as string[]),
  };
}

function isVisible(sql: Sql, { among, topic }: Visibility): Fragment {
  const ofNamespaces = among === null ? sql`true` : sql`s.namespaces <@ ${arrayLiteral(among)}::text::text[]`;
  return topic === null ? ofNamespaces : sql`(${ofNamespaces} and s.topics = array[${topic}::text])`;
}

function lists(sql: Sql, { topics, namespaces }: SubscriptionFields): { topics: Fragment; namespaces: Fragment } {
  const names = namespaces === null ? null : arrayLiteral(namespaces);
  return {
    topics: sql`${arrayLiteral(topics)}::text::text[]`,
    namespaces: sql`${names}::text::text[]`,
  };
}

/** Counted under a lock of the table, so that two callers cannot both take the last place. */
export async function countSubscriptions(sql: Sql, owner: string): Promise<{ own: number; all: number }> {
  await sql`lock table mnemosync.webhook_subscriptions in share row exclusive mode`;
  const [row] = await sql<{ own: number; all: number }[]>`
    select count(*) filter (where owner = ${owner})::int as own, count(*)::int as all
    from mnemosync.webhook_subscriptions`;
  return row ?? { own: 0, all: 0 };
}

export async function insertSubscription(
  sql: Sql,
  subscription: SubscriptionFields & { id: string; owner: string; secret: Buffer },
): Promise<SubscriptionRow> {
  const { id, owner, url, description, where, reading, embeddings, secret } = subscription;
  const { topics, namespaces } = lists(sql, subscription);
  const [row] = await sql<Columns[]>`
    insert into mnemosync.webhook_subscriptions as s
      (id, owner, url, description, topics, namespaces, where_filter, reading, embeddings, secret)
    values (${id}, ${owner}, ${url}, ${description}, ${topics}, ${namespaces}, ${where}::text::json, ${reading},
            ${embeddings}::boolean, ${secret})
    returning ${columns(sql)}`;
  return parsed(row as Columns);
}

export async function readSubscription(sql: Sql, id: string, visible: Visibility): Promise<SubscriptionRow | null> {
  const [row] = await sql<Columns[]>`
    select ${columns(sql)} from mnemosync.webhook_subscriptions s where s.id = ${id} and ${isVisible(sql, visible)}`;
  return row === undefined ? null : parsed(row);
}

/** In the order of ids, which is that of creation, behind `after`. */
export async function listSubscriptions(
  sql: Sql,
  visible: Visibility,
  after: string,
  limit: number,
): Promise<SubscriptionRow[]> {
  const rows = await sql<Columns[]>`
    select ${columns(sql)} from mnemosync.webhook_subscriptions s
    where s.id > ${after} and ${isVisible(sql, visible)} order by s.id limit ${limit}`;
  return rows.map(parsed);
}

/** What a caller, or a delivery, changes; what is not named stays. */
export type SubscriptionChange = Partial<
  Pick<SubscriptionRow, "secret" | "previousSecret" | "state" | "pausedReason" | "head" | "failures">
> & {
  readonly fields?: SubscriptionFields;
  /** Milliseconds from now; null: at once. */
  readonly nextAttemptMs?: number | null;
  /** Milliseconds from now. */
  readonly previousSecretMs?: number;
  readonly lastError?: string;
  /** Messages that the receiver accepted just now. */
  readonly delivered?: number;
};

/** @returns null where there is no such subscription. */
export async function changeSubscription(
  sql: Sql,
  id: string,
  change: SubscriptionChange,
): Promise<SubscriptionRow | null> {
  const { fields, nextAttemptMs, previousSecretMs, lastError, delivered = 0, ...columnsToSet } = change;
  const sets: Fragment[] = [];
  const set = (column: string, value: Fragment): void => void sets.push(sql`${sql(column)} = ${value}`);
  const inMs = (ms: number | null): Fragment => sql`clock_timestamp() + ${ms}::float8 * interval '1 millisecond'`;
  if (fields !== undefined) {
    const { topics, namespaces } = lists(sql, fields);
    set("url", sql`${fields.url}`);
    set("description", sql`${fields.description}`);
    set("topics", topics);
    set("namespaces", namespaces);
    set("where_filter", sql`${fields.where}::text::json`);
    set("reading", sql`${fields.reading}`);
    set("embeddings", sql`${fields.embeddings}::boolean`);
    set("updated_at", sql`clock_timestamp()`);
  }
  const { secret, previousSecret, state, pausedReason, head, failures } = columnsToSet;
  if (secret !== undefined) set("secret", sql`${secret}`);
  if (previousSecret !== undefined) set("previous_secret", sql`${previousSecret}::bytea`);
  if (previousSecretMs !== undefined) set("previous_secret_until", inMs(previousSecretMs));
  if (state !== undefined) set("state", sql`${state}`);
  if (pausedReason !== undefined) set("paused_reason", sql`${pausedReason}::text`);
  if (head !== undefined) set("head", sql`${head}::text`);
  if (failures !== undefined) set("failures", sql`${failures}::int`);
  if (nextAttemptMs !== undefined) set("next_attempt_at", inMs(nextAttemptMs));
  if (lastError !== undefined) {
    set("last_error", sql`${lastError}`);
    set("last_failure_at", sql`clock_timestamp()`);
  }
  if (delivered > 0) {
    set("delivered", sql`delivered + ${delivered}`);
    set("last_success_at", sql`clock_timestamp()`);
  }
  const [first, ...others] = sets;
  if (first === undefined) return await readSubscription(sql, id, ALL_VISIBLE);
  const [row] = await sql<Columns[]>`
    update mnemosync.webhook_subscriptions s set ${others.reduce((all, one) => sql`${all}, ${one}`, first)}
    where s.id = ${id} returning ${columns(sql)}`;
  return row === undefined ? null : parsed(row);
}

/** With its messages. @returns whether there was one. */
export async function deleteSubscription(sql: Sql, id: string): Promise<boolean> {
  const rows = await sql`delete from mnemosync.webhook_subscriptions where id = ${id} returning 1`;
  return rows.length === 1;
}

/** Whether a subscription's cursor, of a row called c, has changes before it, `head` being the last one that the feed shows. */
function isBehind(sql: Sql, topic: string): Fragment {
  return sql`(${topic} = any (s.topics) and ((c.xid, c.seq) < (h.xid, h.seq) or c.epoch <> h.epoch))`;
}

/** The end of the feed, as a row called h. */
function feedEnd(sql: Sql): Fragment {
  return sql`(
    select coalesce(l.xid, '0'::xid8) as xid, coalesce(l.seq, 0) as seq,
           (select value from mnemosync.sync_meta where name = 'store_epoch') as epoch
    from (values (1)) one left join (
      select xid, seq from (
        (select xid, seq from mnemosync.memory_bodies where xid < pg_snapshot_xmin(pg_current_snapshot())
         order by memory_bodies.xid desc, memory_bodies.seq desc limit 1)
        union all
        (select xid, seq from mnemosync.memory_versions where xid < pg_snapshot_xmin(pg_current_snapshot())
         order by memory_versions.xid desc, memory_versions.seq desc limit 1) -- Rows that are not moved yet.
      ) places order by places.xid desc, places.seq desc limit 1
    ) l on true)`;
}

/**
 * Subscriptions with work that is due and that no other process than `holder` delivers now.
 * @param aheadMaxMs milliseconds that an attempt may be put off, at most.
 */
export async function listDueSubscriptions(
  sql: Sql,
  { topic, holder, aheadMaxMs, limit }: { topic: string; holder: string; aheadMaxMs: number; limit: number },
): Promise<{ id: string; owner: string }[]> {
  return await sql<{ id: string; owner: string }[]>`
    select s.id, s.owner
    from mnemosync.webhook_subscriptions s
    join mnemosync.feed_cursors c on c.name = 'webhook/' || s.id
    cross join ${feedEnd(sql)} h
    where s.state = 'active' and (s.next_attempt_at is null or ${hasCome(sql, sql`s.next_attempt_at`, aheadMaxMs)})
      and (c.holder is null or c.holder = ${holder} or ${hasCome(sql, sql`c.lease_expires_at`)})
      and (${isBehind(sql, topic)} or exists (
        select from mnemosync.webhook_messages m where m.subscription_id = s.id and m.state = 'pending'))
    order by s.last_success_at nulls first, s.id
    limit ${limit}`;
}

export interface SubscriptionGauge {
  readonly id: string;
  readonly state: string;
  readonly failures: number;
  readonly pending: number;
  readonly dead: number;
  /** Seconds since the oldest change that the subscription has not passed; 0 where there is none. */
  readonly lagSeconds: number;
}

export async function readSubscriptionGauges(sql: Sql, topic: string, limit: number): Promise<SubscriptionGauge[]> {
  return await sql<SubscriptionGauge[]>`
    select s.id, s.state, s.failures, ${messages(sql, "pending")} as pending, ${messages(sql, "dead")} as dead,
           coalesce(greatest(extract(epoch from clock_timestamp() - o.modified_at), 0), 0)::float8 as "lagSeconds"
    from mnemosync.webhook_subscriptions s
    join mnemosync.feed_cursors c on c.name = 'webhook/' || s.id
    left join lateral (
      select modified_at from (
        (select b.modified_at, b.xid, b.seq from mnemosync.memory_bodies b
         where (b.xid, b.seq) > (c.xid, c.seq) order by b.xid, b.seq limit 1)
        union all
        (select v.modified_at, v.xid, v.seq from mnemosync.memory_versions v
         where (v.xid, v.seq) > (c.xid, c.seq) order by v.xid, v.seq limit 1) -- Rows that are not moved yet.
      ) behind where ${topic} = any (s.topics) order by behind.xid, behind.seq limit 1
    ) o on true
    order by s.id limit ${limit}`;
}

/** Moves a cursor that no process may be using: its subscription was given another filter, or a place of its own. */
export async function replaceCursor(sql: Sql, name: string, filter: string, from: "start" | "now"): Promise<void> {
  await sql`
    update mnemosync.feed_cursors
    set filter = ${filter}::text::json, epoch = (select value from mnemosync.sync_meta where name = 'store_epoch'),
        xid = case when ${from === "start"}::boolean then '0'::xid8 else pg_snapshot_xmin(pg_current_snapshot()) end,
        seq = 0, holder = null, lease_expires_at = null, updated_at = clock_timestamp()
    where name = ${name}`;
}

export async function deleteCursor(sql: Sql, name: string): Promise<void> {
  await sql`delete from mnemosync.feed_cursors where name = ${name}`;
}
