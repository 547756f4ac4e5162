import { createRequire } from "node:module";
import { join } from "node:path";
import type { SqlDatabase, SqlDriver, SqlDriverName, SqlStatement, SqlValue } from "./database.ts";

interface NodeSqlite {
  readonly DatabaseSync: new (path: string, options?: { timeout?: number }) => SqlDatabase;
}
type BetterSqlite = new (path: string, options?: { timeout?: number }) => SqlDatabase;

/**
 * The driver, loaded into this process. Probe it first: a binary that does not fit ends the process by a signal.
 * @throws Error The package is not installed, or Node has no such module.
 */
export function loadDriver(name: SqlDriverName): SqlDriver {
  if (name === "node:sqlite") {
    // Not by an import: Node 20 has no such module, and its types don't know it.
    const builtin = process as unknown as { getBuiltinModule?: (id: string) => NodeSqlite | undefined };
    const module = builtin.getBuiltinModule?.("node:sqlite");
    if (module?.DatabaseSync === undefined) throw new Error(`Node ${process.versions.node} has no node:sqlite`);
    return { name, open: (path, timeout) => new module.DatabaseSync(path, { timeout }) };
  }
  const Database = requirePackage(name) as BetterSqlite;
  if (name === "better-sqlite3") return { name, open: (path, timeout) => new Database(path, { timeout }) };
  return { name, open: (path, timeout) => new LibsqlDatabase(new Database(path, { timeout })) };
}

/** libsql 0.5.29 behind the manners of the other two. */
class LibsqlDatabase implements SqlDatabase {
  readonly #database: SqlDatabase;

  constructor(database: SqlDatabase) {
    this.#database = database;
  }

  exec(sql: string): unknown {
    return this.#database.exec(sql);
  }

  prepare(sql: string): SqlStatement {
    return new LibsqlStatement(this.#database.prepare(sql) as unknown as LibsqlRaw);
  }

  close(): unknown {
    return this.#database.close();
  }
}

/** As libsql has it: a single object, a blob too, is taken for named parameters, and the process ends. Hence one list. */
interface LibsqlRaw {
  run(values: SqlValue[]): { readonly changes: number };
  get(values: SqlValue[]): unknown;
  all(values: SqlValue[]): unknown[];
  iterate(values: SqlValue[]): IterableIterator<unknown>;
}

class LibsqlStatement implements SqlStatement {
  readonly #raw: LibsqlRaw;

  constructor(raw: LibsqlRaw) {
    this.#raw = raw;
  }

  run(...values: SqlValue[]): { readonly changes: number } {
    return this.#raw.run(values);
  }

  get(...values: SqlValue[]): unknown {
    return this.#raw.get(values);
  }

  all(...values: SqlValue[]): unknown[] {
    return this.#raw.all(values).map(withBytes);
  }

  /** Read to its end even where the caller stops: an open statement pins what this connection sees, and the log grows. */
  *iterate(...values: SqlValue[]): IterableIterator<unknown> {
    const rows = this.#raw.iterate(values);
    try {
      for (let next = rows.next(); !next.done; next = rows.next()) yield withBytes(next.value);
    } finally {
      while (!rows.next().done);
    }
  }
}

/** Blobs of several rows come as an ArrayBuffer, those of one row as a Buffer. */
function withBytes(row: unknown): unknown {
  const columns = row as Record<string, unknown>;
  for (const name in columns) {
    const value = columns[name];
    if (value instanceof ArrayBuffer) columns[name] = new Uint8Array(value);
  }
  return row;
}

/** Beside this module first, then in the project that runs: a bundle may lie outside of the folder of packages. */
function requirePackage(name: string): unknown {
  try {
    return createRequire(import.meta.url)(name);
  } catch (error) {
    if (!isAbsent(error, name)) throw error;
    return createRequire(join(process.cwd(), "package.json"))(name);
  }
}

/** Whether the package itself is not there. One whose binary is missing fails with the same code, and names the binary. */
function isAbsent(error: unknown, name: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === "MODULE_NOT_FOUND" && message.includes(`'${name}'`);
}

/** The code of SQLite in an error of any driver, without its prefix, e.g. `BUSY`, `FULL`, `CORRUPT`; null: not SQLite's. */
export function sqliteCode(error: unknown): string | null {
  const { code, errcode } = (error ?? {}) as { code?: unknown; errcode?: unknown };
  if (typeof code === "string" && code.startsWith("SQLITE_")) return code.slice(7).split("_")[0] ?? null;
  // node:sqlite gives the number, whose lower byte is the primary code.
  return typeof errcode === "number" ? (PRIMARY_CODES[errcode & 0xff] ?? `${errcode}`) : null;
}

const PRIMARY_CODES: Readonly<Record<number, string>> = {
  5: "BUSY",
  6: "LOCKED",
  8: "READONLY",
  10: "IOERR",
  11: "CORRUPT",
  13: "FULL",
  14: "CANTOPEN",
  19: "CONSTRAINT",
  26: "NOTADB",
};
