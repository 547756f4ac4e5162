import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Redis } from "ioredis";
import type postgres from "postgres";

/** All rows of all tables of the schema, by table, each row as JSON by column; `except` names tables that are left out. */
export async function readTables(
  sql: postgres.Sql,
  except: readonly string[] = [],
): Promise<Map<string, Record<string, unknown>[]>> {
  const tables = await sql<{ name: string }[]>`
    select table_name as name from information_schema.tables
    where table_schema = 'mnemosync' and table_type = 'BASE TABLE' order by 1`;
  const found = new Map<string, Record<string, unknown>[]>();
  for (const { name } of tables.filter((table) => !except.includes(table.name))) {
    const rows = await sql.unsafe<{ row: Record<string, unknown> }[]>(
      `select to_jsonb(t) as row from mnemosync.${name} t order by to_jsonb(t)::text`,
    );
    found.set(
      name,
      rows.map(({ row }) => row),
    );
  }
  return found;
}

/** All entries under a prefix, by key, with the bytes of each field in order. Hashes and strings are read. */
export async function readRedis(redis: Redis, prefix: string): Promise<Map<string, string>> {
  const keys = (await redis.keys(`${prefix}:*`)).sort();
  const entries = keys.map(async (key): Promise<[string, string]> => {
    if ((await redis.type(key)) === "string") return [key, (await redis.getBuffer(key))?.toString("hex") ?? ""];
    const fields = Object.entries(await redis.hgetallBuffer(key)).map(([field, value]) => [
      field,
      value.toString("hex"),
    ]);
    return [key, JSON.stringify(fields.sort())];
  });
  return new Map(await Promise.all(entries));
}

/** All files below a folder, by path, in hex. */
export function readFiles(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return new Map(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, "hex")]));
}
