import type { FeedCursor } from "../domain/change-source.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "../ledger/arrays.ts";
import type { KeyPosition } from "../ledger/read-statements.ts";

/** The place that is to be kept with the data. */
export interface PlaceMove {
  readonly from: FeedCursor;
  readonly to: FeedCursor;
  /** The transaction of the last version up to `to`; null: there is none behind `from`. */
  readonly seen: string | null;
}

/** `epoch`: the primary was put back. `pruned`: it forgot endings that the replica was not told of. */
export type Comparing = "epoch" | "pruned";

/** The row of `replica_cursor`, in the replica. */
export interface ReplicaCursor {
  readonly ledgerId: string;
  readonly feedEpoch: string;
  /** Null: the replica is being filled, or compared with another epoch of the primary. */
  readonly epoch: string | null;
  readonly cursor: FeedCursor;
  /** The newest tombstone that the primary had pruned when reading began at the start. */
  readonly prunedAtStart: FeedCursor | null;
  /** Why its rows are compared with the primary once the feed's end is reached; null: they need not be. */
  readonly compares: Comparing | null;
  /** The last row that was compared. */
  readonly compared: KeyPosition | null;
  readonly mark: string | null;
  /** The transaction of the last version that it was told of; null: of none, or it was told by a program from before. */
  readonly seen: string | null;
  /** Milliseconds since 1970, of the replica's clock. */
  readonly movedAt: number;
}

type Row = Omit<ReplicaCursor, "cursor" | "prunedAtStart" | "compared"> & {
  xid: string;
  seq: string;
  prunedXid: string | null;
  prunedSeq: string | null;
  bucket: number | null;
  namespace: string | null;
  memoryId: string | null;
};

export async function readReplicaCursor(sql: Sql): Promise<ReplicaCursor | null> {
  const [row] = await sql<Row[]>`
    select ledger_id as "ledgerId", feed_epoch as "feedEpoch", epoch, xid::text as xid, seq::text as seq,
           pruned_xid::text as "prunedXid", pruned_seq::text as "prunedSeq", compares, compared_bucket as bucket,
           compared_key[1] as namespace, compared_key[2] as "memoryId", mark, seen_tx as seen,
           extract(epoch from moved_at)::float8 * 1000 as "movedAt"
    from mnemosync.replica_cursor`;
  if (row === undefined) return null;
  const { xid, seq, prunedXid, prunedSeq, bucket, namespace, memoryId, ...rest } = row;
  return {
    ...rest,
    cursor: { xid, seq },
    prunedAtStart: prunedXid === null || prunedSeq === null ? null : { xid: prunedXid, seq: prunedSeq },
    compared: bucket === null || namespace === null || memoryId === null ? null : { bucket, namespace, memoryId },
  };
}

/** What says that the caller may write, and in which epoch. */
export interface Fence {
  readonly writer: string;
  readonly epoch: string;
}

/**
 * A writer's name as the replica keeps it: with the start of the server to which the claim was made. A copy that is put in its
 * place, or a standby, may name the same writer and the same place, and lack what was written since.
 */
function writerHere(sql: Sql, writer: string): Fragment {
  return sql`${writer}::text || '@' || extract(epoch from pg_postmaster_start_time())::text`;
}

/** Of the row of `replica_cursor`: whether the caller may write. */
export function holdsFence(sql: Sql, { writer, epoch }: Fence): Fragment {
  return sql`writer = ${writerHere(sql, writer)} and feed_epoch = ${epoch}`;
}

/**
 * Makes `writer` the one process that may write: transactions of another one are refused from now on, and those under way
 * are waited for.
 */
export async function claimWriting(sql: Sql, writer: string): Promise<void> {
  // Writers hold the row's key (`for key share`): only this lock waits for them.
  await sql`
    with locked as materialized (select only_row from mnemosync.replica_cursor for update)
    update mnemosync.replica_cursor c set writer = ${writerHere(sql, writer)} from locked l where c.only_row = l.only_row`;
}

/** How the replica begins to read at the start again. */
export interface NewBeginning {
  readonly epoch: string;
  /** The newest tombstone that the primary has pruned. */
  readonly pruned: FeedCursor | null;
  readonly compares: Comparing;
  /** Of the primary, where `epoch` is the one that was read: what the replica has of it arrived before. Null in another epoch. */
  readonly mark: string | null;
}

/** Begins to read at the start of another epoch, or of the same one; rows of before are to be compared. @returns false: fenced off. */
export async function beginAnew(
  sql: Sql,
  writer: string,
  { epoch, pruned, compares, mark }: NewBeginning,
): Promise<boolean> {
  const rows = await sql`
    update mnemosync.replica_cursor
    set feed_epoch = ${epoch}, epoch = null, xid = '0'::xid8, seq = 0, pruned_xid = ${pruned?.xid ?? null}::text::xid8,
        pruned_seq = ${pruned?.seq ?? null}::text::bigint, compares = ${compares}, compared_bucket = null, compared_key = null,
        mark = ${mark}, seen_tx = null, began_at = clock_timestamp(), moved_at = clock_timestamp(),
        epoch_xid = case when feed_epoch = ${epoch} then epoch_xid else pg_current_xact_id() end
    where writer = ${writerHere(sql, writer)}
    returning 1`;
  return rows.length === 1;
}

/** Moves the place where no data is to be written with it. @returns false: fenced off, or the replica stands elsewhere. */
export async function moveCursor(sql: Sql, fence: Fence, { from, to, seen }: PlaceMove): Promise<boolean> {
  const rows = await sql`
    update mnemosync.replica_cursor
    set xid = ${to.xid}::text::xid8, seq = ${to.seq}::text::bigint, seen_tx = coalesce(${seen}, seen_tx), moved_at = clock_timestamp()
    where ${holdsFence(sql, fence)}
      and (xid, seq) = (${from.xid}::text::xid8, ${from.seq}::text::bigint)
      and (${to.xid}::text::xid8, ${to.seq}::text::bigint) >= (xid, seq)
    returning 1`;
  return rows.length === 1;
}

/** The replica has all of its epoch up to its place from now on. @returns false: fenced off. */
export async function completeEpoch(sql: Sql, fence: Fence): Promise<boolean> {
  const rows = await sql`
    update mnemosync.replica_cursor
    set epoch = feed_epoch, compares = null, compared_bucket = null, compared_key = null
    where ${holdsFence(sql, fence)}
    returning 1`;
  return rows.length === 1;
}

/** Keeps how far the comparison is. */
export async function keepCompared(
  sql: Sql,
  fence: Fence,
  { bucket, namespace, memoryId }: KeyPosition,
): Promise<boolean> {
  const rows = await sql`
    update mnemosync.replica_cursor
    set compared_bucket = ${bucket}, compared_key = ${arrayLiteral([namespace, memoryId])}::text::text[]
    where ${holdsFence(sql, fence)}
    returning 1`;
  return rows.length === 1;
}

/** Keeps a mark of the primary beside what was read before it was made. */
export async function keepMark(sql: Sql, fence: Fence, mark: string): Promise<boolean> {
  const rows =
    await sql`update mnemosync.replica_cursor set mark = ${mark} where ${holdsFence(sql, fence)} returning 1`;
  return rows.length === 1;
}
