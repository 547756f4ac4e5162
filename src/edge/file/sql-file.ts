import { EdgeFileError, type EdgeFileProblem } from "../errors.ts";
import type { SqlDatabase, SqlStatement, SqlValue } from "../sqlite/database.ts";
import { sqliteCode } from "../sqlite/drivers.ts";

/** Tells a user that the file is damaged, and what to do about it. */
export const DAMAGED =
  "the file is damaged: end the programs that use it, and run mnemosync edge resync, which sets it aside and rescues what is in it";

const PROBLEMS: Readonly<Record<string, readonly [EdgeFileProblem, string]>> = {
  FULL: ["disk_full", "the disk is full: nothing of this change was kept; free some space and repeat it"],
  BUSY: ["locked", "another process held the file for too long: nothing of this change was kept; repeat it"],
  LOCKED: ["locked", "the file is locked: nothing of this change was kept; repeat it"],
  READONLY: ["read_only", "the file may not be written: check its permissions and those of its folder"],
  CORRUPT: ["corrupt", DAMAGED],
  NOTADB: ["corrupt", "the file is no SQLite database"],
  IOERR: ["io", "the file cannot be read or written: check the disk"],
  CANTOPEN: ["io", "the file cannot be opened: check that its folder exists and may be written"],
};

/** The error that callers see for one of SQLite's; any other error as it is. */
export function fileError(error: unknown, path: string): unknown {
  const found = PROBLEMS[sqliteCode(error) ?? ""];
  if (found === undefined || error instanceof EdgeFileError) return error;
  const [problem, advice] = found;
  return new EdgeFileError(problem, `${path}: ${advice} (${(error as Error).message})`, { cause: error });
}

/** What a work came to. */
export type Ended<Result> = { readonly result: Result } | { readonly error: unknown };

/** A database with its prepared statements. Synchronous, of one thread. */
export class SqlFile {
  readonly path: string;
  readonly #database: SqlDatabase;
  readonly #statements = new Map<string, SqlStatement>();
  #transactions = 0;
  /** Number of the last transaction when the log was moved last. */
  #foldedAt = 0;
  #rollbacks = 0;
  #isInTransaction = false;
  /** Whether what runs is one of several works of a transaction. */
  #isPart = false;

  constructor(path: string, database: SqlDatabase) {
    this.path = path;
    this.#database = database;
  }

  /** Number of the transaction that is open here; null: none is. */
  get transactionNumber(): number | null {
    return this.#isInTransaction ? this.#transactions : null;
  }

  /** A number that changes whenever another connection has written to the file. */
  get dataVersion(): number {
    return this.get<{ data_version: number }>("pragma data_version")?.data_version ?? 0;
  }

  /** Transactions that were rolled back: what was known within them is not so. */
  get rollbacks(): number {
    return this.#rollbacks;
  }

  exec(sql: string): void {
    this.#guarded(() => this.#database.exec(sql));
  }

  /** @returns rows that changed. */
  run(sql: string, ...values: SqlValue[]): number {
    return this.#guarded(() => Number(this.#statement(sql).run(...checked(values)).changes));
  }

  get<Row>(sql: string, ...values: SqlValue[]): Row | undefined {
    return this.#guarded(() => this.#statement(sql).get(...checked(values)) as Row | undefined);
  }

  all<Row>(sql: string, ...values: SqlValue[]): Row[] {
    return this.#guarded(() => this.#statement(sql).all(...checked(values)) as Row[]);
  }

  /** Rows one by one. Nothing may be written before the last one was read. */
  *iterate<Row>(sql: string, ...values: SqlValue[]): Generator<Row> {
    try {
      // A statement of its own: one that is being read must not be used for anything else.
      for (const row of this.#database.prepare(sql).iterate(...checked(values))) yield row as Row;
    } catch (error) {
      throw fileError(error, this.path);
    }
  }

  /**
   * Runs `work` in one transaction that begins as a writer: one that begins as a reader and writes later fails at once where
   * another process has written in between.
   */
  transaction<Result>(work: () => Result): Result {
    if (this.#isPart) return work();
    if (this.#isInTransaction) throw new Error("a transaction is open already");
    this.run("begin immediate");
    this.#isInTransaction = true;
    this.#transactions++;
    try {
      const result = work();
      this.run("commit");
      return result;
    } catch (error) {
      this.#rollBack();
      throw error;
    } finally {
      this.#isInTransaction = false;
    }
  }

  /**
   * Runs works that are a transaction each as one transaction, with one commit, and one sync of the disk, for all. One that throws undoes
   * its own writes alone.
   * @returns what each came to, in order. @throws Nothing of any of them was kept.
   */
  together<Result>(works: readonly (() => Result)[]): readonly Ended<Result>[] {
    return this.transaction(() => works.map((work) => this.#part(work)));
  }

  #part<Result>(work: () => Result): Ended<Result> {
    this.run("savepoint part");
    this.#isPart = true;
    try {
      const result = work();
      this.run("release part");
      return { result };
    } catch (error) {
      this.#undoPart(error);
      return { error };
    } finally {
      this.#isPart = false;
    }
  }

  /** @throws the error, where SQLite has ended the whole transaction with it, as it does on a full disk. */
  #undoPart(error: unknown): void {
    this.#rollbacks++;
    this.#transactions++; // What is known within a transaction is to be looked at again.
    try {
      this.run("rollback to part");
      this.run("release part");
    } catch {
      throw error;
    }
  }

  /**
   * Moves the write-ahead log into the file, so that a copy of the file alone has everything. libsql leaves the log as it is when it
   * closes. Where another process reads, or the disk is full, the log stays, and the next opening has it.
   */
  foldLog(): void {
    try {
      this.all("pragma wal_checkpoint(truncate)");
    } catch (error) {
      if (!(error instanceof EdgeFileError)) throw error;
    }
  }

  /** As `foldLog`, in a moment of rest, after some hundred transactions. Others read and write meanwhile, and the log keeps its size. */
  foldSome(): void {
    if (this.#transactions - this.#foldedAt < FOLDED_MIN) return;
    this.#foldedAt = this.#transactions;
    this.all("pragma wal_checkpoint(passive)");
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  #rollBack(): void {
    this.#rollbacks++;
    try {
      this.#database.exec("rollback");
    } catch {
      // SQLite has rolled back by itself, as it does on a full disk: there is no transaction to end.
    }
  }

  #statement(sql: string): SqlStatement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #guarded<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      throw fileError(error, this.path);
    }
  }
}

const FOLDED_MIN = 100;

/** libsql ends the process on a value that it does not know, where the other drivers throw. */
function checked(values: SqlValue[]): SqlValue[] {
  for (const value of values) {
    const isKnown =
      value === null || typeof value === "string" || typeof value === "number" || value instanceof Uint8Array;
    if (!isKnown) throw new TypeError(`${typeof value} cannot be bound to a statement`);
  }
  return values;
}
