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

/** What the stores of vectors take, as the nodes of the deployment say. */
export interface KeptVectorShape {
  readonly dimension: number;
  /** Null: of any model. */
  readonly model: string | null;
  readonly metric: "cosine" | "ip" | "l2" | null;
}

/** In `sync_meta`: for writers that run no store, an edge at `postgres://` for one. */
const VECTOR_SHAPE = "vector_shape";

/** Keeps what a node's stores of vectors take. Of nodes that differ the last one counts. */
export async function keepVectorShape(sql: Sql, { dimension, model, metric }: KeptVectorShape): Promise<void> {
  await sql`
    insert into mnemosync.sync_meta as m (name, value) values (${VECTOR_SHAPE}, ${JSON.stringify({ dimension, model, metric })})
    on conflict (name) do update set value = excluded.value where m.value is distinct from excluded.value`;
}

/** Null: no node with a store of vectors has started yet. */
export async function readVectorShape(sql: Sql): Promise<KeptVectorShape | null> {
  const [row] = await sql<{ value: string }[]>`select value from mnemosync.sync_meta where name = ${VECTOR_SHAPE}`;
  return row === undefined ? null : (JSON.parse(row.value) as KeptVectorShape);
}
