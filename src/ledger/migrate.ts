import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigurationError, SchemaTooNewError } from "../domain/errors.ts";
import type { PostgresAccess, Sql } from "../drivers/postgres/postgres-access.ts";
import { packageFile } from "../runtime/package-files.ts";

/** Any fixed number that no other program uses for its advisory locks. */
const MIGRATION_LOCK = "7310579614382012401";

const SERVER_VERSION_MIN = 140_000;

interface Migration {
  readonly number: number;
  readonly name: string;
  readonly text: string;
  readonly sha256: string;
}

/** Result of a run of the migrations. */
export interface MigrationReport {
  /** Names of those that were applied now, in order. */
  readonly applied: string[];
  /** Number of the newest one, which the database is at now. */
  readonly version: number;
}

/**
 * Brings schema `mnemosync` to this program's version: each missing migration in a transaction of its own, under an
 * advisory lock, so that many processes may start at once. Creates the schema when it is absent.
 * @throws {SchemaTooNewError} The database was migrated by a newer program.
 * @throws {ConfigurationError} The server is older than 14, its encoding is not UTF8, or an applied migration was edited since.
 */
export async function migrate(postgres: PostgresAccess, signal: AbortSignal): Promise<MigrationReport> {
  const migrations = await loadMigrations();
  return await postgres.use(signal, async ({ sql }) => {
    await checkServer(sql);
    const newest = migrations.at(-1)?.number ?? 0;
    const applied: string[] = [];
    // Nearly always: it takes neither a lock nor the right to create anything to see that there is nothing to do.
    const [table] = await sql`select to_regclass('mnemosync.schema_migrations') is not null as present`;
    const seen = table?.present !== true ? null : await appliedMigrations(sql, newest);
    if (migrations.every(({ number, sha256 }) => seen?.get(number) === sha256)) return { applied, version: newest };
    for (const migration of migrations) {
      await sql`begin`;
      // A caller's own client prints each notice ("… already exists, skipping") to standard output unless told otherwise.
      await sql`set local client_min_messages = warning`;
      await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK}::bigint)`;
      await createMigrationsTable(sql);
      const known = await appliedMigrations(sql, newest);
      const before = known.get(migration.number);
      if (before === undefined) {
        await sql.unsafe(migration.text);
        await sql`
          insert into mnemosync.schema_migrations (number, name, sha256)
          values (${migration.number}, ${migration.name}, ${migration.sha256})`;
        applied.push(migration.name);
      } else if (before !== migration.sha256) {
        throw new ConfigurationError(
          `migration ${migration.name} differs from the applied one: migrations are append-only. Restore the file, or ` +
            "write a new migration",
        );
      }
      await sql`commit`;
    }
    return { applied, version: newest };
  });
}

/**
 * Whether the database is at this program's version, for a program that must not change that.
 * @throws {SchemaTooNewError} @throws {ConfigurationError} It is older, or no ledger.
 */
export async function checkMigrated(postgres: PostgresAccess, signal: AbortSignal): Promise<void> {
  const newest = await newestMigration();
  await postgres.use(signal, async ({ sql }) => {
    const [table] = await sql`select to_regclass('mnemosync.schema_migrations') is not null as present`;
    const applied = table?.present === true ? await appliedMigrations(sql, newest) : new Map<number, string>();
    if (applied.has(newest)) return;
    const found = Math.max(0, ...applied.keys());
    throw new ConfigurationError(
      `the database is at migration ${found} and this program needs ${newest}: upgrade the hub first (mnemosync migrate)`,
    );
  });
}

/** Number of the newest migration that this program knows. */
export async function newestMigration(): Promise<number> {
  return (await loadMigrations()).at(-1)?.number ?? 0;
}

async function checkServer(sql: Sql): Promise<void> {
  const [row] = await sql<{ version: number; encoding: string }[]>`
    select current_setting('server_version_num')::int as version, current_setting('server_encoding') as encoding`;
  if (row === undefined || row.version < SERVER_VERSION_MIN) {
    throw new ConfigurationError(`PostgreSQL 14 or newer is needed; this server is ${row?.version ?? "silent"}`);
  }
  if (row.encoding !== "UTF8") {
    throw new ConfigurationError(`the database's encoding is ${row.encoding}: create one with encoding UTF8`);
  }
}

async function createMigrationsTable(sql: Sql): Promise<void> {
  await sql`create schema if not exists mnemosync`;
  await sql`
    create table if not exists mnemosync.schema_migrations (
      number     integer     not null,
      name       text        not null,
      sha256     text        not null,
      applied_at timestamptz not null default clock_timestamp(),
      constraint schema_migrations_pkey primary key (number)
    )`;
}

/** Checksums of the migrations that were applied, by number. @throws {SchemaTooNewError} */
async function appliedMigrations(sql: Sql, newest: number): Promise<Map<number, string>> {
  const rows = await sql<{ number: number; sha256: string }[]>`
    select number, sha256 from mnemosync.schema_migrations order by number`;
  const last = rows.at(-1)?.number ?? 0;
  if (last > newest) {
    throw new SchemaTooNewError(
      `the database is at migration ${last} and this program knows ${newest}: use the newer program, or another database`,
    );
  }
  return new Map(rows.map((row) => [row.number, row.sha256]));
}

/** The files of `sql/`. */
async function loadMigrations(): Promise<Migration[]> {
  const folder = packageFile("sql");
  const names = (await readdir(folder)).filter((name) => /^\d{4}_\w+\.sql$/.test(name)).sort();
  return await Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(folder, name), "utf8");
      const sha256 = createHash("sha256").update(text.replaceAll("\r\n", "\n")).digest("hex");
      return { number: Number(name.slice(0, 4)), name, text, sha256 };
    }),
  );
}
