/** What SQLite stores. Nothing else may be bound: libsql ends the whole process on a boolean. */
export type SqlValue = string | number | null | Uint8Array;

export interface SqlStatement {
  run(...values: SqlValue[]): { readonly changes: number | bigint };
  get(...values: SqlValue[]): unknown;
  all(...values: SqlValue[]): unknown[];
  iterate(...values: SqlValue[]): IterableIterator<unknown>;
}

/** An open database, as the three drivers have it. Synchronous. */
export interface SqlDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqlStatement;
  close(): unknown;
}

export const SQL_DRIVERS = ["node:sqlite", "libsql", "better-sqlite3"] as const;
export type SqlDriverName = (typeof SQL_DRIVERS)[number];

/** A driver that works in this process. */
export interface SqlDriver {
  readonly name: SqlDriverName;
  open(path: string, busyTimeoutMs: number): SqlDatabase;
}
