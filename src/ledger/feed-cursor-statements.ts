import type { FeedCursor } from "../domain/change-source.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";

/** A named cursor as its row says. Times are milliseconds since 1970. */
export interface FeedCursorRow {
  readonly name: string;
  readonly epoch: string;
  readonly cursor: FeedCursor;
  /** JSON text of the filter. */
  readonly filter: string;
  /** Null: no process reads on from here, or the lease has run out. */
  readonly holder: string | null;
  readonly leaseExpiresAt: number | null;
  readonly retentionMs: number | null;
  readonly contents: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** The epoch of the ledger now. */
  readonly ledgerEpoch: string;
}

type CursorColumns = Omit<FeedCursorRow, "cursor"> & { xid: string; seq: string };

/**
 * A lease that ends later than this from now was written while the server's clock was ahead: it counts as expired, or the
 * cursor would be held for as long as the clock was wrong. Twice the longest lease that is given.
 */
export const CURSOR_LEASE_LEGAL_MS = 600_000;

function columns(sql: Sql): Fragment {
  return sql`
    c.name, c.epoch, c.xid::text as xid, c.seq::text as seq, c.filter::text as filter,
    case when ${isHeld(sql)} then c.holder end as holder,
    case when ${isHeld(sql)} then extract(epoch from c.lease_expires_at)::float8 * 1000 end as "leaseExpiresAt",
    c.retention_ms::float8 as "retentionMs", c.contents, extract(epoch from c.created_at)::float8 * 1000 as "createdAt",
    extract(epoch from c.updated_at)::float8 * 1000 as "updatedAt",
    (select value from mnemosync.sync_meta where sync_meta.name = 'store_epoch') as "ledgerEpoch"`;
}

/** Whether the lease of a row of a table called c counts. */
function isHeld(sql: Sql): Fragment {
  return sql`(c.holder is not null and c.lease_expires_at > clock_timestamp()
    and c.lease_expires_at <= clock_timestamp() + ${CURSOR_LEASE_LEGAL_MS}::float8 * interval '1 millisecond')`;
}

function parsed({ xid, seq, ...row }: CursorColumns): FeedCursorRow {
  return { ...row, cursor: { xid, seq } };
}

/**
 * Makes a cursor in the ledger's epoch; without effect where the name is taken.
 * @param start null: behind everything that is committed now.
 * @returns false when the name is taken, or there are `countMax` cursors already.
 */
export async function insertCursor(
  sql: Sql,
  cursor: {
    name: string;
    start: FeedCursor | null;
    filter: string;
    retentionMs: number | null;
    contents: string | null;
  },
  countMax: number,
): Promise<boolean> {
  const { name, start, filter, retentionMs, contents } = cursor;
  const rows = await sql`
    insert into mnemosync.feed_cursors (name, epoch, xid, seq, filter, retention_ms, contents)
    select ${name}, m.value, coalesce(${start?.xid ?? null}::text::xid8, pg_snapshot_xmin(pg_current_snapshot())),
           coalesce(${start?.seq ?? null}::text::bigint, 0), ${filter}::text::json, ${retentionMs}::float8::bigint,
           ${contents}::text
    from mnemosync.sync_meta m
    where m.name = 'store_epoch' and (select count(*) from mnemosync.feed_cursors) < ${countMax}
    on conflict (name) do nothing
    returning 1`;
  return rows.length === 1;
}

export async function readCursor(sql: Sql, name: string): Promise<FeedCursorRow | null> {
  const [row] = await sql<CursorColumns[]>`
    select ${columns(sql)} from mnemosync.feed_cursors c where c.name = ${name}`;
  return row === undefined ? null : parsed(row);
}

/** In the order of names, behind `after`. */
export async function listCursors(sql: Sql, after: string, limit: number): Promise<FeedCursorRow[]> {
  const rows = await sql<CursorColumns[]>`
    select ${columns(sql)} from mnemosync.feed_cursors c where c.name > ${after} order by c.name limit ${limit}`;
  return rows.map(parsed);
}

/**
 * Moves a cursor on, if it still stands at `from` in the ledger's epoch and `holder` (null: no process) holds it. Never back.
 * @returns whether it did.
 */
export async function advanceCursor(
  sql: Sql,
  name: string,
  move: { epoch: string; from: FeedCursor; to: FeedCursor; holder: string | null },
): Promise<boolean> {
  const { epoch, from, to, holder } = move;
  const rows = await sql`
    update mnemosync.feed_cursors c
    set xid = ${to.xid}::text::xid8, seq = ${to.seq}::text::bigint, updated_at = clock_timestamp()
    where c.name = ${name} and c.xid = ${from.xid}::text::xid8 and c.seq = ${from.seq}::text::bigint
      and (${to.xid}::text::xid8, ${to.seq}::text::bigint) >= (c.xid, c.seq)
      and c.epoch = ${epoch}
      and c.epoch = (select value from mnemosync.sync_meta where sync_meta.name = 'store_epoch')
      and case when ${isHeld(sql)} then c.holder end is not distinct from ${holder}::text
    returning 1`;
  return rows.length === 1;
}

/** Sets a cursor back to the start of the feed, in the ledger's epoch. @returns whether `holder` (null: no process) holds it. */
export async function restartCursor(
  sql: Sql,
  name: string,
  { holder, contents }: { holder: string | null; contents: string | null },
): Promise<boolean> {
  const rows = await sql`
    update mnemosync.feed_cursors c
    set xid = '0'::xid8, seq = 0, contents = ${contents}::text, updated_at = clock_timestamp(),
        epoch = (select value from mnemosync.sync_meta where sync_meta.name = 'store_epoch')
    where c.name = ${name} and case when ${isHeld(sql)} then c.holder end is not distinct from ${holder}::text
    returning 1`;
  return rows.length === 1;
}

/** Gives a cursor to `holder`, or prolongs its lease. @returns whether `holder` has it now. */
export async function leaseCursor(sql: Sql, name: string, holder: string, leaseMs: number): Promise<boolean> {
  const rows = await sql`
    update mnemosync.feed_cursors c
    set holder = ${holder}, lease_expires_at = clock_timestamp() + ${leaseMs}::float8 * interval '1 millisecond'
    where c.name = ${name} and (c.holder = ${holder} or not ${isHeld(sql)})
    returning 1`;
  return rows.length === 1;
}

/** Without effect where another one holds it. */
export async function releaseCursor(sql: Sql, name: string, holder: string): Promise<void> {
  await sql`
    update mnemosync.feed_cursors set holder = null, lease_expires_at = null
    where name = ${name} and holder = ${holder}`;
}

export async function setCursorRetention(sql: Sql, name: string, retentionMs: number | null): Promise<boolean> {
  const rows = await sql`
    update mnemosync.feed_cursors set retention_ms = ${retentionMs}::float8::bigint where name = ${name} returning 1`;
  return rows.length === 1;
}

/** @returns `held` by another than `holder`, and so not dropped. */
export async function dropCursor(
  sql: Sql,
  name: string,
  holder: string | null,
): Promise<"dropped" | "held" | "missing"> {
  const rows = await sql`
    delete from mnemosync.feed_cursors c
    where c.name = ${name} and (not ${isHeld(sql)} or c.holder = ${holder}::text)
    returning 1`;
  if (rows.length === 1) return "dropped";
  const [row] = await sql`select 1 from mnemosync.feed_cursors where name = ${name}`;
  return row === undefined ? "missing" : "held";
}
