import { embeddingFromBytes } from "../domain/checksum.ts";
import type { Ending } from "../domain/ending.ts";
import type { MemoryKey } from "../domain/keys.ts";
import { parseVector, type VersionVector } from "../domain/version-vector.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "./arrays.ts";
import { endingOf, replacedRows, wideRow } from "./body-rows.ts";
import { PRUNED_THROUGH } from "./past-statements.ts";
import { NO_NODE } from "./portable-statements.ts";
import { isBeyondRetention } from "./stored-times.ts";

/** One version of a memory, current or replaced. */
export interface HistoricVersion extends MemoryKey {
  readonly version: number;
  /** Null for a deletion. */
  readonly checksum: string | null;
  readonly documentJson: string | null;
  readonly embedding: Float32Array | null;
  readonly versionVector: VersionVector;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
  /** Why it is a deletion; null for a live version. */
  readonly endedBy: Ending | null;
  readonly transactionId: string;
}

/** Facts of one version that the ledger gave out: enough to prove a store's copy. */
export interface CommittedVersion {
  readonly version: number;
  /** Null for a deletion. */
  readonly checksum: string | null;
  readonly hasEmbedding: boolean;
}

/**
 * Looks up given versions in the current rows and in the history.
 * @returns in order; null for a version that the ledger never gave out, or whose history is no longer kept.
 */
export async function readCommitted(
  sql: Sql,
  versions: readonly (MemoryKey & { readonly version: number })[],
): Promise<(CommittedVersion | null)[]> {
  const [namespaces, memoryIds] = keyLiterals(versions);
  // Row by row (`offset 0`): a few keys must not make the planner read a table as a whole.
  const rows = await sql<{ place: number; version: number; checksum: string | null; has_embedding: boolean }[]>`
    select k.place::int as place, c.version::float8 as version, c.checksum, c.has_embedding
    from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[],
                ${arrayLiteral(versions.map(({ version }) => version))}::text::bigint[])
         with ordinality as k (namespace, memory_id, version, place)
    cross join lateral (
      select v.version, v.checksum, v.has_embedding and v.checksum is not null as has_embedding
      from mnemosync.memory_versions v
      where v.namespace = k.namespace and v.memory_id = k.memory_id and v.version = k.version
      union all
      select h.version, h.checksum, h.embedding is not null
      from mnemosync.memory_versions v
      cross join lateral ${replacedRows(sql)} h
      where v.namespace = k.namespace and v.memory_id = k.memory_id and v.version > k.version and h.version = k.version
      offset 0
    ) c`;
  const found = new Array<CommittedVersion | null>(versions.length).fill(null);
  for (const { place, version, checksum, has_embedding: hasEmbedding } of rows) {
    found[place - 1] = { version, checksum, hasEmbedding };
  }
  return found;
}

/** Versions of a memory, newest first; none when the ledger does not know it. */
export async function readHistory(sql: Sql, key: MemoryKey, limit: number): Promise<HistoricVersion[]> {
  return await readHistoryPage(sql, key, null, limit);
}

/** The numbers of the versions of a memory, newest first. */
export async function readHistoryVersions(sql: Sql, key: MemoryKey, limit: number): Promise<number[]> {
  const rows = await sql<{ version: number }[]>`
    with ${currentRow(sql, key)}
    select version::float8 as version from ${versionNumbers(sql)} n order by n.version desc limit ${limit}`;
  return rows.map(({ version }) => version);
}

/** As `readHistory`: versions older than `before`; null: from the newest on. Bodies of other versions are not read. */
export async function readHistoryPage(
  sql: Sql,
  key: MemoryKey,
  before: number | null,
  limit: number,
): Promise<HistoricVersion[]> {
  return await readHistoryBetween(sql, key, { before, after: 0 }, limit);
}

/** As `readHistoryPage`: only versions newer than `after` too. */
export async function readHistoryBetween(
  sql: Sql,
  key: MemoryKey,
  { before, after }: { readonly before: number | null; readonly after: number },
  limit: number,
): Promise<HistoricVersion[]> {
  const end = before ?? Number.MAX_SAFE_INTEGER;
  const rows = await sql<
    {
      version: number;
      checksum: string | null;
      document: string | null;
      embedding: Buffer | null;
      vector: string;
      modified_at: number;
      ended_by: Ending | null;
      tx_id: string;
    }[]
  >`
    with ${currentRow(sql, key)}, oldest as materialized (
      select min(version) as version
      from (select n.version from ${versionNumbers(sql)} n where n.version < ${end}::bigint and n.version > ${after}::bigint
            order by n.version desc limit ${limit}) page
    )
    select version::float8 as version, checksum, document, embedding, vector,
           extract(epoch from modified_at)::float8 * 1000 as modified_at, ended_by, tx_id
    from (
      select v.version, v.checksum, m.document::text as document, m.embedding, v.version_vector::text as vector,
             v.modified_at, ${endingOf(sql)} as ended_by, v.tx_id
      from v left join lateral ${wideRow(sql)} m on true
      union all
      select h.version, h.checksum, h.document::text, h.embedding, h.version_vector::text, h.modified_at, h.ended_by, h.tx_id
      from v cross join lateral ${replacedRows(sql)} h
    ) versions
    where versions.version < ${end}::bigint and versions.version >= (select version from oldest)
    order by versions.version desc`;
  return rows.map((row) => ({
    namespace: key.namespace,
    memoryId: key.memoryId,
    version: row.version,
    checksum: row.checksum,
    documentJson: row.document,
    embedding: row.embedding === null ? null : embeddingFromBytes(row.embedding),
    versionVector: parseVector(row.vector) ?? {},
    modifiedAt: Math.round(row.modified_at),
    endedBy: row.ended_by,
    transactionId: row.tx_id,
  }));
}

function currentRow(sql: Sql, key: MemoryKey): Fragment {
  return sql`
    v as materialized (
      select * from mnemosync.memory_versions where namespace = ${key.namespace} and memory_id = ${key.memoryId}
    )`;
}

/** Of the rows called v: their numbers and those of the versions before them. */
function versionNumbers(sql: Sql): Fragment {
  return sql`(
      select v.version from v
      union all
      select h.version from v cross join lateral ${replacedRows(sql)} h
    )`;
}

/** The memories that a transaction wrote; null when it is unknown, was rolled back, or brought the history of an import. */
export async function readTransaction(
  sql: Sql,
  transactionId: string,
): Promise<readonly (MemoryKey & { version: number })[] | null> {
  const rows = await sql<{ namespace: string | null; memory_id: string | null; version: number | null }[]>`
    select k.namespace, k.memory_id, k.version::float8 as version
    from mnemosync.sync_transactions t
    left join lateral unnest(t.namespaces, t.memory_ids, t.versions) as k (namespace, memory_id, version) on true
    where t.tx_id = ${transactionId} and t.state <> 'rolled_back' and t.node_id <> ${NO_NODE}`;
  if (rows.length === 0) return null;
  return rows.flatMap(({ namespace, memory_id, version }) =>
    namespace === null || memory_id === null || version === null ? [] : [{ namespace, memoryId: memory_id, version }],
  );
}

export async function listExpired(sql: Sql, limit: number): Promise<(MemoryKey & { version: number })[]> {
  const rows = await sql<{ namespace: string; memory_id: string; version: number }[]>`
    select namespace, memory_id, version::float8 as version
    from mnemosync.memory_versions
    where expires_at <= clock_timestamp() and deleted_at is null
    order by expires_at
    limit ${limit}`;
  return rows.map((row) => ({ namespace: row.namespace, memoryId: row.memory_id, version: row.version }));
}

export async function pruneTransactions(sql: Sql, retentionMs: number, limit: number): Promise<number> {
  const rows = await sql`
    with old as materialized (
      select tx_id from mnemosync.sync_transactions
      where ${isBeyondRetention(sql, sql`created_at`, retentionMs)} and state <> 'committed'
      order by created_at
      limit ${limit}
      for update skip locked
    ), gone as (
      delete from mnemosync.sync_transactions t using old where t.tx_id = old.tx_id returning t.tx_id
    ), noted as (
      -- Tells a transaction that was pruned from one that was lost.
      insert into mnemosync.sync_meta as m (name, value)
      select ${PRUNED_THROUGH}, max(tx_id) from gone having count(*) > 0
      on conflict (name) do update set value = greatest(m.value collate "C", excluded.value collate "C")
    )
    select 1 from gone`;
  return rows.length;
}
