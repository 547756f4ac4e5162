import { embeddingBytes } from "../domain/checksum.ts";
import type { MemoryKey } from "../domain/keys.ts";
import { parseVector, type VersionVector } from "../domain/version-vector.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "./arrays.ts";
import { replacedRows, wideRow } from "./body-rows.ts";

/** A place in the order of an export: namespace, memory id, then the versions from the newest down. */
export interface PortablePosition extends MemoryKey {
  readonly version: number;
}

/** One version of a memory in the ledger. */
export interface PortableRow extends PortablePosition {
  readonly current: boolean;
  /** Null for a deletion. */
  readonly checksum: string | null;
  readonly versionVector: VersionVector;
  /** Of the memory, milliseconds since 1970. */
  readonly createdAt: number;
  readonly modifiedAt: number;
  readonly documentJson: string | null;
  readonly embedding: Buffer | null;
  /** It, or the memory that it belongs to as it was last seen alive, is `local_only`. */
  readonly localOnly: boolean;
}

export interface PortablePage {
  readonly after: PortablePosition | null;
  /** Null: all. */
  readonly namespace: string | null;
  readonly history: boolean;
  readonly rowsMax: number;
  /** Documents and vectors of one page, in bytes; a single row may be larger. */
  readonly bytesMax: number;
}

/** The next versions in the order of an export; none at the end. All of a page are of one moment. */
export async function readPortablePage(sql: Sql, page: PortablePage): Promise<PortableRow[]> {
  const { namespace, memoryId, version } = page.after ?? { namespace: "", memoryId: "", version: 0 };
  const within = (column: "v" | "h") =>
    page.namespace === null ? sql`` : sql`and ${sql(column)}.namespace = ${page.namespace}`;
  // Each of the tables in the order of its primary key, a page of it at most.
  const replacedIn = (table: Fragment, isReplaced: Fragment) => sql`
      union all
      (select h.namespace, h.memory_id, h.version, false
       from ${table} h
       where (h.namespace, h.memory_id) >= (${namespace}::text, ${memoryId}::text)
         and ((h.namespace, h.memory_id) > (${namespace}::text, ${memoryId}::text) or h.version < ${version}::bigint)
         ${isReplaced} ${within("h")}
       order by h.namespace, h.memory_id, h.version desc
       limit ${page.rowsMax})`;
  const isReplaced = sql`and h.version < (
           select v.version from mnemosync.memory_versions v where v.namespace = h.namespace and v.memory_id = h.memory_id)`;
  const replaced = page.history
    ? sql`${replacedIn(sql`mnemosync.memory_bodies`, isReplaced)} ${replacedIn(sql`mnemosync.unmoved_history`, sql``)}`
    : sql``;
  const rows = await sql<
    {
      namespace: string;
      memory_id: string;
      version: number;
      current: boolean;
      checksum: string | null;
      vector: string;
      created_at: number;
      modified_at: number;
      document: string | null;
      embedding: Buffer | null;
      local_only: boolean;
    }[]
  >`
    with listed as (
      (select v.namespace, v.memory_id, v.version, true as current
       from mnemosync.memory_versions v
       where (v.namespace, v.memory_id) > (${namespace}::text, ${memoryId}::text) ${within("v")}
       order by v.namespace, v.memory_id
       limit ${page.rowsMax})
      ${replaced}
    ), page as materialized (
      select * from listed order by namespace, memory_id, version desc limit ${page.rowsMax}
    ), filled as (
      select p.namespace, p.memory_id, p.version, p.current,
             case when p.current then v.checksum else h.checksum end as checksum,
             case when p.current then v.version_vector else h.version_vector end as vector,
             coalesce(v.created_at, v.modified_at) as created_at,
             case when p.current then v.modified_at else h.modified_at end as modified_at,
             case when p.current then m.document else h.document end as document,
             case when p.current then m.embedding else h.embedding end as embedding,
             coalesce(m.document, (
               select l.document from ${replacedRows(sql)} l where l.document is not null order by l.version desc limit 1
             )) ->> 'privacy' as memory_privacy
      from page p
      left join mnemosync.memory_versions v on v.namespace = p.namespace and v.memory_id = p.memory_id
      left join lateral ${wideRow(sql)} m on true
      left join lateral (
        select * from ${replacedRows(sql)} r where not p.current and r.version = p.version
      ) h on true
    ), weighed as (
      select *, row_number() over place as position,
             sum(coalesce(octet_length(document::text), 0) + coalesce(octet_length(embedding), 0)) over place as bytes
      from filled
      window place as (order by namespace, memory_id, version desc)
    )
    select namespace, memory_id, version::float8 as version, current, checksum, vector::text as vector,
           extract(epoch from created_at)::float8 * 1000 as created_at,
           extract(epoch from modified_at)::float8 * 1000 as modified_at, document::text as document, embedding,
           memory_privacy is not distinct from 'local_only' or coalesce(document ->> 'privacy' = 'local_only', false)
             as local_only
    from weighed
    where position = 1 or bytes <= ${page.bytesMax}
    order by position`;
  return rows.map((row) => ({
    namespace: row.namespace,
    memoryId: row.memory_id,
    version: row.version,
    current: row.current,
    checksum: row.checksum,
    versionVector: parseVector(row.vector) ?? {},
    createdAt: Math.round(row.created_at),
    modifiedAt: Math.round(row.modified_at),
    documentJson: row.document,
    embedding: row.embedding,
    localOnly: row.local_only,
  }));
}

/** In `sync_transactions`, of history that an import brought: nothing that it wrote was ever current here. */
export const NO_NODE = "";

/** A replaced version that an import brings. */
export interface ImportedHistory extends PortablePosition {
  /** The current version in the export. The ledger takes the history only when it knows this version. */
  readonly current: { readonly version: number; readonly checksum: string | null };
  readonly checksum: string | null;
  readonly versionVector: VersionVector;
  readonly modifiedAt: number;
  readonly documentJson: string | null;
  readonly embedding: Float32Array | null;
}

/**
 * Adds replaced versions to memories that are, or were, at the version that followed. Existing versions stay. The transaction's row
 * comes with the first of them: a reader that finds no such row takes what it wrote for lost. It names no memories, which nobody is to
 * publish: their current versions have transactions of their own.
 * @returns how many were added.
 */
export async function addHistory(
  sql: Sql,
  versions: readonly ImportedHistory[],
  transactionId: string,
): Promise<number> {
  const [namespaces, memoryIds] = keyLiterals(versions);
  const column = (pick: (version: ImportedHistory) => string | number | null): string =>
    arrayLiteral(versions.map(pick));
  const packed = Buffer.concat(
    versions.flatMap(({ embedding }) => (embedding === null ? [] : [embeddingBytes(embedding)])),
  );
  const [row] = await sql<{ added: number }[]>`
    with input as materialized (
      select i.*, case when i.embedding_length >= 0 then
               substr(${packed}::bytea, (sum(greatest(i.embedding_length, 0)) over (order by i.position))::int
                 - i.embedding_length + 1, i.embedding_length)
             end as embedding,
             to_timestamp(i.modified_at / 1000.0) as modified
      from unnest(
        ${namespaces}::text::text[],
        ${memoryIds}::text::text[],
        ${column(({ version }) => version)}::text::bigint[],
        ${column(({ checksum }) => checksum)}::text::text[],
        ${column(({ documentJson }) => documentJson)}::text::text[],
        ${column(({ embedding }) => embedding?.byteLength ?? -1)}::text::int[],
        ${column(({ versionVector }) => JSON.stringify(versionVector))}::text::text[],
        ${column(({ modifiedAt }) => modifiedAt)}::text::float8[],
        ${column(({ current }) => current.version)}::text::bigint[],
        ${column(({ current }) => current.checksum)}::text::text[]
      ) with ordinality as i (namespace, memory_id, version, checksum, document, embedding_length, vector, modified_at,
                              current_version, current_checksum, position)
    ), added as (
      insert into mnemosync.memory_bodies
        (namespace, memory_id, version, checksum, document, embedding, version_vector, modified_at, ended_by, tx_id, xid, seq)
      -- Without a place in the feed: it was replaced before this ledger knew it.
      select i.namespace, i.memory_id, i.version, i.checksum, i.document::json, i.embedding, i.vector::jsonb, i.modified,
             case when i.checksum is null then 'deleted' end, ${transactionId}, null, null
      from input i
      where i.version < i.current_version and exists (
        select 1 from mnemosync.memory_versions v
        where v.namespace = i.namespace and v.memory_id = i.memory_id and v.version = i.current_version
          and v.checksum is not distinct from i.current_checksum
        union all
        select 1 from mnemosync.memory_history h
        where h.namespace = i.namespace and h.memory_id = i.memory_id and h.version = i.current_version
          and h.checksum is not distinct from i.current_checksum)
      and not exists (
        select 1 from mnemosync.unmoved_history u
        where u.namespace = i.namespace and u.memory_id = i.memory_id and u.version = i.version)
      order by i.namespace collate "C", i.memory_id collate "C", i.version
      on conflict (namespace, memory_id, version) do nothing
      returning 1
    ), token as (
      insert into mnemosync.sync_transactions (tx_id, state, node_id, namespaces, memory_ids, versions, published_at)
      select ${transactionId}, 'published', ${NO_NODE}, '{}', '{}', '{}', clock_timestamp()
      where exists (select from added)
      on conflict (tx_id) do nothing
    )
    select count(*)::int as added from added`;
  return row?.added ?? 0;
}
