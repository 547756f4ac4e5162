import type { SqlDatabase } from "../../src/edge/sqlite/database.ts";
import { loadDriver } from "../../src/edge/sqlite/drivers.ts";
import { chooseDriver } from "../../src/edge/sqlite/probe.ts";

/** The index of words is made anew, of the rows that were in it: its own tables are SQLite's. */
const WORDS = "memory_text";
const INDEX_WORDS = `insert into ${WORDS} (rowid, content) select row, content from memories
  where content is not null and row not in (select row from unindexed)
    and row <= (select cast(value as integer) from facts where name = 'indexed_through');`;

/** A file of an edge as SQL, so that the repository keeps what an older version wrote in a form that people can read. */
export async function textOfFile(path: string): Promise<string> {
  return await withDatabase(path, (database) => {
    const all = <Row>(sql: string): Row[] => database.prepare(sql).all() as Row[];
    const number = (name: string): number =>
      Object.values(all<Record<string, number>>(`pragma ${name}`)[0] ?? {})[0] ?? 0;
    const objects = all<{ type: string; name: string; sql: string }>(
      `select type, name, sql from sqlite_master where sql is not null and name not like '${WORDS}\\_%' escape '\\' order by rowid`,
    );
    const ofType = (type: string) => objects.filter((object) => object.type === type);
    const rows = ofType("table").flatMap(({ name }) => {
      if (name === WORDS) return [];
      const columns = all<{ name: string }>(`select name from pragma_table_info('${name}')`).map(
        (column) => column.name,
      );
      const values = columns.map((column) => `quote(${column})`).join(" || ', ' || ");
      return all<{ line: string }>(`select ${values} as line from ${name}`).map(
        ({ line }) => `insert into ${name} (${columns.join(", ")}) values (${line});`,
      );
    });
    return [
      ...["application_id", "user_version"].map((name) => `pragma ${name} = ${number(name)};`),
      ...ofType("table").map(({ sql }) => `${sql};`),
      ...rows,
      `insert into ${WORDS} (${WORDS}, rank) values ('secure-delete', 1);`,
      INDEX_WORDS,
      // Last: none of them is to act on the rows above.
      ...[...ofType("index"), ...ofType("trigger")].map(({ sql }) => `${sql};`),
      "",
    ].join("\n");
  });
}

/** The file that `textOfFile` told. */
export async function fileOfText(path: string, text: string): Promise<void> {
  await withDatabase(path, (database) => {
    database.prepare("pragma journal_mode = wal").all();
    database.exec(`begin;\n${text}commit;`);
  });
}

async function withDatabase<T>(path: string, work: (database: SqlDatabase) => T): Promise<T> {
  const database = loadDriver(await chooseDriver("auto")).open(path, 5_000);
  try {
    return work(database);
  } finally {
    database.close();
  }
}
