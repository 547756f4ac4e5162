import { compareKeys } from "../domain/keys.ts";
import type { BinaryValues } from "../drivers/postgres/binary-values.ts";
import { type FlightStatement, OID } from "../drivers/postgres/flight.ts";
import type { FlightChannel } from "../drivers/postgres/flight-channel.ts";
import { isRefusal } from "../ledger/flight-statements.ts";
import type { Fence, PlaceMove } from "./cursor-statements.ts";
import type { ReplicaWrite } from "./replica-write.ts";

/*
 * Versions that are puts in full need none of what `applyWrites` looks for, unless the replica has their numbers already: nothing is
 * taken out, and no body is in the way. So their bodies are copied, as the bytes that the primary sent. A body that is in the way has
 * the server undo the flight, which is one transaction, and `applyWrites` has the batch.
 */

/** Fails unless the caller may write: division by zero. $1 writer, $2 epoch. */
const HOLDS_FENCE = `writer = $1 || '@' || extract(epoch from pg_postmaster_start_time())::text and feed_epoch = $2`;
const FENCE: FlightStatement = {
  name: "replica_fence",
  text: `select 1 / count(*) from (select from mnemosync.replica_cursor where ${HOLDS_FENCE} for key share) held`,
  types: [OID.text, OID.text],
};

/** Fails unless the place is at $6, $7. */
const MOVE: FlightStatement = {
  name: "replica_move",
  text: `with moved as (
      update mnemosync.replica_cursor
      set xid = $3::xid8, seq = $4, seen_tx = coalesce($5, seen_tx), moved_at = clock_timestamp()
      where ${HOLDS_FENCE} and (xid, seq) = ($6::xid8, $7) and ($3::xid8, $4) >= (xid, seq)
      returning 1
    )
    select 1 / count(*) from moved`,
  types: [OID.text, OID.text, OID.text, OID.int8, OID.text, OID.text, OID.int8],
};

const COPY_BODIES: FlightStatement = {
  name: "replica_copy_bodies",
  text: `copy mnemosync.memory_bodies (namespace, memory_id, version, checksum, version_vector, modified_at, expires_at, tx_id,
    document, embedding) from stdin (format binary)`,
  types: [],
};

const ROW_COLUMNS = `namespace, memory_id, version, checksum, digest, bucket, version_vector, has_embedding, created_at,
    modified_at, expires_at, tx_id`;

/** Of memories that the replica does not have. */
const COPY_ROWS: FlightStatement = {
  name: "replica_copy_rows",
  text: `copy mnemosync.memory_versions (${ROW_COLUMNS}) from stdin (format binary)`,
  types: [],
};

/** Rows move to newer versions only: see `applyWrites`. */
const MOVE_ROWS: FlightStatement = {
  name: "replica_move_rows",
  text: `insert into mnemosync.memory_versions as v (${ROW_COLUMNS})
    select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    on conflict (namespace, memory_id) do update set
      version = excluded.version, checksum = excluded.checksum, digest = excluded.digest,
      version_vector = excluded.version_vector, modified_at = excluded.modified_at, deleted_at = null,
      has_embedding = excluded.has_embedding, created_at = excluded.created_at, ended_by = null,
      expires_at = excluded.expires_at, tx_id = excluded.tx_id
    where v.version < excluded.version or (v.version = excluded.version and v.tx_id <> excluded.tx_id)`,
  types: [
    ...[OID.textArray, OID.textArray, OID.int8Array, OID.textArray, OID.int8Array, OID.int4Array, OID.jsonbArray],
    ...[OID.booleanArray, OID.timestamptzArray, OID.timestamptzArray, OID.timestamptzArray, OID.textArray],
  ],
};

/** Bytes of a version beside document and embedding, in both tables, roughly. */
const FACTS_BYTES = 700;

/** Whether nothing that the replica has needs a look before this version is written, but whether it has the version. */
export function isPlainPut({ endedBy, withholds, checksum, document }: ReplicaWrite): boolean {
  return endedBy === null && withholds === "nothing" && checksum !== null && document !== null;
}

/**
 * `applyWrites` of plain puts in one flight, which is one transaction.
 * @param writes in order per memory, all of them `isPlainPut`.
 * @returns false: nothing was written. The replica has some of it, may not be written, stands elsewhere, or refuses a memory:
 * `applyWrites` tells.
 */
export async function flyPuts(
  flights: FlightChannel,
  fence: Fence,
  writes: readonly ReplicaWrite[],
  move: PlaceMove | null,
): Promise<boolean> {
  const ordered = writes.toSorted(compareKeys); // Stable: versions of a memory stay in order.
  const { begun, moved } = rowsOf(ordered);
  const flight = flights.begin([FENCE, COPY_BODIES, COPY_ROWS, MOVE_ROWS, MOVE], bytesOf(ordered));
  flight.execute(FENCE, (values) => fenceOf(values, fence));
  flight.copy(COPY_BODIES, (values) => {
    for (const write of ordered) bodyOf(values, write);
  });
  if (begun.length > 0)
    flight.copy(COPY_ROWS, (values) => {
      for (const write of begun) rowOf(values, write);
    });
  if (moved.length > 0) flight.execute(MOVE_ROWS, (values) => columnsOf(values, moved));
  if (move !== null)
    flight.execute(MOVE, (values) => {
      fenceOf(values, fence);
      values.text(move.to.xid);
      values.int64(Number(move.to.seq));
      values.text(move.seen);
      values.text(move.from.xid);
      values.int64(Number(move.from.seq));
    });
  try {
    await flights.send(flight);
    return true;
  } catch (error) {
    if (isRefusal(error)) return false;
    throw error;
  }
}

/** The last version of each memory: `begun` of those of which the first version is among the writes, `moved` of the others. */
function rowsOf(ordered: readonly ReplicaWrite[]): { begun: ReplicaWrite[]; moved: ReplicaWrite[] } {
  const begun: ReplicaWrite[] = [];
  const moved: ReplicaWrite[] = [];
  let first: ReplicaWrite | undefined;
  for (const [at, write] of ordered.entries()) {
    first ??= write;
    const next = ordered[at + 1];
    if (next !== undefined && compareKeys(write, next) === 0) continue;
    (first.version === 1 ? begun : moved).push(write);
    first = undefined;
  }
  return { begun, moved };
}

function fenceOf(values: BinaryValues, { writer, epoch }: Fence): void {
  values.text(writer);
  values.text(epoch);
}

function bodyOf(values: BinaryValues, write: ReplicaWrite): void {
  values.row(10);
  values.text(write.namespace);
  values.text(write.memoryId);
  values.int64(write.version);
  values.text(write.checksum);
  values.jsonb(write.versionVector);
  values.timestamp(write.modifiedAt);
  values.timestamp(write.expiresAt);
  values.text(write.transactionId);
  if (typeof write.document === "string") values.text(write.document);
  else values.bytea(write.document); // The same form: the bytes behind their length.
  values.bytea(write.embedding);
}

function rowOf(values: BinaryValues, write: ReplicaWrite): void {
  values.row(12);
  values.text(write.namespace);
  values.text(write.memoryId);
  values.int64(write.version);
  values.text(write.checksum);
  values.int64Digits(write.digest);
  values.int32(write.bucket);
  values.jsonb(write.versionVector);
  values.boolean(write.embedding !== null);
  values.timestamp(write.createdAt);
  values.timestamp(write.modifiedAt);
  values.timestamp(write.expiresAt);
  values.text(write.transactionId);
}

function columnsOf(values: BinaryValues, rows: readonly ReplicaWrite[]): void {
  values.array(OID.text, rows, ({ namespace }) => values.text(namespace));
  values.array(OID.text, rows, ({ memoryId }) => values.text(memoryId));
  values.array(OID.int8, rows, ({ version }) => values.int64(version));
  values.array(OID.text, rows, ({ checksum }) => values.text(checksum));
  values.array(OID.int8, rows, ({ digest }) => values.int64Digits(digest));
  values.array(OID.int4, rows, ({ bucket }) => values.int32(bucket));
  values.array(OID.jsonb, rows, ({ versionVector }) => values.jsonb(versionVector));
  values.array(OID.boolean, rows, ({ embedding }) => values.boolean(embedding !== null));
  values.array(OID.timestamptz, rows, ({ createdAt }) => values.timestamp(createdAt));
  values.array(OID.timestamptz, rows, ({ modifiedAt }) => values.timestamp(modifiedAt));
  values.array(OID.timestamptz, rows, ({ expiresAt }) => values.timestamp(expiresAt));
  values.array(OID.text, rows, ({ transactionId }) => values.text(transactionId));
}

function bytesOf(writes: readonly ReplicaWrite[]): number {
  let bytes = 4_096;
  for (const { document, embedding } of writes)
    bytes += FACTS_BYTES + (document?.length ?? 0) + (embedding?.byteLength ?? 0);
  return bytes;
}
