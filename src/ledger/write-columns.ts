import { embeddingBytes } from "../domain/checksum.ts";
import { vectorJson } from "../domain/version-vector.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "./arrays.ts";
import type { VersionWrite } from "./version-write.ts";

/**
 * `namespace, memory_id, version, bucket, vector, checksum, digest, document, embedding, expires_at, has_embedding,
 * modified_at, ended_by, position` of each of `writes`, in their order: the query of `with input as materialized`.
 *
 * The server spends as much time on reading an array's element as on storing it, so values that all rows share are sent
 * once. Most chunks of new memories, and all chunks of one memory, have such values.
 */
export function inputRows(sql: Sql, writes: readonly VersionWrite[]): Fragment {
  return haveCommonParts(writes) ? uniformRows(sql, writes) : anyRows(sql, writes);
}

/** Whether the writes differ in nothing but id, content and vector, and none is a deletion. */
export function haveCommonParts(writes: readonly VersionWrite[]): boolean {
  const [first] = writes;
  if (first === undefined) return false;
  const vector = vectorJson(first.versionVector);
  const length = writes.find(({ embedding }) => embedding !== null)?.embedding?.length;
  return writes.every(
    (write) =>
      write.checksum !== null &&
      write.namespace === first.namespace &&
      write.version === first.version &&
      write.modifiedAt === first.modifiedAt &&
      write.expiresAt === first.expiresAt &&
      (write.embedding === null || write.embedding.length === length) &&
      vectorJson(write.versionVector) === vector,
  );
}

function uniformRows(sql: Sql, writes: readonly VersionWrite[]): Fragment {
  const [first] = writes as [VersionWrite];
  const { packed, starts, length } = packEmbeddings(writes);
  const column = columnOf(writes);
  return sql`
    select ${first.namespace}::text as namespace, i.memory_id, ${first.version}::bigint as version, i.bucket,
           ${vectorJson(first.versionVector)}::text::jsonb as vector, i.checksum, i.digest, i.document::json as document,
           substr(v.packed, i.embedding_start, ${length}::int) as embedding,
           to_timestamp(${first.expiresAt}::float8 / 1000.0) as expires_at,
           i.embedding_start is not null as has_embedding,
           to_timestamp(${first.modifiedAt}::float8 / 1000.0) as modified_at, null::text as ended_by, i.position
    from (select decode(${packed}::text, 'base64') as packed offset 0) v, unnest(
      ${column((write) => write.memoryId)}::text::text[],
      ${column((write) => write.bucket)}::text::int[],
      string_to_array(${joined(writes, (write) => write.checksum)}::text, ${SEPARATOR}, ''),
      ${column((write) => signedDigest(write.digest))}::text::bigint[],
      string_to_array(${joined(writes, (write) => write.documentJson)}::text, ${SEPARATOR}, ''),
      ${arrayLiteral(starts)}::text::int[]
    ) with ordinality as i (memory_id, bucket, checksum, digest, document, embedding_start, position)`;
}

function anyRows(sql: Sql, writes: readonly VersionWrite[]): Fragment {
  const { packed, starts } = packEmbeddings(writes);
  const [namespaces, memoryIds] = keyLiterals(writes);
  const column = columnOf(writes);
  return sql`
    select i.namespace, i.memory_id, i.version, i.bucket, i.vector::jsonb as vector, i.checksum, i.digest,
           i.document::json as document, substr(v.packed, i.embedding_start, i.embedding_length) as embedding,
           to_timestamp(i.expires_at / 1000.0) as expires_at, i.has_embedding,
           to_timestamp(i.modified_at / 1000.0) as modified_at, i.ended_by, i.position
    from (select decode(${packed}::text, 'base64') as packed offset 0) v, unnest(
      ${namespaces}::text::text[],
      ${memoryIds}::text::text[],
      ${column((write) => write.version)}::text::bigint[],
      ${column((write) => write.bucket)}::text::int[],
      ${column((write) => vectorJson(write.versionVector))}::text::text[],
      string_to_array(${joined(writes, (write) => write.checksum)}::text, ${SEPARATOR}, ''),
      ${column((write) => signedDigest(write.digest))}::text::bigint[],
      string_to_array(${joined(writes, (write) => write.documentJson)}::text, ${SEPARATOR}, ''),
      ${arrayLiteral(starts)}::text::int[],
      ${column((write) => write.embedding?.byteLength ?? null)}::text::int[],
      ${column((write) => write.expiresAt)}::text::float8[],
      ${column((write) => (write.hasEmbedding ? "t" : "f"))}::text::boolean[],
      ${column((write) => write.modifiedAt)}::text::float8[],
      ${column((write) => write.endedBy)}::text::text[]
    ) with ordinality as i (namespace, memory_id, version, bucket, vector, checksum, digest, document, embedding_start,
                            embedding_length, expires_at, has_embedding, modified_at, ended_by, position)`;
}

type Pick = (write: VersionWrite) => string | number | null;

function columnOf(writes: readonly VersionWrite[]): (pick: Pick) => string {
  return (pick) => arrayLiteral(writes.map(pick));
}

/** Occurs in no checksum, and in no JSON, which escapes it. */
export const SEPARATOR = "\u0001";

/** Texts that need no escaping, then; empty for null. */
export function joined<Write>(writes: readonly Write[], pick: (write: Write) => string | null): string {
  return writes.map(pick).join(SEPARATOR);
}

/** Eight bytes in hex as a signed number, the form in which Postgres keeps them. */
export function signedDigest(digest: string | null): string | null {
  return digest === null ? null : BigInt.asIntN(64, BigInt(`0x${digest}`)).toString();
}

/**
 * All vectors one behind the other in one value, which the server cuts: a third of the cost of an array of bytea. In
 * base64, since the driver sends text only: half as long again is still a third less than its hexadecimal digits.
 * `starts` are positions in bytes, from 1; null: no vector.
 */
function packEmbeddings(writes: readonly VersionWrite[]): {
  packed: string;
  starts: (number | null)[];
  length: number;
} {
  const length = writes.findLast(({ embedding }) => embedding !== null)?.embedding?.byteLength ?? 0;
  const shared = sharedBuffer(writes);
  if (shared !== null) {
    const starts = writes.map(({ embedding }) => (embedding === null ? null : embedding.byteOffset + 1));
    return { packed: Buffer.from(shared).toString("base64"), starts, length };
  }
  const parts: Buffer[] = [];
  let end = 1;
  const starts = writes.map(({ embedding }) => {
    if (embedding === null) return null;
    const start = end;
    end += embedding.byteLength;
    parts.push(embeddingBytes(embedding));
    return start;
  });
  return { packed: Buffer.concat(parts).toString("base64"), starts, length };
}

/** The buffer that holds the vectors of all `writes` and little else, as that of a slice of a batch does: it need not be copied. */
function sharedBuffer(writes: readonly VersionWrite[]): ArrayBufferLike | null {
  const buffer = writes[0]?.embedding?.buffer;
  if (buffer === undefined) return null;
  let bytes = 0;
  for (const { embedding } of writes) {
    if (embedding === null) continue;
    if (embedding.buffer !== buffer) return null;
    bytes += embedding.byteLength;
  }
  return bytes * 1.1 > buffer.byteLength ? buffer : null;
}
