import type { BucketSet } from "../domain/buckets.ts";
import { BucketDigests } from "../domain/buckets.ts";
import { embeddingFromBytes } from "../domain/checksum.ts";
import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { MemoryChange } from "../domain/memory.ts";
import { parseVector, VERSION_MAX } from "../domain/version-vector.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "./arrays.ts";
import { wideRow } from "./body-rows.ts";

/** A memory's row of the narrow table: enough to compare a projection with. */
export interface LedgerVersion extends MemoryKey {
  readonly version: number;
  /** Null for a tombstone. */
  readonly checksum: string | null;
  /** Whether it has an embedding; of a tombstone, whether the version before it had one. */
  readonly hasEmbedding: boolean;
  readonly modifiedAt: number;
  readonly expiresAt: number | null;
  readonly transactionId: string;
}

export interface LedgerVersionRow {
  namespace: string;
  memory_id: string;
  version: number;
  checksum: string | null;
  has_embedding: boolean;
  modified_at: number;
  expires_at: number | null;
  tx_id: string;
}

export function ledgerVersion(row: LedgerVersionRow): LedgerVersion {
  return {
    namespace: row.namespace,
    memoryId: row.memory_id,
    version: row.version,
    checksum: row.checksum,
    hasEmbedding: row.has_embedding,
    modifiedAt: Math.round(row.modified_at),
    expiresAt: row.expires_at === null ? null : Math.round(row.expires_at),
    transactionId: row.tx_id,
  };
}

/** Columns of `LedgerVersionRow`, of a table called v. */
export function versionColumns(sql: Sql) {
  return sql`
    v.namespace, v.memory_id, v.version::float8 as version, v.checksum, v.has_embedding,
    extract(epoch from v.modified_at)::float8 * 1000 as modified_at,
    extract(epoch from v.expires_at)::float8 * 1000 as expires_at, v.tx_id`;
}

/**
 * The narrow rows of `keys`, as a table called v. Looked up one by one: a wrong estimate of the table's size must not make
 * the planner read the whole table for a few hundred keys.
 */
export function currentRows(sql: Sql, keys: readonly MemoryKey[]): Fragment {
  const [namespaces, memoryIds] = keyLiterals(keys);
  return sql`
    unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
    cross join lateral (
      select * from mnemosync.memory_versions
      where namespace = k.namespace and memory_id = k.memory_id offset 0
    ) v`;
}

/** The narrow rows of `keys`, by key text. */
export async function readVersions(sql: Sql, keys: readonly MemoryKey[]): Promise<Map<string, LedgerVersion>> {
  const rows = await sql<LedgerVersionRow[]>`
    select ${versionColumns(sql)}
    from ${currentRows(sql, keys)}`;
  return new Map(
    rows.map((row) => [keyText({ namespace: row.namespace, memoryId: row.memory_id }), ledgerVersion(row)]),
  );
}

/** A place in the ledger's key order, bucket first. */
export interface KeyPosition extends MemoryKey {
  readonly bucket: number;
}

/** Narrow rows behind `after`, of all buckets or those of a set, in the order bucket, namespace, memory id. */
export async function listVersions(
  sql: Sql,
  after: KeyPosition | null,
  buckets: BucketSet | null,
  limit: number,
): Promise<(LedgerVersion & KeyPosition)[]> {
  const { bucket, namespace, memoryId } = after ?? { bucket: -1, namespace: "", memoryId: "" };
  const wanted = buckets === null ? null : arrayLiteral(buckets.values().filter((candidate) => candidate >= bucket));
  const rows = await sql<(LedgerVersionRow & { bucket: number })[]>`
    select ${versionColumns(sql)}, v.bucket
    from mnemosync.memory_versions v
    where (v.bucket, v.namespace, v.memory_id) > (${bucket}::int, ${namespace}::text, ${memoryId}::text)
      and (${wanted}::text is null or v.bucket = any (${wanted}::text::int[]))
    order by v.bucket, v.namespace, v.memory_id
    limit ${limit}`;
  return rows.map((row) => ({ ...ledgerVersion(row), bucket: row.bucket }));
}

interface DocumentRow extends LedgerVersionRow {
  digest: string | null;
  vector: string;
  document: string | null;
  embedding: Buffer | null;
}

/** The current versions of `keys` with their documents, by key text. For connections that send no flights. */
export async function readChanges(sql: Sql, keys: readonly MemoryKey[]): Promise<Map<string, MemoryChange>> {
  const rows = await sql<DocumentRow[]>`
    select ${documentColumns(sql)} from ${currentRows(sql, keys)} left join lateral ${wideRow(sql)} m on true`;
  return new Map(rows.map((row) => [keyText({ namespace: row.namespace, memoryId: row.memory_id }), change(row)]));
}

/** Columns of `DocumentRow`, of tables called v and m. */
function documentColumns(sql: Sql): Fragment {
  return sql`
    ${versionColumns(sql)}, lpad(to_hex(v.digest), 16, '0') as digest, v.version_vector::text as vector,
    m.document::text as document, m.embedding`;
}

function change(row: DocumentRow): MemoryChange {
  const key = { namespace: row.namespace, memoryId: row.memory_id };
  const modifiedAt = Math.round(row.modified_at);
  if (row.checksum === null || row.document === null)
    return { kind: "tombstone", ...key, version: row.version, modifiedAt };
  return {
    kind: "put",
    ...key,
    version: row.version,
    checksum: row.checksum,
    digest: row.digest ?? "",
    versionVector: parseVector(row.vector) ?? {},
    modifiedAt,
    documentJson: row.document,
    embedding: row.embedding === null ? null : embeddingFromBytes(row.embedding),
    embeddingModel: modelOf(row.document),
    expiresAt: row.expires_at === null ? null : Math.round(row.expires_at),
  };
}

/** Parsed only when the name occurs at all: most documents are handed on as text. */
export function modelOf(documentJson: string): string | null {
  if (!documentJson.includes('"embeddingModel"')) return null;
  const { embeddingModel } = Object(JSON.parse(documentJson)) as { embeddingModel?: unknown };
  return typeof embeddingModel === "string" ? embeddingModel : null;
}

/** The live memories that a digest counts: those that a projection of given traits keeps an entry for. */
export type DigestedMemories = "all" | "with_embedding";

/** Buckets per row of an answer: 16 rows in all, none so large that reading it holds up the event loop. */
const BUCKETS_PER_ROW = 4_096;
/** bucket and count (int4), xor, sum of the upper and of the lower halves (int8). */
const PACKED_BYTES = 4 + 4 + 8 + 8 + 8;

/** Digests of all live memories, or of those with an embedding. Computed by the server. */
export async function readDigests(sql: Sql, of: DigestedMemories): Promise<BucketDigests> {
  // Packed, since 65,536 rows would take the driver a hundred times as long to read. Halves, since the sum of 64-bit
  // numbers would be a numeric: more than twice as slow to add.
  const rows = await sql<{ packed: Buffer }[]>`
    select string_agg(
      int4send(bucket) || int4send(count) || int8send(xor) || int8send(sum_high) || int8send(sum_low), ''
    ) as packed
    from (
      select bucket, count(*)::int as count, bit_xor(digest) as xor,
             sum((digest >> 32) & 4294967295)::bigint as sum_high, sum(digest & 4294967295)::bigint as sum_low
      from mnemosync.memory_versions
      where digest is not null and (${of === "all"} or has_embedding)
      group by bucket
    ) buckets
    group by bucket / ${BUCKETS_PER_ROW}::int`;
  const digests = new BucketDigests();
  for (const { packed } of rows) {
    for (let at = 0; at < packed.length; at += PACKED_BYTES) {
      // At most 2^21 entries in a bucket keep these sums below 2^53.
      const low = Number(packed.readBigInt64BE(at + 24));
      const high = Number(packed.readBigInt64BE(at + 16)) + Math.floor(low / 0x1_0000_0000);
      digests.merge(
        packed.readInt32BE(at),
        packed.readInt32BE(at + 4),
        packed.readUInt32BE(at + 8),
        packed.readUInt32BE(at + 12),
        high % 0x1_0000_0000,
        low % 0x1_0000_0000,
      );
    }
  }
  return digests;
}

/** A memory whose document or vector does not fit its recorded checksum, or whose two rows do not go together. */
export interface LedgerFlaw extends MemoryKey {
  readonly version: number;
  /**
   * `content`: document or embedding; `digest`: what is derived from key, version and checksum; `number`: a version, or a
   * counter of the version vector, that is none.
   */
  readonly part: "content" | "digest" | "number";
  readonly reason: string;
}

/** Recomputes the checksums of `keys`, and the columns that derive from them, on the server. */
export async function readFlaws(sql: Sql, keys: readonly MemoryKey[]): Promise<LedgerFlaw[]> {
  const rows = await sql<
    {
      namespace: string;
      memory_id: string;
      version: number;
      deleted: boolean;
      has_document: boolean;
      content_fits: boolean;
      digest_fits: boolean;
      version_fits: boolean;
    }[]
  >`
    select v.namespace, v.memory_id, v.version::float8 as version, v.checksum is null as deleted,
           m.memory_id is not null as has_document, c.fits as content_fits, d.fits as digest_fits,
           v.version <= ${VERSION_MAX}::bigint as version_fits
    from ${currentRows(sql, keys)}
    left join lateral ${wideRow(sql)} m on true
    cross join lateral (
      select v.checksum is not distinct from encode(
        sha256(convert_to(m.document::text, 'UTF8') || decode('00', 'hex') || coalesce(m.embedding, ''::bytea)), 'hex')
    ) as c (fits)
    cross join lateral (
      select v.bucket = ${bucketExpression(sql)} and v.digest is not distinct from ${digestExpression(sql)}
    ) as d (fits)
    where not c.fits or not d.fits or v.version > ${VERSION_MAX}::bigint or not ${readableVector(sql)}`;
  return rows.map((row) => ({
    namespace: row.namespace,
    memoryId: row.memory_id,
    version: row.version,
    part: !row.content_fits ? "content" : row.digest_fits ? "number" : "digest",
    reason: flawReason(row),
  }));
}

/** Whether the version vector of a row of a table called v is an object of counters from 0 to 2^48. */
export function readableVector(sql: Sql): Fragment {
  return sql`(
    jsonb_typeof(v.version_vector) = 'object'
    and not jsonb_path_exists(v.version_vector, '$.* ? (@.type() != "number" || @ < 0 || @ > 281474976710656)'))`;
}

interface FlawRow {
  readonly deleted: boolean;
  readonly has_document: boolean;
  readonly content_fits: boolean;
  readonly digest_fits: boolean;
  readonly version_fits: boolean;
}

function flawReason(row: FlawRow): string {
  if (row.content_fits && row.digest_fits) {
    if (!row.version_fits) return `its version is beyond ${VERSION_MAX}, the highest one`;
    return "its version vector is not an object of whole numbers";
  }
  if (row.content_fits) return "its digest or bucket does not fit its key, version and checksum";
  if (row.deleted) return "is deleted, yet has a document";
  return row.has_document ? "the document or embedding does not fit the checksum" : "has no document";
}

/** The bucket of a row of a table called v, as `bucketOf` computes it. */
export function bucketExpression(sql: Sql) {
  return sql`(
    select get_byte(h, 0) * 256 + get_byte(h, 1)
    from sha256(convert_to(v.namespace, 'UTF8') || decode('00', 'hex') || convert_to(v.memory_id, 'UTF8')) as h)`;
}

/** The entry digest of a row of a table called v, as `entryDigest` computes it; null for a tombstone. */
export function digestExpression(sql: Sql) {
  return sql`(
    select ('x' || encode(substr(h, 1, 8), 'hex'))::bit(64)::bigint
    from sha256(convert_to(v.namespace, 'UTF8') || decode('00', 'hex') || convert_to(v.memory_id, 'UTF8')
      || decode('00', 'hex') || convert_to(v.version::text, 'UTF8') || decode('00', 'hex')
      || convert_to(v.checksum, 'UTF8')) as h)`;
}
