import { embeddingBytes } from "../domain/checksum.ts";
import { keyText } from "../domain/keys.ts";
import { type FlightStatement, OID } from "../drivers/postgres/flight.ts";
import type { FlightChannel } from "../drivers/postgres/flight-channel.ts";
import { BEGIN, COMMIT } from "./flight-statements.ts";
import type { GuardedAnswer, GuessedWrite } from "./version-write.ts";
import { isRowInTheWay, type TransactionToken } from "./write-statements.ts";
import { narrowParts } from "./written-rows.ts";

/*
 * The time of both is that of the transaction's beginning, which the server notes in the same flight. A guess that holds has
 * no version between the known one, which had been committed before, and this one; so time never goes back within a memory.
 */
const TIME = "date_trunc('milliseconds', now())";

/** $1 … $15, as `parameters` writes them. */
const TYPES = [
  ...[OID.text, OID.text, OID.int8, OID.text, OID.int8, OID.int4, OID.jsonb, OID.jsonb, OID.boolean, OID.timestamptz],
  ...[OID.text, OID.text, OID.text, OID.json, OID.bytea],
];

/** Body and transaction's row of what `versions` wrote, and the time. */
const REST = `bodies as (
    insert into mnemosync.memory_bodies
      (namespace, memory_id, version, checksum, version_vector, modified_at, ended_by, expires_at, tx_id, document, embedding)
    select $1, $2, $3, $4, $7, ${TIME}, $11, $10, $12, $14, $15 from versions
  ), token as (
    insert into mnemosync.sync_transactions (tx_id, state, node_id, namespaces, memory_ids, versions)
    select $12, 'committed', $13, array[$1], array[$2], array[$3] from versions
  )
  select extract(epoch from ${TIME})::float8 * 1000, exists (select from versions)`;

/** A memory that is taken for new. */
const INSERT: FlightStatement = {
  name: "insert_guessed",
  text: `with versions as (
    insert into mnemosync.memory_versions
      (namespace, memory_id, version, checksum, digest, bucket, version_vector, store_versions, has_embedding,
       created_at, modified_at, deleted_at, ended_by, expires_at, tx_id)
    select $1, $2, $3, $4, $5, $6, $7, $8, $9, ${TIME}, ${TIME}, case when $4 is null then ${TIME} end, $11, $10, $12
    where not exists (select from mnemosync.version_floors where bucket = $6 and floor >= $3)
    on conflict (namespace, memory_id) do nothing
    returning 1
  ), ${REST}`,
  types: TYPES,
};

/** The next version of a row that transaction $16 wrote, as far as is known. */
const UPDATE: FlightStatement = {
  name: "update_guessed",
  text: `with versions as (
    update mnemosync.memory_versions v set
      version = $3, checksum = $4, digest = $5, version_vector = $7, store_versions = $8, has_embedding = $9,
      modified_at = ${TIME}, deleted_at = case when $4 is null then ${TIME} end,
      created_at = case when v.deleted_at is null or $4 is null then coalesce(v.created_at, v.modified_at) else ${TIME} end,
      ended_by = $11, expires_at = $10, tx_id = $12, xid = null, seq = null
    where v.namespace = $1 and v.memory_id = $2 and v.tx_id = $16 and v.xid is null and v.version = $3 - 1 and v.bucket = $6
    returning 1
  ), ${REST}`,
  types: [...TYPES, OID.text],
};

/**
 * BEGIN and one guessed write in one flight, with binary parameters: `writeGuarded` for one memory, which is what agents
 * write. No array is unpacked, no statement put together, no lock taken but that of the row.
 * @returns null: a body is in the way, and the transaction must be rolled back.
 */
export function beginWithOne(
  flights: FlightChannel,
  guess: GuessedWrite,
  token: TransactionToken,
): Promise<GuardedAnswer | null> {
  return sendOne(flights, guess, token, false);
}

/**
 * As `beginWithOne`, with COMMIT in the same flight. Where the guess does not hold, the transaction wrote nothing and has ended. The
 * server skips COMMIT where the write fails.
 */
export function commitOne(
  flights: FlightChannel,
  guess: GuessedWrite,
  token: TransactionToken,
): Promise<GuardedAnswer | null> {
  return sendOne(flights, guess, token, true);
}

async function sendOne(
  flights: FlightChannel,
  { write, knownTx }: GuessedWrite,
  { storeVersions, transactionId, nodeId }: TransactionToken,
  commits: boolean,
): Promise<GuardedAnswer | null> {
  const statement = knownTx === null ? INSERT : UPDATE;
  const bytes = (write.embedding?.byteLength ?? 0) + (write.documentJson?.length ?? 0) * 3;
  const flight = flights.begin(commits ? [BEGIN, statement, COMMIT] : [BEGIN, statement], bytes + 4_096);
  flight.execute(BEGIN);
  flight.execute(statement, (values) => {
    narrowParts(values, write, storeVersions);
    values.timestamp(write.expiresAt);
    values.text(write.endedBy);
    values.text(transactionId);
    values.text(nodeId);
    values.text(write.documentJson);
    values.bytea(write.embedding === null ? null : embeddingBytes(write.embedding));
    if (knownTx !== null) values.text(knownTx);
  });
  if (commits) flight.execute(COMMIT);
  try {
    const answers = await flights.send(flight);
    const [now, isWritten] = answers[1]?.rows[0] ?? [];
    if (now == null || isWritten == null) throw new TypeError("the server told no time");
    const hits = isWritten[0] === 1 ? new Set([keyText(write)]) : new Set<string>();
    return { hits, writtenAt: Math.round(now.readDoubleBE(0)) };
  } catch (error) {
    if (isRowInTheWay(error)) return null;
    throw error;
  }
}
