import type { Ending } from "../domain/ending.ts";
import { bucketOf, compareKeys, keyText, type MemoryKey } from "../domain/keys.ts";
import { parseVector, type VersionVector } from "../domain/version-vector.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "./arrays.ts";
import { endingOf } from "./body-rows.ts";
import { claimKey, type KeyClaim } from "./idempotency-statements.ts";
import { moveBodies } from "./moved-bodies.ts";
import { type StoreVersionTemplates, VERSION_PLACEHOLDER } from "./store-versions.ts";
import type { VersionWrite } from "./version-write.ts";
import { inputRows } from "./write-columns.ts";

/** A memory's row, as it stood when it was locked. */
export interface LockedVersion {
  readonly version: number;
  /** Null for a tombstone. */
  readonly checksum: string | null;
  readonly versionVector: VersionVector;
  /** Whether it has an embedding; of a tombstone, whether the version before it had one. */
  readonly hasEmbedding: boolean;
  /** Why it is a tombstone; null for a live version. */
  readonly endedBy: Ending | null;
}

/** A memory's row, with the transaction that wrote it: unlike the version, it names the content after a restore too. */
export interface LockedRow extends LockedVersion {
  readonly txId: string;
}

/** The transaction's row: commit token and outbox entry. */
export interface TransactionToken {
  readonly transactionId: string;
  readonly nodeId: string;
  readonly storeVersions: StoreVersionTemplates;
  /**
   * Whether new memories are inserted without a look for rows in the way, and by COPY where that is faster: looking costs a
   * tenth of the whole. False once an attempt was `raced` or `copy_refused`. @default true
   */
  readonly optimistic?: boolean;
  /** Whether the transaction's row is there already, and gets further memories. @default false */
  readonly appends?: boolean;
}

/**
 * The result of writing the rows of a transaction.
 *
 * - `raced`: another transaction created one of the memories first.
 * - `copy_refused`: the server refused the COPY of new memories and does not say why.
 *
 * After both the transaction must be rolled back and its writer start anew, with `optimistic: false`.
 */
export type WriteAnswer = "written" | "raced" | "copy_refused";

/** A key, with its bucket where its owner knows it: that of a hash. */
export type BucketedKey = MemoryKey & { readonly bucket?: number };

/** A transaction that has begun. */
export interface Begun {
  /** The existing rows, by key text. No other transaction can change them until this one ends. */
  readonly locked: ReadonlyMap<string, LockedRow>;
  /**
   * Versions that were given out to memories without a row, whose tombstones are pruned, by bucket: a new memory starts above
   * the floor of its bucket.
   */
  readonly floors: ReadonlyMap<number, number>;
  /**
   * The ledger's time, in milliseconds since 1970. It is taken after the locks, so that it never falls behind that of the
   * version before.
   */
  readonly now: number;
  /** Whether an earlier transaction has the idempotency key: then this one must be rolled back. */
  readonly isKeyTaken: boolean;
}

/**
 * Begins a transaction, claims its idempotency key, locks the rows of `keys` that exist, in key order so that two writers
 * cannot wait for each other, and reads them, the clock and the version floors: one round trip. Bodies of these memories
 * that are not moved yet are moved, in one more.
 */
export async function beginAndLock(
  sql: Sql,
  keys: readonly BucketedKey[],
  claiming?: { readonly claim: KeyClaim; readonly transactionId: string },
): Promise<Begun> {
  // `execute`, since the driver sends a query only when it is awaited: without it the locks would be taken, and given back,
  // before the transaction begins.
  const begun = sql`begin isolation level read committed`.execute();
  const claimed = claiming && claimKey(sql, claiming.claim, claiming.transactionId);
  const [, namespacesClaimed, read] = await Promise.all([begun, claimed, lockRows(sql, keys)]);
  const isKeyTaken = claiming !== undefined && namespacesClaimed !== claiming.claim.namespaces.length;
  return { ...read, isKeyTaken };
}

/**
 * Locks those rows of `keys` that exist, in key order, and reads them, the clock and the version floors. Bodies of these
 * memories that are not moved yet are moved, in one round trip more.
 * @param options.waits false: rows that another transaction holds are left out. @default true
 */
export async function lockRows(
  sql: Sql,
  keys: readonly BucketedKey[],
  { waits = true }: { readonly waits?: boolean } = {},
): Promise<Omit<Begun, "isKeyTaken">> {
  // Looked up and locked one by one in the order in which they are given.
  const [namespaces, memoryIds] = keyLiterals(keys.toSorted(compareKeys));
  const [rows, floors] = await Promise.all([
    sql<LockedColumns[]>`
      with locked as materialized (
        select v.namespace, v.memory_id, v.version::float8 as version, v.checksum, v.version_vector::text as vector,
               v.has_embedding, ${endingOf(sql)} as ended_by, v.xid is not null as is_unmoved, v.tx_id
        from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
        cross join lateral (
          select * from mnemosync.memory_versions v
          where v.namespace = k.namespace and v.memory_id = k.memory_id
          for update ${waits ? sql`` : sql`skip locked`}
        ) v
      )
      -- The clock is read once all of them are counted, and so locked.
      select c.now, l.*
      from (select count(*), extract(epoch from clock_timestamp())::float8 * 1000 as now from locked) c
      left join locked l on true`,
    readFloors(sql, keys),
  ]);
  const locked = new Map<string, LockedRow>();
  const unmoved: MemoryKey[] = [];
  for (const row of rows) {
    if (row.memory_id === null) continue;
    const key = { namespace: row.namespace, memoryId: row.memory_id };
    if (row.is_unmoved) unmoved.push(key);
    locked.set(keyText(key), {
      version: row.version,
      checksum: row.checksum,
      versionVector: parseVector(row.vector) ?? {},
      hasEmbedding: row.has_embedding,
      endedBy: row.ended_by,
      txId: row.tx_id,
    });
  }
  if (unmoved.length > 0) await moveBodies(sql, unmoved);
  return { locked, floors, now: Math.floor(rows[0]?.now ?? 0) };
}

/**
 * The version floors of the buckets of `keys`. Read after the locks, and so later than the end of any transaction that
 * pruned the tombstone of one of them.
 */
async function readFloors(sql: Sql, keys: readonly BucketedKey[]): Promise<Map<number, number>> {
  const rows = await sql<{ bucket: number; floor: number }[]>`
    select bucket, floor::float8 as floor from mnemosync.version_floors
    where bucket = any (${arrayLiteral(keys.map((key) => key.bucket ?? bucketOf(key)))}::text::int[])`;
  return new Map(rows.map(({ bucket, floor }) => [bucket, floor]));
}

interface LockedColumns {
  readonly now: number;
  readonly namespace: string;
  /** Null in the one row of an answer in which none was locked. */
  readonly memory_id: string | null;
  readonly version: number;
  readonly checksum: string | null;
  readonly vector: string;
  readonly has_embedding: boolean;
  readonly ended_by: Ending | null;
  readonly is_unmoved: boolean;
  readonly tx_id: string;
}

/**
 * Writes a chunk in one statement: the body of each version, the narrow rows, and the transaction's row as `committed`.
 * Nothing is read of what they replace: its bodies stay where they were written, and the sweeper prunes them.
 * `writes` must be in key order and their existing rows locked.
 */
export async function writeVersions(
  sql: Sql,
  writes: readonly VersionWrite[],
  token: TransactionToken,
): Promise<Exclude<WriteAnswer, "copy_refused">> {
  const inserts = writes.filter(isInsert).length;
  const looksFirst = token.optimistic === false;
  const statement = sql<{ written: number; inserted: number }[]>`
    with input as materialized (${inputRows(sql, writes)}),
    versions as (
      ${insertVersions(sql, token)}
      ${isOptimistic(writes, token) ? sql`` : orReplaceVersion(sql)}
      returning v.xmax = 0 as inserted -- an update leaves its lock there
    ), bodies as (
      ${insertBodies(sql, token)}
      ${looksFirst ? orReplaceBody(sql) : sql``}
    ), token as (
      insert into mnemosync.sync_transactions (tx_id, state, node_id, namespaces, memory_ids, versions)
      select ${token.transactionId}, 'committed', ${token.nodeId},
             coalesce(array_agg(i.namespace order by i.position), '{}'),
             coalesce(array_agg(i.memory_id order by i.position), '{}'),
             coalesce(array_agg(i.version order by i.position), '{}')
      from input i
      ${token.appends === true ? orAppend(sql) : sql``}
    )
    select count(*)::int as written, count(*) filter (where inserted)::int as inserted from versions`;
  const [row] = await statement.catch((error: unknown) => {
    if (!looksFirst && isRowInTheWay(error)) return [];
    throw error;
  });
  // A row may have appeared after the locks were taken. An imported version may have replaced it, if its number happened to fit.
  return row?.inserted === inserts && row.written === writes.length ? "written" : "raced";
}

/** Inserts the narrow rows of a table called input (`inputRows`), as v. What to do about rows in the way is to follow. */
export function insertVersions(sql: Sql, { storeVersions, transactionId }: TransactionToken): Fragment {
  return sql`insert into mnemosync.memory_versions as v
        (namespace, memory_id, version, checksum, digest, bucket, version_vector, store_versions, has_embedding,
         created_at, modified_at, deleted_at, ended_by, expires_at, tx_id)
      select i.namespace, i.memory_id, i.version, i.checksum, i.digest, i.bucket, i.vector,
             replace(case when i.has_embedding then ${storeVersions.withEmbedding}::text
                          else ${storeVersions.withoutEmbedding}::text end, ${VERSION_PLACEHOLDER}, i.version::text)::jsonb,
             i.has_embedding, i.modified_at, i.modified_at, case when i.checksum is null then i.modified_at end, i.ended_by,
             i.expires_at, ${transactionId}::text
      from input i`;
}

/** Inserts the bodies of the same table. A join, or what to do about rows in the way, may follow. */
export function insertBodies(sql: Sql, { transactionId }: TransactionToken): Fragment {
  return sql`insert into mnemosync.memory_bodies
        (namespace, memory_id, version, checksum, version_vector, modified_at, ended_by, expires_at, tx_id, document,
         embedding)
      select i.namespace, i.memory_id, i.version, i.checksum, i.vector, i.modified_at, i.ended_by, i.expires_at,
             ${transactionId}::text, i.document, i.embedding
      from input i`;
}

/** Whether the memory must have no row yet. */
export function isInsert(write: VersionWrite): boolean {
  return write.version === 1 || write.inserts;
}

/** Whether all memories are new, as in most chunks. */
function areOnlyNew(writes: readonly VersionWrite[]): boolean {
  return writes.every((write) => isInsert(write) && write.checksum !== null);
}

/** Whether a row in the way is looked for only once one was met: then the insert fails. */
export function isOptimistic(writes: readonly VersionWrite[], token: TransactionToken): boolean {
  return token.optimistic !== false && areOnlyNew(writes);
}

/**
 * Replaces the previous version only: another version means that the row is not the locked one. The time of creation stays,
 * unless a memory begins anew after its ending.
 */
export function orReplaceVersion(sql: Sql): Fragment {
  return sql`on conflict (namespace, memory_id) do update set
        version = excluded.version, checksum = excluded.checksum, digest = excluded.digest,
        version_vector = excluded.version_vector, store_versions = excluded.store_versions,
        has_embedding = excluded.has_embedding, modified_at = excluded.modified_at, deleted_at = excluded.deleted_at,
        created_at = case when v.deleted_at is null or excluded.deleted_at is not null
                          then coalesce(v.created_at, v.modified_at) else excluded.created_at end,
        ended_by = excluded.ended_by, expires_at = excluded.expires_at, tx_id = excluded.tx_id, xid = null, seq = null
      where v.version = excluded.version - 1`;
}

/** A body without a row of its memory is in the way of a version that was never committed: no reader knows it. */
function orReplaceBody(sql: Sql): Fragment {
  return sql`on conflict (namespace, memory_id, version) do update set
        checksum = excluded.checksum, version_vector = excluded.version_vector, modified_at = excluded.modified_at,
        ended_by = excluded.ended_by, expires_at = excluded.expires_at, tx_id = excluded.tx_id, xid = excluded.xid,
        seq = excluded.seq, document = excluded.document, embedding = excluded.embedding`;
}

/** The transaction has written other memories before. */
function orAppend(sql: Sql): Fragment {
  return sql`on conflict (tx_id) do update set
        namespaces = sync_transactions.namespaces || excluded.namespaces,
        memory_ids = sync_transactions.memory_ids || excluded.memory_ids,
        versions = sync_transactions.versions || excluded.versions`;
}

/** Whether another transaction wrote a version meanwhile, or a body without a version is in the way. */
export function isRowInTheWay(error: unknown): boolean {
  const { code, constraint_name: constraint } = error as { code?: unknown; constraint_name?: unknown };
  return code === "23505" && (constraint === "memory_versions_pkey" || constraint === "memory_bodies_pkey");
}

export type { VersionWrite };
