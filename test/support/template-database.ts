import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import postgres from "postgres";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { migrate } from "../../src/ledger/migrate.ts";

/** Any fixed number: one process at a time makes the template. */
const TEMPLATE_LOCK = "5520981734410267";

export interface TestDatabase {
  readonly url: string;
  /** Ends whoever is still connected. Safe twice. */
  drop(): Promise<void>;
}

/**
 * A database of its own with the schema in place, copied from a template that the first caller makes: copying takes a
 * tenth of what the migrations take. With `empty` there is no schema in it.
 */
export async function createTestDatabase(adminUrl: string, options: { empty?: boolean } = {}): Promise<TestDatabase> {
  const name = `mnemosync_test_${randomBytes(6).toString("hex")}`;
  const template = options.empty ? "template0" : await templateOf(adminUrl);
  // By its files: half of what copying through the log takes, where files are not synced.
  await administratorOf(adminUrl).unsafe(
    `create database ${name} template ${template} encoding 'UTF8' strategy file_copy`,
  );
  const url = withDatabase(adminUrl, name);
  // A copy is a ledger of its own, and has a history of its own.
  if (!options.empty) {
    await asAdmin(
      url,
      (sql) => sql`
        with fresh as (
          update mnemosync.sync_meta set value = gen_random_uuid()::text where name in ('store_epoch', 'ledger_id')
          returning name, value
        )
        update mnemosync.epochs set epoch = fresh.value from fresh where fresh.name = 'store_epoch'`,
    );
  }
  return {
    url,
    drop: async () => void (await administratorOf(adminUrl).unsafe(`drop database if exists ${name} with (force)`)),
  };
}

export function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

/** Of this process, by their server's address: every test makes a database and drops it, and a connection costs as much again. */
const administrators = new Map<string, postgres.Sql>();

/** Its connections end a second after they were used last, so that they keep no process alive. */
function administratorOf(adminUrl: string): postgres.Sql {
  const administrator =
    administrators.get(adminUrl) ?? postgres(adminUrl, { max: 4, idle_timeout: 1, onnotice: () => undefined });
  administrators.set(adminUrl, administrator);
  return administrator;
}

/** Templates that this process has found or made, by their server's address. */
const templates = new Map<string, string>();

async function templateOf(adminUrl: string): Promise<string> {
  const found = templates.get(adminUrl) ?? (await asAdmin(adminUrl, (admin) => ensureTemplate(admin, adminUrl)));
  templates.set(adminUrl, found);
  return found;
}

async function ensureTemplate(admin: postgres.Sql, adminUrl: string): Promise<string> {
  const name = `mnemosync_template_${schemaHash()}`;
  const lock = await admin.reserve();
  try {
    await lock`select pg_advisory_lock(${TEMPLATE_LOCK}::bigint)`;
    const [row] = await lock`select 1 from pg_database where datname = ${name}`;
    if (row !== undefined) return name;
    const making = `${name}_making`;
    await lock.unsafe(`drop database if exists ${making} with (force)`);
    await lock.unsafe(`create database ${making} template template0 encoding 'UTF8'`);
    const pool = new PostgresPool(withDatabase(adminUrl, making), { max: 1 });
    await migrate(pool, AbortSignal.timeout(90_000));
    await pool.close();
    // The server may need a moment to notice that the connection is gone, and nobody may be connected now.
    await lock`select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = ${making}`;
    await lock.unsafe(`alter database ${making} rename to ${name}`);
    return name;
  } finally {
    await lock`select pg_advisory_unlock(${TEMPLATE_LOCK}::bigint)`;
    lock.release();
  }
}

/** Names the schema by its files, so that a server which outlives the run is not taken for up to date. */
function schemaHash(): string {
  const folder = new URL("../../sql/", import.meta.url);
  const hash = createHash("sha256");
  for (const file of readdirSync(folder).sort()) hash.update(readFileSync(new URL(file, folder)));
  return hash.digest("hex").slice(0, 12);
}

async function asAdmin<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 2, onnotice: () => undefined });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
