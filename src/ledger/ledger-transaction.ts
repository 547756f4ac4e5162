import { compareKeys, type MemoryKey } from "../domain/keys.ts";
import type { Backend, PostgresConnection } from "../drivers/postgres/postgres-access.ts";
import { COPY_ROWS_MIN, copyVersions } from "./copy-versions.ts";
import {
  beginAndLock,
  isOptimistic,
  type LockedVersion,
  type TransactionToken,
  type VersionWrite,
  writeVersions,
} from "./write-statements.ts";

/** A transaction that writes memories, on a connection of its own. Ends with `commit` or `rollback`, or with its connection. */
export interface LedgerTransaction {
  /** The server process that runs it. */
  readonly backend: Backend;
  /** Begins, locks and reads the rows of `keys`, and reads the clock (ms since 1970). */
  begin(keys: readonly MemoryKey[]): Promise<{ locked: Map<string, LockedVersion>; now: number }>;
  /**
   * Writes versions and the transaction's row.
   * @returns how many were written: fewer than asked for when another transaction created one of the memories first, or
   *   when the fast way for new memories was refused, whatever the reason. Roll back; an attempt `afterRace` tells.
   */
  write(writes: readonly VersionWrite[], token: TransactionToken): Promise<number>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

/** A transaction on a Postgres connection. */
export class PostgresTransaction implements LedgerTransaction {
  readonly backend: Backend;
  readonly #sql: PostgresConnection["sql"];
  readonly #canCopy: boolean;

  constructor(connection: PostgresConnection) {
    this.backend = connection.backend;
    this.#canCopy = connection.sendsAtOnce;
    this.#sql = connection.sql;
  }

  async begin(keys: readonly MemoryKey[]): Promise<{ locked: Map<string, LockedVersion>; now: number }> {
    return await beginAndLock(this.#sql, keys);
  }

  async write(writes: readonly VersionWrite[], token: TransactionToken): Promise<number> {
    // Postgres asks for locks in the order of the rows, so all writers must have them in the same one.
    const ordered = writes.toSorted(compareKeys);
    if (this.#canCopy && ordered.length >= COPY_ROWS_MIN && isOptimistic(ordered, token)) {
      return await copyVersions(this.#sql, ordered, token);
    }
    return await writeVersions(this.#sql, ordered, token);
  }

  async commit(): Promise<void> {
    await this.#sql`commit`;
  }

  async rollback(): Promise<void> {
    await this.#sql`rollback`;
  }
}
