import { randomUUID } from "node:crypto";
import type { FeedCursor } from "../domain/change-source.ts";
import { type HistoryFlaw, markNumber } from "../domain/history.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "./arrays.ts";

/** Marks that are kept: about a month of the leader's passes. An older one proves nothing. */
const MARKS_KEPT = 50_000;

/** In `sync_meta`: the newest transaction id that was pruned. An older one that is not there may have been pruned too. */
export const PRUNED_THROUGH = "transactions_pruned_through";

/** The ledger's history, as the database tells it. */
export interface LedgerHistory {
  /** Names this ledger for good. */
  readonly ledger: string;
  readonly epoch: string;
  /** A standby takes no writes, so it can begin no epoch. */
  readonly inRecovery: boolean;
  /** The next transaction id that the server will give out, at least. */
  readonly xmax: string;
  readonly hasRowsOfTheFuture: boolean;
  /** The cluster in which the epoch began; null where it was never read. */
  readonly recorded: ClusterIdentity | null;
}

export interface ClusterIdentity {
  readonly systemIdentifier: string;
  readonly timeline: number;
}

export async function readHistory(sql: Sql): Promise<LedgerHistory> {
  const [row] = await sql<
    {
      ledger: string | null;
      epoch: string | null;
      in_recovery: boolean;
      xmax: string;
      future: boolean;
      system_identifier: string | null;
      timeline: number | null;
    }[]
  >`
    select l.value as ledger, e.value as epoch, pg_is_in_recovery() as in_recovery,
           pg_snapshot_xmax(pg_current_snapshot())::text as xmax,
           -- What a snapshot shows was written by older transactions, unless the rows came from another server.
           -- The newest row alone, in the order of the index: a plan that was made while the tables were small read all of them, with
           -- each look at the feed.
           exists (select from (select xid from mnemosync.memory_bodies where xid is not null
                                order by xid desc, seq desc limit 1) newest
                   where newest.xid >= pg_snapshot_xmax(pg_current_snapshot()))
             or exists (select from (select xid from mnemosync.memory_versions where xid is not null
                                     order by xid desc, seq desc limit 1) newest
                        where newest.xid >= pg_snapshot_xmax(pg_current_snapshot())) as future,
           h.system_identifier, h.timeline
    from (values (1)) as one
    left join mnemosync.sync_meta l on l.name = 'ledger_id'
    left join mnemosync.sync_meta e on e.name = 'store_epoch'
    left join mnemosync.epochs h on h.epoch = e.value`;
  const { ledger, epoch, in_recovery, xmax, future, system_identifier, timeline } = row!;
  return {
    ledger: ledger ?? "",
    epoch: epoch ?? "",
    inRecovery: in_recovery,
    xmax,
    hasRowsOfTheFuture: future,
    recorded:
      system_identifier === null || timeline === null ? null : { systemIdentifier: system_identifier, timeline },
  };
}

/** SQLSTATEs of a server that does not tell: no permission, no such function, not supported. */
const NOT_TOLD = ["42501", "42883", "0A000", "55000"];

/** The cluster and its timeline; null where the server does not tell this user. */
export async function readCluster(sql: Sql): Promise<ClusterIdentity | null> {
  try {
    // The control file names a new timeline only after the first checkpoint; the current WAL file does at once.
    const [row] = await sql<{ id: string; timeline: number | null }[]>`
      select (select system_identifier::text from pg_control_system()) as id,
             case when not pg_is_in_recovery()
                  then ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int end as timeline`;
    return row === undefined || row.timeline === null ? null : { systemIdentifier: row.id, timeline: row.timeline };
  } catch (error) {
    if (NOT_TOLD.includes(String((error as { code?: unknown }).code))) return null;
    throw error;
  }
}

/** SQLSTATEs of a server that takes no writes, from this user or at all. */
const NO_WRITES = ["25006", "42501"];

/** Records the cluster of an epoch that has none yet. Where nothing can be written, a node that may write does it later. */
export async function recordCluster(sql: Sql, epoch: string, cluster: ClusterIdentity): Promise<void> {
  try {
    await sql`
      update mnemosync.epochs set system_identifier = ${cluster.systemIdentifier}, timeline = ${cluster.timeline}
      where epoch = ${epoch} and system_identifier is null`;
  } catch (error) {
    if (!NO_WRITES.includes(String((error as { code?: unknown }).code))) throw error;
  }
}

/** Whether a cursor points beyond every transaction that the server has given out. */
export function isBeyond(cursor: FeedCursor, xmax: string): boolean {
  return BigInt(cursor.xid) >= BigInt(xmax);
}

/** Whether the ledger lacks one of `marks`. A mark that is older than those that are kept proves nothing. */
export async function lacksMark(sql: Sql, marks: readonly string[]): Promise<boolean> {
  const known = marks.filter((mark) => markNumber(mark) !== null);
  if (known.length === 0) return false;
  const [row] = await sql<{ lacks: boolean }[]>`
    select exists (
      select from unnest(${arrayLiteral(known.map((mark) => markNumber(mark)))}::text::bigint[],
                         ${arrayLiteral(known.map((mark) => mark.slice(mark.indexOf(".") + 1)))}::text::text[])
        as k (number, token)
      where k.number >= coalesce((select min(number) from mnemosync.marks), 0)
        and not exists (select from mnemosync.marks m where m.number = k.number and m.token = k.token)
    ) as lacks`;
  return row?.lacks ?? false;
}

/** Whether the ledger lacks one of these transactions, which were committed here, and it was not pruned. */
export async function lacksTransaction(sql: Sql, transactionIds: readonly string[]): Promise<boolean> {
  const [row] = await sql<{ lacks: boolean }[]>`
    select exists (
      select from unnest(${arrayLiteral(transactionIds)}::text::text[]) as k (tx_id)
      where not exists (select from mnemosync.sync_transactions t where t.tx_id = k.tx_id)
        and not exists (select from mnemosync.sync_meta
                        where name = ${PRUNED_THROUGH} and value collate "C" >= k.tx_id collate "C")
    ) as lacks`;
  return row?.lacks ?? false;
}

/** Makes a mark. It is committed, and so proves all that was committed before it. */
export async function makeMark(sql: Sql): Promise<string> {
  const [row] = await sql<{ number: string; token: string }[]>`
    with pruned as (
      delete from mnemosync.marks where number < (select max(number) from mnemosync.marks) - ${MARKS_KEPT}::int
    )
    insert into mnemosync.marks default values returning number::text as number, token`;
  return `${row?.number}.${row?.token}`;
}

/**
 * Begins a new epoch, unless another node has done so since `before` was read.
 * @returns null in that case; else the epoch and the rows that were stamped anew.
 */
export async function beginEpoch(
  sql: Sql,
  before: string,
  reason: HistoryFlaw,
  cluster: ClusterIdentity | null,
): Promise<{ epoch: string; stamped: number } | null> {
  const epoch = randomUUID();
  await sql`begin`;
  const changed = await sql`
    update mnemosync.sync_meta set value = ${epoch} where name = 'store_epoch' and value = ${before} returning 1`;
  if (changed.length === 0) {
    await sql`rollback`;
    return null;
  }
  await sql`
    insert into mnemosync.epochs (epoch, reason, system_identifier, timeline)
    values (${epoch}, ${reason}, ${cluster?.systemIdentifier ?? null}, ${cluster?.timeline ?? null})`;
  const [row] = await sql<{ stamped: number }[]>`select mnemosync.stamp_rows_of_the_future()::float8 as stamped`;
  await sql`commit`;
  return { epoch, stamped: row?.stamped ?? 0 };
}

/** The ledger's side of a shared store: what was confirmed of it last. */
export interface StoreRecord {
  readonly life: string | null;
  readonly mark: string | null;
  /** Whether it was ever compared as a whole. */
  readonly compared: boolean;
}

/** Shared stores with what was confirmed of them, and the epochs that this ledger had. */
export async function readStoreRecords(
  sql: Sql,
): Promise<{ epochs: ReadonlySet<string>; records: ReadonlyMap<StoreId, StoreRecord> }> {
  const [epochs, stores] = await Promise.all([
    sql<{ epoch: string }[]>`select epoch from mnemosync.epochs`,
    sql<{ id: StoreId; life: string | null; mark: string | null; compared: boolean }[]>`
      select id, confirmed_life as life, confirmed_mark as mark, compared_at is not null as compared
      from mnemosync.stores`,
  ]);
  return {
    epochs: new Set(epochs.map(({ epoch }) => epoch)),
    records: new Map(stores.map(({ id, life, mark, compared }) => [id, { life, mark, compared }])),
  };
}

/** Records the mark that a shared store bears, and the life of its in which it was compared as a whole. */
export async function confirmStore(sql: Sql, id: StoreId, record: StoreRecord): Promise<void> {
  await sql`
    update mnemosync.stores
    set confirmed_life = ${record.life}, confirmed_mark = ${record.mark},
        compared_at = case when ${record.compared} then clock_timestamp() else compared_at end
    where id = ${id}`;
}
