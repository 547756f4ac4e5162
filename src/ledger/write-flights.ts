import { embeddingBytes } from "../domain/checksum.ts";
import { vectorJson } from "../domain/version-vector.ts";
import type { BinaryValues } from "../drivers/postgres/binary-values.ts";
import { type FlightStatement, OID } from "../drivers/postgres/flight.ts";
import type { FlightChannel } from "../drivers/postgres/flight-channel.ts";
import { Turns } from "../runtime/turns.ts";
import { type AppliedChange, addClaims, claimsOf, holdClaims } from "./change-claims.ts";
import { storeVersionsJson } from "./store-versions.ts";
import type { VersionWrite } from "./version-write.ts";
import { haveCommonParts } from "./write-columns.ts";
import { isInsert, isRowInTheWay, type TransactionToken, type WriteAnswer } from "./write-statements.ts";
import { bytesOfRows } from "./written-rows.ts";

/** Writes the rows of a table called input, and the transaction's row. */
const REST = `
  versions as (
    insert into mnemosync.memory_versions as v
      (namespace, memory_id, version, checksum, digest, bucket, version_vector, store_versions, has_embedding,
       created_at, modified_at, deleted_at, ended_by, expires_at, tx_id)
    select i.namespace, i.memory_id, i.version, i.checksum, i.digest, i.bucket, i.vector, i.store_versions, i.has_embedding,
           i.modified_at, i.modified_at, case when i.checksum is null then i.modified_at end, i.ended_by, i.expires_at, $1
    from input i
    on conflict (namespace, memory_id) do update set
      version = excluded.version, checksum = excluded.checksum, digest = excluded.digest,
      version_vector = excluded.version_vector, store_versions = excluded.store_versions,
      has_embedding = excluded.has_embedding, modified_at = excluded.modified_at, deleted_at = excluded.deleted_at,
      created_at = case when v.deleted_at is null or excluded.deleted_at is not null
                        then coalesce(v.created_at, v.modified_at) else excluded.created_at end,
      ended_by = excluded.ended_by, expires_at = excluded.expires_at, tx_id = excluded.tx_id, xid = null, seq = null
    where v.version = excluded.version - 1
    returning v.xmax = 0 as inserted -- an update leaves its lock there
  ), bodies as (
    insert into mnemosync.memory_bodies
      (namespace, memory_id, version, checksum, version_vector, modified_at, ended_by, expires_at, tx_id, document, embedding)
    select i.namespace, i.memory_id, i.version, i.checksum, i.vector, i.modified_at, i.ended_by, i.expires_at, $1,
           i.document, i.embedding
    from input i
  ), token as (
    insert into mnemosync.sync_transactions (tx_id, state, node_id, namespaces, memory_ids, versions)
    select $1, 'committed', $2, coalesce(array_agg(i.namespace order by i.position), '{}'),
           coalesce(array_agg(i.memory_id order by i.position), '{}'),
           coalesce(array_agg(i.version order by i.position), '{}')
    from input i
  )
  select count(*)::int4, count(*) filter (where inserted)::int4 from versions`;

/** Rows that differ in everything. */
const ANY: FlightStatement = {
  name: "write_any",
  text: `with input as materialized (
    select * from unnest($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) with ordinality as i
      (memory_id, bucket, checksum, digest, document, embedding, has_embedding, namespace, version, vector, store_versions,
       expires_at, modified_at, ended_by, position)
  ), ${REST}`,
  types: [
    ...[OID.text, OID.text, OID.textArray, OID.int4Array, OID.textArray, OID.int8Array, OID.jsonArray, OID.byteaArray],
    ...[OID.booleanArray, OID.textArray, OID.int8Array, OID.jsonbArray, OID.jsonbArray, OID.timestamptzArray],
    ...[OID.timestamptzArray, OID.textArray],
  ],
};

/** Live rows that differ in id, content and vector alone: what they share is sent and read once. */
const UNIFORM: FlightStatement = {
  name: "write_uniform",
  text: `with input as materialized (
    select i.*, $10::text as namespace, $11::int8 as version, $12::jsonb as vector,
           case when i.has_embedding then $13::jsonb else $14::jsonb end as store_versions,
           $15::timestamptz as expires_at, $16::timestamptz as modified_at, null::text as ended_by
    from unnest($3, $4, $5, $6, $7, $8, $9) with ordinality as i
      (memory_id, bucket, checksum, digest, document, embedding, has_embedding, position)
  ), ${REST}`,
  types: [
    ...[OID.text, OID.text, OID.textArray, OID.int4Array, OID.textArray, OID.int8Array, OID.jsonArray, OID.byteaArray],
    ...[OID.booleanArray, OID.text, OID.int8, OID.jsonb, OID.jsonb, OID.jsonb, OID.timestamptz, OID.timestamptz],
  ],
};

/**
 * `writeVersions` with binary parameters, for the first attempt of a transaction: vectors go as they are, where the driver
 * would send them as base64 for the server to decode and cut, and no array is spelled and read as text.
 * `writes` must be in key order and their existing rows locked. Claims of pushed changes go in the same flight.
 */
export async function writeInFlight(
  flights: FlightChannel,
  writes: readonly VersionWrite[],
  token: TransactionToken,
  applied: readonly AppliedChange[] = [],
): Promise<Exclude<WriteAnswer, "copy_refused">> {
  const isUniform = haveCommonParts(writes);
  const statement = isUniform ? UNIFORM : ANY;
  const claims = claimsOf(applied);
  const bytes = bytesOfRows(writes, "bodies") + bytesOfRows(writes, "facts") + claims.bytes + 4_096;
  const flight = flights.begin([statement, ...claims.statements], bytes);
  const turns = new Turns();
  await flight.executeInTurns(statement, async (values) => {
    values.text(token.transactionId);
    values.text(token.nodeId);
    values.array(OID.text, writes, ({ memoryId }) => values.text(memoryId));
    values.array(OID.int4, writes, ({ bucket }) => values.int32(bucket));
    values.array(OID.text, writes, ({ checksum }) => values.text(checksum));
    values.array(OID.int8, writes, ({ digest }) => values.int64Digits(digest));
    await values.arrayInTurns(OID.json, writes, turns, ({ documentJson }) => values.text(documentJson));
    await values.arrayInTurns(OID.bytea, writes, turns, ({ embedding }) =>
      values.bytea(embedding === null ? null : embeddingBytes(embedding)),
    );
    values.array(OID.boolean, writes, ({ hasEmbedding }) => values.boolean(hasEmbedding));
    if (isUniform) sharedParts(values, writes[0] as VersionWrite, token);
    else ownParts(values, writes, token);
  });
  addClaims(flight, applied);
  try {
    const answers = await flights.send(flight);
    const [answer] = answers;
    if (!holdClaims(answers, applied)) return "raced";
    const [written, inserted] = (answer?.rows[0] ?? []).map((column) => column?.readInt32BE());
    // A row may have appeared after the locks were taken. An imported version may have replaced it, if its number happened to fit.
    return written === writes.length && inserted === writes.filter(isInsert).length ? "written" : "raced";
  } catch (error) {
    if (isRowInTheWay(error)) return "raced";
    throw error;
  }
}

/** $10 … $16 of `UNIFORM`. */
function sharedParts(values: BinaryValues, first: VersionWrite, { storeVersions }: TransactionToken): void {
  values.text(first.namespace);
  values.int64(first.version);
  values.jsonb(vectorJson(first.versionVector));
  for (const hasEmbedding of [true, false]) values.jsonb(storeVersionsJson(storeVersions, hasEmbedding, first.version));
  values.timestamp(first.expiresAt);
  values.timestamp(first.modifiedAt);
}

/** $10 … $16 of `ANY`. */
function ownParts(values: BinaryValues, writes: readonly VersionWrite[], { storeVersions }: TransactionToken): void {
  values.array(OID.text, writes, ({ namespace }) => values.text(namespace));
  values.array(OID.int8, writes, ({ version }) => values.int64(version));
  values.array(OID.jsonb, writes, ({ versionVector }) => values.jsonb(vectorJson(versionVector)));
  values.array(OID.jsonb, writes, ({ hasEmbedding, version }) =>
    values.jsonb(storeVersionsJson(storeVersions, hasEmbedding, version)),
  );
  values.array(OID.timestamptz, writes, ({ expiresAt }) => values.timestamp(expiresAt));
  values.array(OID.timestamptz, writes, ({ modifiedAt }) => values.timestamp(modifiedAt));
  values.array(OID.text, writes, ({ endedBy }) => values.text(endedBy));
}
