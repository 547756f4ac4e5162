import { spawnSync } from "node:child_process";
import { join } from "node:path";
import postgres from "postgres";
import type { EmbeddedServer } from "../../src/dev/embedded-server.ts";

/** Copies a folder with its owners: PostgreSQL's files belong to the user that runs it. */
function copyFolder(from: string, to: string): void {
  const removed = spawnSync("rm", ["-rf", to]);
  const copied = spawnSync("cp", ["-a", from, to], { encoding: "utf8" });
  if (removed.status !== 0 || copied.status !== 0) throw new Error(`copying ${from}: ${copied.stderr}`);
}

/** A copy of a cluster's files, made while it is stopped: a cold backup. The server runs afterwards. */
export async function coldBackup(server: EmbeddedServer): Promise<void> {
  await server.stop();
  copyFolder(join(server.folder, "data"), join(server.folder, "backup"));
  await server.start();
}

/** Puts the cold backup in the place of the cluster's files. The server runs afterwards. */
export async function restoreBackup(server: EmbeddedServer): Promise<void> {
  await server.stop();
  copyFolder(join(server.folder, "backup"), join(server.folder, "data"));
  await server.start();
}

/**
 * Makes `standby` a streaming standby of `primary`, by a base backup. It runs afterwards, and lags behind freely.
 * @param url of the primary; another one than its own where it was a standby itself, whose users are those of its primary.
 */
export async function makeStandby(primary: EmbeddedServer, standby: EmbeddedServer, url = primary.url): Promise<void> {
  await standby.stop();
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    await sql`select pg_backup_start('standby', true)`;
    copyFolder(join(primary.folder, "data"), join(standby.folder, "data"));
    const [row] = await sql<{ label: string }[]>`select labelfile as label from pg_backup_stop(false)`;
    const data = join(standby.folder, "data");
    const { port, username, password } = new URL(url);
    const setting = `primary_conninfo = 'host=127.0.0.1 port=${port} user=${username} password=${password}'\n`;
    const script = `rm -f postmaster.pid; cat > backup_label; touch standby.signal; cat settings.tmp >> postgresql.auto.conf`;
    spawnSync("sh", ["-c", `cd "$0" && cat > settings.tmp`, data], { input: setting });
    const made = spawnSync(
      "sh",
      ["-c", `cd "$0" && ${script} && rm settings.tmp && chown --reference=PG_VERSION *`, data],
      {
        input: row?.label ?? "",
        encoding: "utf8",
      },
    );
    if (made.status !== 0) throw new Error(`making the standby: ${made.stderr}`);
  } finally {
    await sql.end({ timeout: 1 });
  }
  await standby.start();
}

/** The primary's credentials with the standby's port: a standby has the primary's users. */
export function standbyUrl(primary: EmbeddedServer, standby: EmbeddedServer): string {
  const url = new URL(primary.url);
  url.port = String(standby.port);
  return url.href;
}

/**
 * Copies a ledger table by table into another database with the same schema, as `pg_dump | psql` does: the rows keep the
 * transaction ids that they had.
 */
export async function dumpInto(from: postgres.Sql, to: postgres.Sql): Promise<void> {
  const tables = await from<{ name: string }[]>`
    select relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where nspname = 'mnemosync' and relkind = 'r' and relname <> 'schema_migrations' order by 1`;
  for (const { name } of tables) {
    const rows: Buffer[] = [];
    for await (const part of await from.unsafe(`copy mnemosync.${name} to stdout`).readable())
      rows.push(part as Buffer);
    await to.unsafe(`truncate mnemosync.${name} cascade`);
    const target = await to.unsafe(`copy mnemosync.${name} from stdin`).writable();
    const written = new Promise((resolve, reject) => target.on("finish", resolve).on("error", reject));
    target.end(Buffer.concat(rows));
    await written;
  }
  const sequences = await from<{ name: string; last: string }[]>`
    select sequencename as name, coalesce(last_value, 1)::text as last from pg_sequences where schemaname = 'mnemosync'`;
  for (const { name, last } of sequences)
    await to`select setval(${`mnemosync.${name}`}::regclass, ${last}::text::bigint)`;
}
