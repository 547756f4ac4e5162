import type { Ending } from "../domain/ending.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { endingOf, replacedRows, wideRow } from "../ledger/body-rows.ts";

/** A version as the primary keeps it. */
export interface VersionRow extends MemoryKey {
  readonly version: number;
  /** Null of an ending. */
  readonly checksum: string | null;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
  readonly endedBy: Ending | null;
  readonly transactionId: string;
  /** JSON text. */
  readonly versionVector: string;
  /** JSON text, or its bytes as they came. */
  readonly document: string | Buffer | null;
  readonly embedding: Buffer | null;
}

/** All versions of a memory that the primary keeps, oldest first: those without a place in the feed too. */
export async function readMemoryRows(sql: Sql, { namespace, memoryId }: MemoryKey): Promise<VersionRow[]> {
  return await sql<VersionRow[]>`
    with v as materialized (
      select * from mnemosync.memory_versions where namespace = ${namespace} and memory_id = ${memoryId}
    )
    select ${namespace}::text as namespace, ${memoryId}::text as "memoryId", r.version::float8 as version, r.checksum,
           extract(epoch from r.modified_at)::float8 * 1000 as "modifiedAt", r.ended_by as "endedBy",
           r.tx_id as "transactionId", r.version_vector::text as "versionVector", r.document, r.embedding
    from (
      select v.version, v.checksum, v.modified_at, ${endingOf(sql)} as ended_by, v.tx_id, v.version_vector,
             m.document::text as document, m.embedding
      from v left join lateral ${wideRow(sql)} m on true
      union all
      select h.version, h.checksum, h.modified_at, h.ended_by, h.tx_id, h.version_vector, h.document::text, h.embedding
      from v cross join lateral ${replacedRows(sql)} h
    ) r
    order by r.version`;
}
