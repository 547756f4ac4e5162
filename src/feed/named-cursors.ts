import { assertWhole } from "../domain/assert-whole.ts";
import type { FeedCursor } from "../domain/change-source.ts";
import { FEED_START } from "../domain/change-source.ts";
import { EpochChangedError, NotFoundError, StoreRefusedError, ValidationError } from "../domain/errors.ts";
import { LEDGER_ID } from "../domain/store-id.ts";
import type { PostgresAccess, PostgresConnection } from "../drivers/postgres/postgres-access.ts";
import * as statements from "../ledger/feed-cursor-statements.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { type FeedFilter, filterText, parseFilterText } from "./feed-filter.ts";
import type { FeedPlace } from "./follower.ts";

/** A place in the feed that the ledger keeps under a name. */
export interface NamedCursor extends FeedPlace {
  readonly name: string;
  readonly filter: FeedFilter;
  /** The process that reads on from here; null: none. */
  readonly holder: string | null;
  /** ISO-8601, by the server's clock; null without a holder. */
  readonly leaseExpiresAt: string | null;
  /** Milliseconds for which the consumer wants history to be kept; null: no wish. */
  readonly retentionMs: number | null;
  /** Names the consumer's data that the place belongs to; null: the consumer names none. */
  readonly contents: string | null;
  /** ISO-8601. */
  readonly createdAt: string;
  /** ISO-8601: when the cursor moved last. */
  readonly updatedAt: string;
  /** Whether the place belongs to the ledger's history. False: `restart` it, or drop it. */
  readonly isCurrent: boolean;
}

export interface OpenCursorOptions {
  readonly filter: FeedFilter;
  /** Where a new cursor stands. `now`: behind everything that is committed. @default "start" */
  readonly from?: "start" | "now";
  /** Milliseconds, 1 … 10 years. Replaces the wish that is kept; null ends it. @default as it is kept; none for a new cursor */
  readonly retentionMs?: number | null;
  /** For a new cursor. @default null */
  readonly contents?: string | null;
}

const NAME_PATTERN = /^[A-Za-z0-9._:/-]{1,200}$/;
/** Cursors that a ledger keeps, at most. */
export const CURSORS_MAX = 10_000;
const LIST_MAX = 1_000;
const RETENTION_MAX_MS = 10 * 366 * 86_400_000;
/** Milliseconds of a lease, at most. */
export const LEASE_MAX_MS = statements.CURSOR_LEASE_LEGAL_MS / 2;

/**
 * Cursors by name, kept in the ledger. A name is bound to a filter and to an epoch. One process at a time holds a cursor:
 *
 *   free ──lease──► held ──release, or the lease runs out──► free
 */
export class NamedCursors {
  readonly #postgres: PostgresAccess;
  readonly #callTimeoutMs: number;

  /** @param options.callTimeoutMs milliseconds that one call to Postgres may take. */
  constructor(postgres: PostgresAccess, options: { callTimeoutMs: number }) {
    this.#postgres = postgres;
    this.#callTimeoutMs = options.callTimeoutMs;
  }

  /**
   * The cursor of a name, made where there is none.
   * @throws {ValidationError} The name is malformed, or has another filter.
   * @throws {EpochChangedError} It belongs to another epoch: `restart` it.
   * @throws {StoreRefusedError} The ledger keeps 10,000 cursors already.
   */
  async open(name: string, options: OpenCursorOptions, signal: AbortSignal): Promise<NamedCursor> {
    checkName(name);
    const { filter, from = "start", retentionMs, contents = null } = options;
    checkRetention(retentionMs);
    const start = from === "start" ? FEED_START : null;
    const text = filterText(filter);
    const row = await this.#connection(signal, async ({ sql }) => {
      const found = await statements.readCursor(sql, name);
      if (found === null) {
        const made = { name, start, filter: text, retentionMs: retentionMs ?? null, contents };
        await statements.insertCursor(sql, made, CURSORS_MAX);
      } else if (retentionMs !== undefined && retentionMs !== found.retentionMs && found.filter === text) {
        await statements.setCursorRetention(sql, name, retentionMs);
      } else {
        return found;
      }
      return await statements.readCursor(sql, name);
    });
    if (row === null) {
      throw new StoreRefusedError(LEDGER_ID, `it keeps ${CURSORS_MAX} feed cursors: drop those that nothing reads`);
    }
    const cursor = parsed(row);
    if (filterText(cursor.filter) !== text) {
      throw new ValidationError(
        "filter",
        `feed cursor ${JSON.stringify(name)} is bound to the filter ${row.filter}, and ${text} was given: ` +
          "use another name, or drop the cursor",
      );
    }
    if (!cursor.isCurrent) throw new EpochChangedError(cursor.epoch, row.ledgerEpoch);
    return cursor;
  }

  /** Null when there is none of that name. */
  async read(name: string, signal: AbortSignal): Promise<NamedCursor | null> {
    const row = await this.#connection(signal, ({ sql }) => statements.readCursor(sql, name));
    return row === null ? null : parsed(row);
  }

  /** In the order of names. @param options.after a name: those behind it. @param options.limit 1 … 1_000, all by default. */
  async list(options: { after?: string; limit?: number }, signal: AbortSignal): Promise<NamedCursor[]> {
    const { after = "", limit = LIST_MAX } = options;
    const count = Math.min(Math.max(1, limit), LIST_MAX);
    const rows = await this.#connection(signal, ({ sql }) => statements.listCursors(sql, after, count));
    return rows.map(parsed);
  }

  /**
   * Moves a cursor from one place to a later one. With `holder`, only while that holds the cursor; without, only while
   * nothing does.
   * @returns false when the cursor stands elsewhere, is held otherwise, or is gone: nothing has changed.
   * @throws {EpochChangedError} The ledger's epoch is another one than that of `to`, or of the cursor.
   */
  async advance(
    name: string,
    move: { from: FeedCursor; to: FeedPlace; holder?: string | null },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { from, to, holder = null } = move;
    return await this.#connection(signal, async ({ sql }) => {
      const change = { epoch: to.epoch, from, to: to.cursor, holder };
      if (await statements.advanceCursor(sql, name, change)) return true;
      const row = await statements.readCursor(sql, name);
      if (row !== null && row.ledgerEpoch !== to.epoch) throw new EpochChangedError(to.epoch, row.ledgerEpoch);
      if (row !== null && row.ledgerEpoch !== row.epoch) throw new EpochChangedError(row.epoch, row.ledgerEpoch);
      return false;
    });
  }

  /**
   * Sets a cursor back to the start of the feed, in the ledger's epoch.
   * @returns false when it is held otherwise than `holder` says (see `advance`), or is gone.
   */
  async restart(
    name: string,
    options: { holder?: string | null; contents?: string | null },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { holder = null, contents = null } = options;
    return await this.#connection(signal, ({ sql }) => statements.restartCursor(sql, name, { holder, contents }));
  }

  /**
   * Takes a cursor for `holder`, or prolongs its lease. @param leaseMs 1 … 300_000.
   * @returns false while another one holds it.
   * @throws {NotFoundError}
   */
  async lease(name: string, holder: string, leaseMs: number, signal: AbortSignal): Promise<boolean> {
    if (!(leaseMs >= 1 && leaseMs <= LEASE_MAX_MS)) {
      throw new ValidationError("leaseMs", `is ${leaseMs}, and must be from 1 to ${LEASE_MAX_MS}`);
    }
    return await this.#connection(signal, async ({ sql }) => {
      if (await statements.leaseCursor(sql, name, holder, leaseMs)) return true;
      if ((await statements.readCursor(sql, name)) === null) throw unknownCursor(name);
      return false;
    });
  }

  /** Ends the lease of `holder`; without effect where another one holds the cursor. */
  async release(name: string, holder: string, signal: AbortSignal): Promise<void> {
    await this.#connection(signal, ({ sql }) => statements.releaseCursor(sql, name, holder));
  }

  /**
   * Forgets a cursor. @returns `held`: another one than `holder` reads on from it, and nothing was done.
   */
  async drop(
    name: string,
    options: { holder?: string | null },
    signal: AbortSignal,
  ): Promise<"dropped" | "held" | "missing"> {
    return await this.#connection(signal, ({ sql }) => statements.dropCursor(sql, name, options.holder ?? null));
  }

  async #connection<T>(signal: AbortSignal, work: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    return await withDeadline(this.#callTimeoutMs, signal, (deadline) => this.#postgres.use(deadline, work));
  }
}

function parsed(row: statements.FeedCursorRow): NamedCursor {
  const { filter, createdAt, updatedAt, leaseExpiresAt, ledgerEpoch, ...rest } = row;
  return {
    ...rest,
    filter: parseFilterText(filter),
    leaseExpiresAt: leaseExpiresAt === null ? null : isoTime(leaseExpiresAt),
    createdAt: isoTime(createdAt),
    updatedAt: isoTime(updatedAt),
    isCurrent: row.epoch === ledgerEpoch,
  };
}

function isoTime(milliseconds: number): string {
  return new Date(Math.floor(milliseconds)).toISOString();
}

function unknownCursor(name: string): NotFoundError {
  return new NotFoundError(`there is no feed cursor ${JSON.stringify(name)}: open it first`);
}

function checkName(name: string): void {
  if (NAME_PATTERN.test(name)) return;
  throw new ValidationError(
    "name",
    `${JSON.stringify(name)}: expected 1 to 200 of the characters A-Z a-z 0-9 . _ : / -`,
  );
}

function checkRetention(retentionMs: number | null | undefined): void {
  if (retentionMs != null) assertWhole("retentionMs", retentionMs, 1, RETENTION_MAX_MS);
}
