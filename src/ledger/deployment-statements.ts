import type { StoreId } from "../domain/store-id.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";

/** Rows of `sync_meta`, one per process: the shared stores that it runs, and until when that counts. */
const PREFIX = "running/";

/** A shared store of the deployment, with what is known of it. */
export interface DeployedStore {
  readonly id: StoreId;
  readonly holds: readonly ("documents" | "vectors")[];
  /** ISO-8601, by the server's clock. */
  readonly registeredAt: string;
  /** ISO-8601; null: it is being filled since it was registered. */
  readonly filledAt: string | null;
  /** Memories in its backlog, dead letters among them. */
  readonly queued: number;
  /** Ids of the nodes whose background work runs it now. */
  readonly nodes: readonly string[];
}

/**
 * Notes that a process runs `stores`, for `ttlMs` milliseconds; removes the notes of processes that are gone.
 * @param holder names the process.
 */
export async function noteRunning(
  sql: Sql,
  note: {
    readonly holder: string;
    readonly nodeId: string;
    readonly stores: readonly StoreId[];
    readonly ttlMs: number;
  },
): Promise<void> {
  const { holder, nodeId, stores, ttlMs } = note;
  await sql`
    with gone as (
      delete from mnemosync.sync_meta
      where starts_with(name, ${PREFIX}) and name <> ${PREFIX + holder}
        and (value::jsonb ->> 'until')::timestamptz < clock_timestamp())
    insert into mnemosync.sync_meta (name, value)
    values (${PREFIX + holder}, jsonb_build_object(
      'node', ${nodeId}::text, 'stores', ${JSON.stringify(stores)}::text::jsonb,
      'until', clock_timestamp() + ${ttlMs}::float8 * interval '1 millisecond')::text)
    on conflict (name) do update set value = excluded.value`;
}

/** The process runs no store any more. */
export async function endRunning(sql: Sql, holder: string): Promise<void> {
  await sql`delete from mnemosync.sync_meta where name = ${PREFIX + holder}`;
}

/** All shared stores, by id; or the one named. */
export async function listDeployed(sql: Sql, id: StoreId | null = null): Promise<DeployedStore[]> {
  return await sql<DeployedStore[]>`
    select id, array_to_json(holds) as holds, to_char(registered_at at time zone 'utc', ${ISO}) as "registeredAt",
           to_char(filled_at at time zone 'utc', ${ISO}) as "filledAt",
           (select count(*) from mnemosync.sync_queue q where q.store = s.id and q.node_id = '')::int as queued,
           (select coalesce(json_agg(distinct value::jsonb ->> 'node'), '[]') from mnemosync.sync_meta
            where starts_with(name, ${PREFIX}) and (value::jsonb -> 'stores') ? s.id
              and (value::jsonb ->> 'until')::timestamptz >= clock_timestamp()) as nodes
    from mnemosync.stores s where ${id}::text is null or id = ${id} order by id`;
}

const ISO = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"';
