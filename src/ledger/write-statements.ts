import { compareKeys, keyText, type MemoryKey } from "../domain/keys.ts";
import { parseVector, type VersionVector } from "../domain/version-vector.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { keyLiterals } from "./arrays.ts";
import { claimKey, type KeyClaim } from "./idempotency-statements.ts";
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
}

/** The transaction's row: commit token and outbox entry. */
export interface TransactionToken {
  readonly transactionId: string;
  readonly nodeId: string;
  readonly storeVersions: StoreVersionTemplates;
  /** Replaced versions that are kept per memory. */
  readonly historyVersionsMax: number;
  /**
   * Whether new memories are inserted without a look for rows in the way, and by COPY where that is faster: looking costs a
   * tenth of the whole. False once an attempt was `raced` or `copy_refused`. @default true
   */
  readonly optimistic?: boolean;
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

/** A transaction that has begun. */
export interface Begun {
  /** The existing rows, by key text. No other transaction can change them until this one ends. */
  readonly locked: Map<string, LockedVersion>;
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
 * cannot wait for each other, and reads them and the clock: one round trip.
 */
export async function beginAndLock(
  sql: Sql,
  keys: readonly MemoryKey[],
  claiming?: { readonly claim: KeyClaim; readonly transactionId: string },
): Promise<Begun> {
  // `execute`, since the driver sends a query only when it is awaited: without it the locks would be taken, and given back,
  // before the transaction begins.
  const begun = sql`begin isolation level read committed`.execute();
  const claimed = claiming && claimKey(sql, claiming.claim, claiming.transactionId);
  // Looked up and locked one by one in the order in which they are given.
  const [namespaces, memoryIds] = keyLiterals(keys.toSorted(compareKeys));
  const [, namespacesClaimed, rows] = await Promise.all([
    begun,
    claimed,
    sql<LockedRow[]>`
      with locked as materialized (
        select v.namespace, v.memory_id, v.version::float8 as version, v.checksum, v.version_vector::text as vector,
               v.has_embedding
        from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
        cross join lateral (
          select * from mnemosync.memory_versions v
          where v.namespace = k.namespace and v.memory_id = k.memory_id
          for update
        ) v
      )
      -- The clock is read once all of them are counted, and so locked.
      select c.now, l.*
      from (select count(*), extract(epoch from clock_timestamp())::float8 * 1000 as now from locked) c
      left join locked l on true`,
  ]);
  const locked = new Map<string, LockedVersion>();
  for (const row of rows) {
    if (row.memory_id === null) continue;
    locked.set(keyText({ namespace: row.namespace, memoryId: row.memory_id }), {
      version: row.version,
      checksum: row.checksum,
      versionVector: parseVector(row.vector) ?? {},
      hasEmbedding: row.has_embedding,
    });
  }
  const isKeyTaken = claiming !== undefined && namespacesClaimed !== claiming.claim.namespaces.length;
  return { locked, now: Math.floor(rows[0]?.now ?? 0), isKeyTaken };
}

interface LockedRow {
  readonly now: number;
  readonly namespace: string;
  /** Null in the one row of an answer in which none was locked. */
  readonly memory_id: string | null;
  readonly version: number;
  readonly checksum: string | null;
  readonly vector: string;
  readonly has_embedding: boolean;
}

/**
 * Writes a chunk in one statement: replaced versions go to the history, versions and documents are written, and the
 * transaction's row is inserted as `committed`. `writes` must be in key order and their existing rows locked.
 */
export async function writeVersions(
  sql: Sql,
  writes: readonly VersionWrite[],
  token: TransactionToken,
): Promise<Exclude<WriteAnswer, "copy_refused">> {
  const inserts = writes.filter(isInsert).length;
  const onlyNew = areOnlyNew(writes);
  const optimistic = isOptimistic(writes, token);
  const statement = sql<{ written: number; inserted: number }[]>`
    with input as materialized (${inputRows(sql, writes)}),
    ${onlyNew ? sql`` : replacing(sql, token.historyVersionsMax)}
    versions as (
      insert into mnemosync.memory_versions as v
        (namespace, memory_id, version, checksum, digest, bucket, version_vector, store_versions, has_embedding,
         modified_at, deleted_at, expires_at, tx_id, xid, seq)
      select i.namespace, i.memory_id, i.version, i.checksum, i.digest, i.bucket, i.vector,
             replace(case when i.has_embedding then ${token.storeVersions.withEmbedding}::text
                          else ${token.storeVersions.withoutEmbedding}::text end, ${VERSION_PLACEHOLDER}, i.version::text)::jsonb,
             i.has_embedding,
             i.modified_at, case when i.checksum is null then i.modified_at end, i.expires_at,
             ${token.transactionId}::text, pg_current_xact_id(), nextval('mnemosync.change_seq')
      from input i
      ${optimistic ? sql`` : orReplaceVersion(sql)}
      returning v.xmax = 0 as inserted -- an update leaves its lock there
    ), documents as (
      insert into mnemosync.memories (namespace, memory_id, document, embedding)
      select i.namespace, i.memory_id, i.document, i.embedding from input i where i.checksum is not null
      ${optimistic ? sql`` : orReplaceDocument(sql)}
    ), token as (
      insert into mnemosync.sync_transactions (tx_id, state, node_id, namespaces, memory_ids, versions)
      select ${token.transactionId}, 'committed', ${token.nodeId},
             coalesce(array_agg(i.namespace order by i.position), '{}'),
             coalesce(array_agg(i.memory_id order by i.position), '{}'),
             coalesce(array_agg(i.version order by i.position), '{}')
      from input i
    )
    select count(*)::int as written, count(*) filter (where inserted)::int as inserted from versions`;
  const [row] = await statement.catch((error: unknown) => {
    if (optimistic && isRowInTheWay(error)) return [];
    throw error;
  });
  // A row may have appeared after the locks were taken. An imported version may have replaced it, if its number happened to fit.
  return row?.inserted === inserts && row.written === writes.length ? "written" : "raced";
}

function isInsert(write: VersionWrite): boolean {
  return write.version === 1 || write.inserts;
}

/** Whether all memories are new, as in most chunks: then no history is written or pruned, and no document is removed. */
function areOnlyNew(writes: readonly VersionWrite[]): boolean {
  return writes.every((write) => isInsert(write) && write.checksum !== null);
}

/** Whether a row in the way is looked for only once one was met: then the insert fails. */
export function isOptimistic(writes: readonly VersionWrite[], token: TransactionToken): boolean {
  return token.optimistic !== false && areOnlyNew(writes);
}

/** Replaces the previous version only: another version means that the row is not the locked one. */
function orReplaceVersion(sql: Sql): Fragment {
  return sql`on conflict (namespace, memory_id) do update set
        version = excluded.version, checksum = excluded.checksum, digest = excluded.digest,
        version_vector = excluded.version_vector, store_versions = excluded.store_versions,
        has_embedding = excluded.has_embedding, modified_at = excluded.modified_at, deleted_at = excluded.deleted_at,
        expires_at = excluded.expires_at, tx_id = excluded.tx_id, xid = excluded.xid, seq = excluded.seq
      where v.version = excluded.version - 1`;
}

function orReplaceDocument(sql: Sql): Fragment {
  return sql`on conflict (namespace, memory_id)
      do update set document = excluded.document, embedding = excluded.embedding`;
}

/** Whether another transaction wrote a version meanwhile, or a document without a version is in the way. */
function isRowInTheWay(error: unknown): boolean {
  const { code, constraint_name: constraint } = error as { code?: unknown; constraint_name?: unknown };
  return code === "23505" && (constraint === "memory_versions_pkey" || constraint === "memories_pkey");
}

/**
 * Moves replaced versions to the history. Row by row (`offset 0` keeps the planner from turning it into a join): a wrong
 * estimate of a table's size must not make a chunk read the whole table.
 */
function replacing(sql: Sql, historyVersionsMax: number): Fragment {
  return sql`replaced as (
      insert into mnemosync.memory_history
        (namespace, memory_id, version, checksum, document, embedding, version_vector, modified_at, deleted_at, tx_id)
      select i.namespace, i.memory_id, v.version, v.checksum, m.document, m.embedding, v.version_vector, v.modified_at,
             v.deleted_at, v.tx_id
      from input i
      cross join lateral (
        select * from mnemosync.memory_versions v
        where v.namespace = i.namespace and v.memory_id = i.memory_id offset 0
      ) v
      left join lateral (
        select m.document, m.embedding from mnemosync.memories m
        where m.namespace = i.namespace and m.memory_id = i.memory_id offset 0
      ) m on true
      where i.version > 1 and ${historyVersionsMax}::int > 0
    ), forgotten as (
      delete from mnemosync.memory_history h
      where h.ctid = any (array(
        select old.ctid from input i cross join lateral (
          select o.ctid from mnemosync.memory_history o
          where o.namespace = i.namespace and o.memory_id = i.memory_id
            and o.version < i.version - ${historyVersionsMax}::int offset 0
        ) old
        where i.version > 1
      ))
    ), buried as (
      delete from mnemosync.memories m
      where m.ctid = any (array(
        select gone.ctid from input i cross join lateral (
          select d.ctid from mnemosync.memories d
          where d.namespace = i.namespace and d.memory_id = i.memory_id offset 0
        ) gone
        where i.checksum is null
      ))
    ),`;
}

export type { VersionWrite };
