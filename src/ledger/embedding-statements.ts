import type { Sql } from "../drivers/postgres/postgres-access.ts";

/** Memories that are looked at: a sample, since counting all of them would read the whole table. */
const SAMPLE_MAX = 1_000;

/** Embeddings of one length. */
export interface DimensionSample {
  /** Numbers per vector. */
  readonly dimension: number;
  /** Of the sampled memories. */
  readonly memories: number;
}

/** The lengths of the embeddings in a sample of the ledger, the most frequent first. Reads no vector. */
export async function sampleDimensions(sql: Sql): Promise<DimensionSample[]> {
  return await sql<DimensionSample[]>`
    select (octet_length(embedding) / 4)::int as dimension, count(*)::int as memories
    from (
      select embedding from (
        select embedding from mnemosync.memory_bodies union all select embedding from mnemosync.unmoved_documents
      ) bodies
      limit ${SAMPLE_MAX}
    ) as sample
    where embedding is not null group by 1 order by 2 desc, 1`;
}
