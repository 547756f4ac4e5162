import { embeddingBytes } from "../domain/checksum.ts";
import { digitsOf } from "../drivers/postgres/binary-columns.ts";
import { type FlightStatement, OID } from "../drivers/postgres/flight.ts";
import type { StatementAnswer } from "../drivers/postgres/flight-answers.ts";
import type { FlightChannel } from "../drivers/postgres/flight-channel.ts";
import type { EvidenceRecord } from "./conflict-statements.ts";
import {
  allKept,
  type EvidenceEnding,
  INPUT_COLUMNS,
  KEEP_GIVEN,
  RESOLUTION_MAX,
  SETTLE_GIVEN,
} from "./evidence-statements.ts";

const KEEP: FlightStatement = {
  name: "keep_evidence",
  text: `with given as materialized (
      select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
        with ordinality as i (${INPUT_COLUMNS}, found_document, found_embedding, ledger_embedding, position)
    ), ${KEEP_GIVEN}`,
  types: [
    ...[OID.textArray, OID.textArray, OID.textArray, OID.textArray, OID.textArray, OID.textArray, OID.int8Array],
    ...[OID.textArray, OID.textArray, OID.textArray, OID.float8Array, OID.int8Array, OID.textArray, OID.textArray],
    ...[OID.textArray, OID.float8Array, OID.textArray, OID.byteaArray, OID.byteaArray, OID.byteaArray],
  ],
};

const SETTLE: FlightStatement = {
  name: "settle_evidence",
  text: `with i as materialized (select * from unnest($1, $2, $3) as e (id, state, resolution)), ${SETTLE_GIVEN}`,
  types: [OID.int8Array, OID.textArray, OID.textArray],
};

/** Bytes of a record without its documents and embeddings, about. */
const RECORD_BYTES = 700;
const ENDING_BYTES = 100;

/**
 * `keepEvidence` with binary parameters: bytes go as they are, where the driver would send them as hexadecimal digits in one piece for
 * the server to decode and cut, and no array is spelled and read as text.
 */
export async function keepEvidenceInFlight(
  flights: FlightChannel,
  records: readonly EvidenceRecord[],
): Promise<string[]> {
  const flight = flights.begin(
    [KEEP],
    records.reduce((bytes, record) => bytes + bytesOf(record), 1_024),
  );
  flight.execute(KEEP, (values) => {
    const texts = (pick: (record: EvidenceRecord) => string | null): void =>
      values.array(OID.text, records, (record) => values.text(pick(record)));
    const numbers = (pick: (record: EvidenceRecord) => number | null): void =>
      values.array(OID.int8, records, (record) => values.int64(pick(record)));
    const times = (pick: (record: EvidenceRecord) => number | null): void =>
      values.array(OID.float8, records, (record) => values.float64(pick(record)));
    const bytes = (pick: (record: EvidenceRecord) => Uint8Array | null): void =>
      values.array(OID.bytea, records, (record) => values.bytea(pick(record)));
    texts(({ namespace }) => namespace);
    texts(({ memoryId }) => memoryId);
    texts(({ store }) => store);
    texts(({ kind }) => kind);
    texts(({ strategy }) => strategy);
    texts(({ pendingBecause }) => pendingBecause);
    numbers(({ foundVersion }) => foundVersion);
    texts(({ foundState }) => foundState);
    texts(({ foundChecksum }) => foundChecksum);
    texts(({ foundVector }) => foundVector);
    times(({ foundModifiedAt }) => foundModifiedAt);
    numbers(({ ledgerVersion }) => ledgerVersion);
    texts(({ ledgerChecksum }) => ledgerChecksum);
    texts(({ ledgerDocument }) => ledgerDocument);
    texts(({ ledgerVector }) => ledgerVector);
    times(({ ledgerModifiedAt }) => ledgerModifiedAt);
    texts(({ evidence }) => evidence);
    bytes(({ foundDocument }) => foundDocument);
    bytes(({ foundEmbedding }) => foundEmbedding);
    bytes(({ ledgerEmbedding }) => ledgerEmbedding && embeddingBytes(ledgerEmbedding));
  });
  return allKept(idsOf(await flights.send(flight)), records);
}

/** `settleEvidence` with binary parameters. */
export async function settleEvidenceInFlight(
  flights: FlightChannel,
  endings: readonly EvidenceEnding[],
): Promise<string[]> {
  const flight = flights.begin([SETTLE], endings.length * ENDING_BYTES + 1_024);
  flight.execute(SETTLE, (values) => {
    values.array(OID.int8, endings, ({ id }) => values.int64(Number(id)));
    values.array(OID.text, endings, ({ state }) => values.text(state));
    values.array(OID.text, endings, ({ resolution }) => values.text(resolution.slice(0, RESOLUTION_MAX)));
  });
  return idsOf(await flights.send(flight));
}

function idsOf([answer]: readonly StatementAnswer[]): string[] {
  return (answer?.rows ?? []).map(([id]) => digitsOf(id as Buffer));
}

function bytesOf({ foundDocument, foundEmbedding, ledgerDocument, ledgerEmbedding }: EvidenceRecord): number {
  const found = (foundDocument?.byteLength ?? 0) + (foundEmbedding?.byteLength ?? 0);
  return RECORD_BYTES + found + (ledgerDocument?.length ?? 0) * 3 + (ledgerEmbedding?.byteLength ?? 0);
}
