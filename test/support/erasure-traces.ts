import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { World } from "./world.ts";

/** What must not be found: texts, and a vector. */
export interface Wanted {
  readonly words: readonly string[];
  readonly vector: Float32Array;
}

/**
 * Where a world's stores hold what is wanted: a logical dump of every table, the tables' files after they were rewritten, an
 * uncompressed dump of Redis, the index folder, further folders, and the log. Needs a Redis of the world's own.
 * @returns `place: word`, sorted, each once.
 */
export async function findTraces(
  world: World,
  wanted: Wanted,
  log: readonly string[],
  folders: readonly string[] = [],
): Promise<string[]> {
  const found = new Set<string>();
  const look = (place: string, bytes: Buffer): void => {
    for (const word of wanted.words) {
      if (bytes.includes(word) || bytes.includes(Buffer.from(word).toString("hex"))) found.add(`${place}: ${word}`);
    }
    if (holdsVector(bytes, wanted.vector)) found.add(`${place}: the vector`);
  };
  for (const [table, dump] of await dumpTables(world)) look(`dump of ${table}`, dump);
  for (const file of await tableFiles(world)) look("a table's file", await readFile(file));
  look("the dump of Redis", await dumpRedis(world));
  for (const file of await filesIn(world.directory)) look("the index folder", await readFile(file));
  for (const folder of folders)
    for (const file of await filesIn(folder)) look("a folder of files", await readFile(file));
  look("the log", Buffer.from(log.join("\n")));
  return [...found].sort();
}

/** Every row of every table as text, bytea as hexadecimal digits. Not by COPY: postgres.js may never end a stream of it. */
async function dumpTables(world: World): Promise<Map<string, Buffer>> {
  const tables = await world.sql<{ name: string }[]>`
    select table_name as name from information_schema.tables
    where table_schema = 'mnemosync' and table_type = 'BASE TABLE' order by 1`;
  const dumps = new Map<string, Buffer>();
  for (const { name } of tables) {
    const rows = await world.sql.unsafe<{ row: string }[]>(`select t::text as row from mnemosync."${name}" t`);
    dumps.set(name, Buffer.from(rows.map(({ row }) => row).join("\n")));
  }
  return dumps;
}

/**
 * The files of the world's database, after `vacuum full` has rewritten every table, and a checkpoint. The planner's statistics
 * hold values too, and only `analyze` renews them: before, so that what it replaces is removed as well.
 */
async function tableFiles(world: World): Promise<string[]> {
  await world.sql`analyze`;
  const tables = await world.sql<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'mnemosync'`;
  // By name: the catalogs that all databases share are locked by other tests.
  await world.sql.unsafe(`vacuum (full) pg_catalog.pg_statistic, ${tables.map(({ name }) => name).join(", ")}`);
  await world.sql`checkpoint`;
  const [row] = await world.sql<{ folder: string; oid: string }[]>`
    select current_setting('data_directory') as folder, oid::text from pg_database where datname = current_database()`;
  return await filesIn(join(row!.folder, "base", row!.oid));
}

async function dumpRedis(world: World): Promise<Buffer> {
  await world.redis.config("SET", "rdbcompression", "no");
  await world.redis.save();
  const folder = ((await world.redis.config("GET", "dir")) as string[])[1]!;
  const name = ((await world.redis.config("GET", "dbfilename")) as string[])[1]!;
  return await readFile(join(folder, name));
}

/** Every file below a folder. */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** The index normalises vectors, which may move their last bit. In a dump of a table the bytes are hexadecimal digits. */
export function holdsVector(bytes: Buffer, vector: Float32Array): boolean {
  const raw = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
  if (bytes.includes(raw) || bytes.includes(raw.toString("hex"))) return true;
  for (let at = 0; at + raw.byteLength <= bytes.byteLength; at++) {
    if (vector.every((value, index) => Math.abs(bytes.readFloatLE(at + index * 4) - value) < 1e-6)) return true;
  }
  return false;
}
