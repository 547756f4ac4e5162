import postgres from "postgres";
import { expect, inject, type TestContext, test } from "vitest";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { ConfigurationError, MemorySynchronizer, SchemaTooNewError } from "../../src/index.ts";
import { migrate } from "../../src/ledger/migrate.ts";
import { postgresUrl } from "../support/services.ts";
import { createTestDatabase } from "../support/template-database.ts";

const NAMES = ["0001_memories.sql", "0002_transactions.sql", "0003_conflicts_and_checks.sql", "0004_status.sql"];

async function emptyDatabase(t: TestContext) {
  const database = await createTestDatabase(postgresUrl(), { empty: true });
  const sql = postgres(database.url, { max: 2, onnotice: () => undefined });
  const pools: PostgresPool[] = [];
  t.onTestFinished(async () => {
    await Promise.all(pools.map((pool) => pool.close()));
    await sql.end({ timeout: 1 });
    await database.drop();
  });
  const run = async () => {
    const pool = new PostgresPool(database.url, { max: 2 });
    pools.push(pool);
    return await migrate(pool, AbortSignal.timeout(90_000));
  };
  return { url: database.url, sql, run };
}

const applied = async (sql: postgres.Sql) =>
  await sql`select number, name, sha256, applied_at from mnemosync.schema_migrations order by number`;

test("an empty database gets every migration, in order, and a second run has nothing to do", async (t) => {
  const { sql, run } = await emptyDatabase(t);
  const report = await run();
  expect(report.applied.slice(0, 4)).toEqual(NAMES);
  expect(report.version).toBe(Number(report.applied.at(-1)?.slice(0, 4)));
  const first = await applied(sql);
  expect(first.map(({ name }) => name)).toEqual(report.applied);
  expect(await run()).toEqual({ applied: [], version: report.version });
  expect(await applied(sql)).toEqual(first);
});

test("four processes that start at the same time apply each migration once", async (t) => {
  const { sql, run } = await emptyDatabase(t);
  const reports = await Promise.all([run(), run(), run(), run()]);
  const all = reports.flatMap((report) => report.applied).sort();
  expect(all.slice(0, 4)).toEqual(NAMES);
  expect(new Set(all).size).toBe(all.length);
  expect(await applied(sql)).toHaveLength(all.length);
  const [row] = await sql`select count(*)::int as epochs from mnemosync.sync_meta where name = 'store_epoch'`;
  expect(row?.epochs).toBe(1);
});

test("a migration that was edited after it was applied is refused, and nothing is changed", async (t) => {
  const { sql, run } = await emptyDatabase(t);
  await run();
  await sql`update mnemosync.schema_migrations set sha256 = repeat('0', 64) where number = 2`;
  const before = await applied(sql);
  await expect(run()).rejects.toBeInstanceOf(ConfigurationError);
  await expect(run()).rejects.toThrow(/0002_transactions\.sql differs from the applied one/);
  expect(await applied(sql)).toEqual(before);
});

test("a database that a newer program migrated is refused, by connect too, and nothing is changed", async (t) => {
  const { url, sql, run } = await emptyDatabase(t);
  const { version } = await run();
  await sql`
    insert into mnemosync.schema_migrations (number, name, sha256) values (${version + 1}, 'from_the_future', 'x')`;
  await expect(run()).rejects.toBeInstanceOf(SchemaTooNewError);
  const connecting = MemorySynchronizer.connect({ postgresUrl: url, redisUrl: inject("redisUrl") });
  await expect(connecting).rejects.toMatchObject({ code: "SCHEMA_TOO_NEW" });
  await expect(connecting).rejects.toThrow(`the database is at migration ${version + 1}`);
});

test("a migration that fails leaves the database at the one before, and can be run again", async (t) => {
  const { sql, run } = await emptyDatabase(t);
  // Stands in the way of the second migration.
  await sql`create schema mnemosync`;
  await sql`create table mnemosync.sync_transactions (x integer)`;
  await expect(run()).rejects.toThrow(/sync_transactions/);
  expect((await applied(sql)).map(({ number }) => number)).toEqual([1]);
  const [none] = await sql`select to_regclass('mnemosync.sync_queue') as found`;
  expect(none?.found).toBeNull();
  await sql`drop table mnemosync.sync_transactions`;
  expect((await run()).applied.slice(0, 3)).toEqual(NAMES.slice(1));
});

test("a database in another encoding is refused with what to do", async (t) => {
  const admin = postgres(postgresUrl(), { max: 1, onnotice: () => undefined });
  const name = `mnemosync_latin1_${process.pid}`;
  t.onTestFinished(async () => {
    await admin.unsafe(`drop database if exists ${name} with (force)`);
    await admin.end({ timeout: 1 });
  });
  await admin.unsafe(`create database ${name} template template0 encoding 'LATIN1' locale 'C'`);
  const url = new URL(postgresUrl());
  url.pathname = `/${name}`;
  const pool = new PostgresPool(url.href, { max: 1 });
  await expect(migrate(pool, AbortSignal.timeout(60_000))).rejects.toThrow(
    /encoding is LATIN1: create one with encoding UTF8/,
  );
  await pool.close();
});

test("where nothing is to do, a role that may create nothing is enough", async (t) => {
  const { url, sql, run } = await emptyDatabase(t);
  const { version } = await run();
  const role = `reader_${Math.random().toString(36).slice(2)}`;
  await sql.unsafe(`create role ${role} login password 'secret'`);
  t.onTestFinished(async () => void (await sql.unsafe(`drop owned by ${role}; drop role ${role}`)));
  await sql.unsafe(`grant usage on schema mnemosync to ${role}`);
  await sql.unsafe(`grant select on mnemosync.schema_migrations to ${role}`);
  const restricted = new URL(url);
  restricted.username = role;
  restricted.password = "secret";
  const pool = new PostgresPool(restricted.href, { max: 1 });
  t.onTestFinished(() => pool.close());
  expect(await migrate(pool, AbortSignal.timeout(90_000))).toEqual({ applied: [], version });
});
