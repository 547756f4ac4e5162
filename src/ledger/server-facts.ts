import { VERSION_MAX } from "../domain/version-vector.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { readableVector } from "./read-statements.ts";

/** Facts of a Postgres server, and the rights of this user. */
export interface PostgresFacts {
  /** E.g. 180001. */
  readonly versionNumber: number;
  readonly version: string;
  readonly encoding: string;
  readonly readOnly: boolean;
  readonly user: string;
  readonly database: string;
  /** Newest migration of the database; null without the schema. */
  readonly schemaVersion: number | null;
  readonly mayCreateSchema: boolean;
  /** Tables of ours that this user may not read and write. */
  readonly tablesWithoutPermission: readonly string[];
  /** Settings that lose acknowledged writes in a crash when they are off. */
  readonly fsync: string;
  readonly fullPageWrites: string;
  /** Connections that the server takes, and those that are there. */
  readonly connectionsMax: number;
  readonly connections: number;
  /** Seconds that the oldest writing transaction is open; null where there is none, or this user may not see it. */
  readonly oldestWriterSeconds: number | null;
  /** Transactions prepared for a two-phase commit: until they end, the change feed does not advance. */
  readonly preparedTransactions: number;
  /** Rows whose version, or a counter of whose version vector, is beyond the caps; null without the constraints. */
  readonly rowsBeyondCaps: number | null;
  /** Milliseconds that the server's clock is ahead of this machine's, give or take. */
  readonly clockAheadMs: number;
  readonly clockUncertaintyMs: number;
}

/** Asks the server. Changes nothing. */
export async function readPostgresFacts(sql: Sql, now: () => number = Date.now): Promise<PostgresFacts> {
  const [row] = await sql<
    {
      version_number: number;
      version: string;
      encoding: string;
      read_only: string;
      user_name: string;
      database: string;
      may_create: boolean;
      fsync: string;
      full_page_writes: string;
      connections_max: number;
      connections: number;
      oldest_writer: number | null;
      prepared: number;
      has_migrations: boolean;
    }[]
  >`
    select current_setting('server_version_num')::int as version_number, current_setting('server_version') as version,
           current_setting('server_encoding') as encoding, current_setting('transaction_read_only') as read_only,
           current_user::text as user_name, current_database()::text as database,
           has_database_privilege(current_database(), 'create') as may_create,
           current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
           current_setting('max_connections')::int as connections_max,
           (select count(*) from pg_stat_activity where backend_type = 'client backend')::int as connections,
           (select max(extract(epoch from clock_timestamp() - xact_start))::float8 from pg_stat_activity
            where backend_xid is not null and pid <> pg_backend_pid()) as oldest_writer,
           (select count(*) from pg_prepared_xacts)::int as prepared,
           exists (select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace
                   where n.nspname = 'mnemosync' and c.relname = 'schema_migrations') as has_migrations`;
  if (row === undefined) throw new TypeError("the server answered nothing");
  const schema = row.has_migrations ? await readSchemaFacts(sql) : { version: null, denied: [], beyondCaps: null };
  return {
    versionNumber: row.version_number,
    version: row.version,
    encoding: row.encoding,
    readOnly: row.read_only === "on",
    user: row.user_name,
    database: row.database,
    schemaVersion: schema.version,
    mayCreateSchema: row.may_create,
    tablesWithoutPermission: schema.denied,
    fsync: row.fsync,
    fullPageWrites: row.full_page_writes,
    connectionsMax: row.connections_max,
    connections: row.connections,
    oldestWriterSeconds: row.oldest_writer,
    preparedTransactions: row.prepared,
    rowsBeyondCaps: schema.beyondCaps,
    ...(await readClock(sql, now)),
  };
}

interface SchemaFacts {
  readonly version: number | null;
  readonly denied: string[];
  readonly beyondCaps: number | null;
}

async function readSchemaFacts(sql: Sql): Promise<SchemaFacts> {
  const rows = await sql<{ name: string }[]>`
    select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'mnemosync' and c.relkind = 'r' and c.relname <> 'schema_migrations'
      and not (has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
               and has_table_privilege(c.oid, 'insert') and has_table_privilege(c.oid, 'update')
               and has_table_privilege(c.oid, 'delete'))
    order by 1`;
  const denied = rows.map(({ name }) => name);
  const [permission] = await sql<{ granted: boolean }[]>`
    select has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') as granted
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'mnemosync' and c.relname = 'schema_migrations'`; // By number: by name the look itself is denied.
  if (permission?.granted !== true) {
    return { version: null, denied: ["schema_migrations", ...denied], beyondCaps: null };
  }
  const [newest] = await sql<{ version: number | null }[]>`
    select max(number)::int as version from mnemosync.schema_migrations`;
  const beyondCaps = denied.length > 0 ? null : await countBeyondCaps(sql);
  return { version: newest?.version ?? null, denied, beyondCaps };
}

/**
 * Looks at the rows only where a constraint is not validated: nearly never, after a migration that found such rows. Then it
 * reads the narrow tables once, in some seconds for ten million rows. Only the server's time-out of a statement bounds it:
 * a sample would say "none" of a table with one such row, which is what makes a database unusable.
 */
async function countBeyondCaps(sql: Sql): Promise<number | null> {
  const constraints = await sql<{ validated: boolean }[]>`
    select c.convalidated as validated from pg_constraint c join pg_namespace n on n.oid = c.connamespace
    where n.nspname = 'mnemosync'
      and c.conname in ('memory_versions_version_max', 'memory_versions_vector_counters', 'memory_history_version_max')`;
  if (constraints.length === 0) return null;
  if (constraints.every(({ validated }) => validated)) return 0;
  const [row] = await sql<{ count: number }[]>`
    select ((select count(*) from mnemosync.memory_versions v
             where v.version > ${VERSION_MAX}::bigint or not ${readableVector(sql)})
            + (select count(*) from mnemosync.memory_history where version > ${VERSION_MAX}::bigint))::int as count`;
  return row?.count ?? 0;
}

async function readClock(sql: Sql, now: () => number): Promise<{ clockAheadMs: number; clockUncertaintyMs: number }> {
  const before = now();
  const [row] = await sql<{ milliseconds: number }[]>`
    select extract(epoch from clock_timestamp())::float8 * 1000 as milliseconds`;
  const after = now();
  return {
    clockAheadMs: Math.round((row?.milliseconds ?? before) - (before + after) / 2),
    clockUncertaintyMs: Math.ceil((after - before) / 2),
  };
}
