import { createHash } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { Redis } from "ioredis";
import type postgres from "postgres";
import { embeddingBytes, entryDigest } from "../../src/domain/checksum.ts";
import type { JsonObject } from "../../src/domain/json.ts";
import { bucketOf } from "../../src/domain/keys.ts";
import { encodeMemory, type PutChange, putChange } from "../../src/domain/memory.ts";
import { arrayLiteral } from "../../src/ledger/arrays.ts";
import { RedisProjection } from "../../src/stores/redis/redis-projection.ts";

/** What the synthetic memories look like. */
export interface SyntheticOptions {
  /** Numbers per vector. */
  readonly dimension: number;
  readonly from: number;
  /** Behind the last one. */
  readonly to: number;
  /** @default empty */
  readonly metadataOf?: (number: number) => JsonObject;
}

const NODE = "synthetic";
const CHUNK = 5_000;

/** Memory number `number` at version 1, the same one every time. */
export function syntheticChange(
  number: number,
  dimension: number,
  modifiedAt: number,
  metadata: JsonObject = {},
): PutChange {
  const embedding = syntheticVector(number, dimension);
  const document = {
    content: `what was said at number ${number}`,
    memoryType: "episodic",
    importance: 0.5,
    metadata,
    privacy: "full" as const,
  };
  const memory = encodeMemory({ namespace: "default", memoryId: `memory-${number}` }, document, embedding);
  return putChange(memory, 1, { versionVector: { [NODE]: 1 }, modifiedAt });
}

/** Looks random enough to be nobody's neighbour, and is the same every time. */
export function syntheticVector(number: number, dimension: number): Float32Array {
  const seed = createHash("sha256").update(String(number)).digest();
  return Float32Array.from({ length: dimension }, (_, index) => {
    const byte = (seed[index % seed.length] as number) ^ (index * 37);
    return ((byte & 0xff) - 127.3) / 128;
  });
}

/**
 * Puts synthetic memories into the ledger and Redis as if they had been written and published long ago, without
 * the write path: what is measured afterwards is not how they came there. The vector index fills itself from the ledger.
 */
export async function loadSynthetic(
  sql: postgres.Sql,
  redisUrl: string,
  prefix: string,
  { dimension, from, to, metadataOf }: SyntheticOptions,
): Promise<void> {
  const client = new Redis(redisUrl);
  const redis = new RedisProjection(client, { prefix, nodeId: NODE });
  const { signal } = new AbortController();
  const modifiedAt = Date.UTC(2026, 0, 1);
  try {
    for (let start = from; start < to; start += CHUNK) {
      const changes = Array.from({ length: Math.min(CHUNK, to - start) }, (_, at) =>
        syntheticChange(start + at, dimension, modifiedAt, metadataOf?.(start + at)),
      );
      await Promise.all([insert(sql, changes, dimension), redis.publish(changes, signal)]);
      await turn();
    }
    await sql`analyze mnemosync.memory_versions, mnemosync.memory_bodies`;
    await sql.unsafe("vacuum mnemosync.memory_versions"); // As autovacuum would have: index-only scans need it.
  } finally {
    client.disconnect();
  }
}

async function insert(sql: postgres.Sql, changes: readonly PutChange[], dimension: number): Promise<void> {
  const column = (pick: (change: PutChange) => string | number): string => arrayLiteral(changes.map(pick));
  const packed = Buffer.concat(changes.map(({ embedding }) => embeddingBytes(embedding as Float32Array)));
  const bytes = dimension * 4;
  await sql`
    with input as materialized (
      select * from unnest(
        ${column((change) => change.memoryId)}::text::text[],
        ${column((change) => change.checksum)}::text::text[],
        ${column((change) => entryDigest(change, 1, change.checksum))}::text::text[],
        ${column((change) => bucketOf(change))}::text::int[],
        ${column((change) => change.documentJson)}::text::text[]
      ) with ordinality as i (memory_id, checksum, digest, bucket, document, position)
    ), wide as (
      insert into mnemosync.memory_bodies
        (namespace, memory_id, version, checksum, version_vector, modified_at, tx_id, document, embedding)
      select 'default', memory_id, 1, checksum, ${`{"${NODE}":1}`}::text::jsonb,
             to_timestamp(${changes[0]?.modifiedAt ?? 0}::float8 / 1000), 'synthetic', document::json,
             substr(${packed}::bytea, ((position - 1) * ${bytes})::int + 1, ${bytes})
      from input
    )
    insert into mnemosync.memory_versions
      (namespace, memory_id, version, checksum, digest, bucket, version_vector, store_versions, has_embedding, created_at,
       modified_at, tx_id)
    select 'default', memory_id, 1, checksum, ('x' || digest)::bit(64)::bigint, bucket, ${`{"${NODE}":1}`}::text::jsonb,
           '{"redis":1,"faiss":1}', true, to_timestamp(${changes[0]?.modifiedAt ?? 0}::float8 / 1000),
           to_timestamp(${changes[0]?.modifiedAt ?? 0}::float8 / 1000), 'synthetic'
    from input`;
}
