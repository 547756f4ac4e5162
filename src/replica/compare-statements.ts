import { entryDigest } from "../domain/checksum.ts";
import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "../ledger/arrays.ts";
import { currentRows, type KeyPosition, type LedgerVersion } from "../ledger/read-statements.ts";
import { signedDigest } from "../ledger/write-columns.ts";
import { type Comparing, type Fence, holdsFence } from "./cursor-statements.ts";

/** A row of the replica, with its place. */
export type ListedRow = LedgerVersion & KeyPosition;

/** A row of the replica that does not fit the primary, or lies over versions that the primary lost. */
export interface MisfitRow extends KeyPosition {
  /** As it was read before the primary was asked. */
  readonly version: number;
  readonly transactionId: string;
  /** The primary's row; null: it has none. */
  readonly primary: {
    readonly version: number;
    readonly transactionId: string;
    /** Milliseconds since 1970. */
    readonly createdAt: number;
    readonly isAlive: boolean;
  } | null;
}

/** A memory's row in the primary. */
export interface PrimaryVersion extends Pick<LedgerVersion, "version" | "checksum" | "transactionId"> {
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** What the primary has of some memories. */
export interface PrimarySide {
  /** By key text. */
  readonly versions: ReadonlyMap<string, PrimaryVersion>;
  /** Version floors by bucket: what a memory was given that the primary has forgotten after its end. */
  readonly floors: ReadonlyMap<number, number>;
}

export async function readPrimarySide(sql: Sql, rows: readonly KeyPosition[]): Promise<PrimarySide> {
  const found = await sql<(MemoryKey & PrimaryVersion)[]>`
    select v.namespace, v.memory_id as "memoryId", v.version::float8 as version, v.checksum, v.tx_id as "transactionId",
           extract(epoch from coalesce(v.created_at, v.modified_at))::float8 * 1000 as "createdAt"
    from ${currentRows(sql, rows)}`;
  const versions = new Map(found.map((row) => [keyText(row), row]));
  const buckets = [...new Set(rows.map(({ bucket }) => bucket))];
  const floors = await sql<{ bucket: number; floor: number }[]>`
    select bucket, floor::float8 as floor from mnemosync.version_floors
    where bucket = any (${arrayLiteral(buckets)}::text::int[])`;
  return { versions, floors: new Map(floors.map(({ bucket, floor }) => [bucket, floor])) };
}

/**
 * Rows of the replica that the primary, asked later, contradicts: a replica has nothing that its primary has not. An ended memory
 * that the primary has forgotten is kept: a new one of its id begins above the floor, and so above the row's version.
 */
export function misfits(rows: readonly ListedRow[], side: PrimarySide): MisfitRow[] {
  const { versions, floors } = side;
  return rows.flatMap((row) => {
    const found = versions.get(keyText(row)) ?? null;
    const isForgotten = row.checksum === null && (floors.get(row.bucket) ?? 0) >= row.version;
    const fits =
      found === null
        ? isForgotten
        : row.version < found.version || (row.version === found.version && row.transactionId === found.transactionId);
    if (fits) return [];
    return [rowBesidePrimary(row, side)];
  });
}

/** A row, with what the primary has of its memory. */
export function rowBesidePrimary(row: ListedRow, { versions }: PrimarySide): MisfitRow {
  const { namespace, memoryId, bucket, version, transactionId } = row;
  const found = versions.get(keyText(row)) ?? null;
  return {
    ...{ namespace, memoryId, bucket, version, transactionId },
    primary: found && {
      version: found.version,
      transactionId: found.transactionId,
      createdAt: found.createdAt,
      isAlive: found.checksum !== null,
    },
  };
}

/** What settling misfits came to. */
export interface Settled {
  /** Versions that were moved to `diverged`. */
  readonly diverged: number;
  /** Memories that ended because the primary no longer knows them. */
  readonly ended: number;
  /**
   * To be sent again first: the primary's version has not arrived yet, was refused, or its content was taken in a history that is
   * gone.
   */
  readonly unsettled: readonly MisfitRow[];
}

/**
 * Makes rows fit the primary: what it does not have is moved to `diverged`, and the row goes to the version that it has. Each row
 * is looked at again: one that moved meanwhile stays.
 * @param takesEmptied whether a version without its content will do: it was sent again, and is withheld. @default false
 * @returns null: fenced off.
 */
export async function settleMisfits(
  sql: Sql,
  fence: Fence,
  rows: readonly MisfitRow[],
  why: Comparing,
  takesEmptied = false,
): Promise<Settled | null> {
  const known = await readArrived(sql, rows);
  const isReady = (row: MisfitRow): boolean => {
    if (row.primary === null) return true;
    const checksum = known.get(keyText(row));
    const isEmptied = row.primary.isAlive && checksum === null;
    return checksum !== undefined && (takesEmptied || !isEmptied);
  };
  const [ready, unsettled] = [rows.filter(isReady), rows.filter((row) => !isReady(row))];
  if (ready.length === 0) return { diverged: 0, ended: 0, unsettled };
  const [namespaces, memoryIds] = keyLiterals(ready);
  const digest = (row: MisfitRow): string | null => {
    const checksum = known.get(keyText(row));
    if (row.primary === null || checksum == null) return null;
    return signedDigest(entryDigest(row, row.primary.version, checksum));
  };
  const [answer] = await sql<{ passed: boolean; diverged: number; ended: number }[]>`
    with fence as materialized (
      select 1 from mnemosync.replica_cursor where ${holdsFence(sql, fence)} for key share
    ), rows as materialized (
      select k.*, v.expires_at from unnest(
        ${namespaces}::text::text[], ${memoryIds}::text::text[],
        ${arrayLiteral(ready.map(({ version }) => version))}::text::bigint[],
        ${arrayLiteral(ready.map(({ transactionId }) => transactionId))}::text::text[],
        ${arrayLiteral(ready.map(({ primary }) => primary?.version ?? null))}::text::bigint[],
        ${arrayLiteral(ready.map(({ primary }) => primary?.transactionId ?? null))}::text::text[],
        ${arrayLiteral(ready.map(({ primary }) => primary?.createdAt ?? null))}::text::float8[],
        ${arrayLiteral(ready.map(digest))}::text::bigint[]
      ) as k (namespace, memory_id, version, tx_id, to_version, to_tx_id, to_created_at, to_digest)
      join mnemosync.memory_versions v
        on v.namespace = k.namespace and v.memory_id = k.memory_id and v.version = k.version and v.tx_id = k.tx_id
      where exists (select from fence)
      for update of v
    ), lost as (
      delete from mnemosync.memory_bodies b using rows r
      where b.namespace = r.namespace and b.memory_id = r.memory_id
        and (b.version > r.to_version or (r.to_version is null and ${why} = 'epoch'))
      returning b.*
    ), kept as (
      insert into mnemosync.diverged
        (namespace, memory_id, version, tx_id, checksum, version_vector, modified_at, ended_by, document, embedding, found_epoch)
      select l.namespace, l.memory_id, l.version, l.tx_id, l.checksum, l.version_vector, l.modified_at, l.ended_by, l.document,
             l.embedding, ${fence.epoch}
      from lost l join rows r using (namespace, memory_id)
      left join mnemosync.memory_bodies p
        on p.namespace = r.namespace and p.memory_id = r.memory_id and p.version = r.to_version
      -- What the primary withholds now is not kept either.
      where p.version is null or not (coalesce(p.ended_by in ('withdrawn', 'erased'), false)
        or coalesce(p.document ->> 'privacy' = 'redacted' and l.document ->> 'privacy' = 'full', false))
      on conflict do nothing
      returning 1
    ), gone as (
      delete from mnemosync.memory_versions v using rows r
      where v.namespace = r.namespace and v.memory_id = r.memory_id and r.to_version is null and ${why} = 'epoch'
    ), back as (
      update mnemosync.memory_versions v
      set version = b.version, checksum = b.checksum, digest = r.to_digest, version_vector = b.version_vector,
          has_embedding = b.embedding is not null, modified_at = b.modified_at, expires_at = b.expires_at,
          created_at = to_timestamp(r.to_created_at / 1000.0),
          deleted_at = case when b.checksum is null then b.modified_at end, ended_by = b.ended_by, tx_id = b.tx_id
      from rows r join mnemosync.memory_bodies b
        on b.namespace = r.namespace and b.memory_id = r.memory_id and b.version = r.to_version and b.tx_id = r.to_tx_id
      where v.namespace = r.namespace and v.memory_id = r.memory_id
    ), ended as (
      -- The primary forgot it after its end, which the replica was not told of. Its reason is gone with it: a time that is over
      -- counts as that, and everything else as a deletion.
      update mnemosync.memory_versions v
      set version = v.version + 1, checksum = null, digest = null, expires_at = null, deleted_at = clock_timestamp(),
          ended_by = case when v.expires_at <= clock_timestamp() then 'expired' else 'deleted' end
      from rows r
      where v.namespace = r.namespace and v.memory_id = r.memory_id and r.to_version is null and ${why} = 'pruned'
        and v.deleted_at is null
      returning v.namespace, v.memory_id, v.version, v.version_vector, v.deleted_at, v.ended_by, v.tx_id
    ), endings as (
      insert into mnemosync.memory_bodies (namespace, memory_id, version, version_vector, modified_at, ended_by, tx_id)
      select namespace, memory_id, version, version_vector, deleted_at, ended_by, tx_id from ended
      on conflict do nothing
    )
    select exists (select from fence) as passed, (select count(*)::int from kept) as diverged,
           (select count(*)::int from ended) as ended`;
  if (answer?.passed !== true) return null;
  return { diverged: answer.diverged, ended: answer.ended, unsettled };
}

/** The checksums of the primary's versions, of those that are in the replica, by key text. */
async function readArrived(sql: Sql, rows: readonly MisfitRow[]): Promise<Map<string, string | null>> {
  const [namespaces, memoryIds] = keyLiterals(rows);
  const found = await sql<{ namespace: string; memory_id: string; checksum: string | null }[]>`
    select k.namespace, k.memory_id, b.checksum
    from unnest(
      ${namespaces}::text::text[], ${memoryIds}::text::text[],
      ${arrayLiteral(rows.map(({ primary }) => primary?.version ?? null))}::text::bigint[],
      ${arrayLiteral(rows.map(({ primary }) => primary?.transactionId ?? null))}::text::text[]
    ) as k (namespace, memory_id, version, tx_id)
    cross join lateral (
      select b.checksum from mnemosync.memory_bodies b
      where b.namespace = k.namespace and b.memory_id = k.memory_id and b.version = k.version and b.tx_id = k.tx_id offset 0
    ) b`;
  return new Map(
    found.map(({ namespace, memory_id: memoryId, checksum }) => [keyText({ namespace, memoryId }), checksum]),
  );
}
