import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { MemoryChange } from "../domain/memory.ts";
import { VectorBlock } from "../domain/vector-block.ts";
import { parseVector } from "../domain/version-vector.ts";
import { int64Of, timestampOf } from "../drivers/postgres/binary-columns.ts";
import { type FlightStatement, OID } from "../drivers/postgres/flight.ts";
import type { FlightChannel } from "../drivers/postgres/flight-channel.ts";
import { WIDE_ROW } from "./body-rows.ts";
import { modelOf } from "./read-statements.ts";

const READ: FlightStatement = {
  name: "read_changes",
  text: `select v.namespace, v.memory_id, v.version, v.checksum, v.modified_at, v.expires_at, v.digest,
      v.version_vector::text, m.document, m.embedding
    from unnest($1, $2) as k (namespace, memory_id)
    cross join lateral (
      select * from mnemosync.memory_versions
      where namespace = k.namespace and memory_id = k.memory_id offset 0
    ) v
    left join lateral ${WIDE_ROW} m on true`,
  types: [OID.textArray, OID.textArray],
};

/** Bytes of a key, about. */
const KEY_BYTES = 100;
/** Place of the embedding among the columns of `READ`. */
const EMBEDDING = 9;

/**
 * `readChanges` with binary columns: vectors come as they are kept, where the driver would have the server spell them in hexadecimal
 * digits.
 */
export async function readChangesInFlight(
  flights: FlightChannel,
  keys: readonly MemoryKey[],
): Promise<Map<string, MemoryChange>> {
  const flight = flights.begin([READ], keys.length * KEY_BYTES + 1_024);
  flight.execute(READ, (values) => {
    values.array(OID.text, keys, ({ namespace }) => values.text(namespace));
    values.array(OID.text, keys, ({ memoryId }) => values.text(memoryId));
  });
  const [answer] = await flights.send(flight);
  const rows = answer?.rows ?? [];
  let vectorBytes = 0;
  for (const row of rows) vectorBytes += row[EMBEDDING]?.byteLength ?? 0;
  const vectors = new VectorBlock(vectorBytes >>> 2);
  const changes = new Map<string, MemoryChange>();
  for (const row of rows) {
    const read = changeOf(row, vectors);
    changes.set(keyText(read), read);
  }
  return changes;
}

function changeOf(columns: readonly (Buffer | null)[], vectors: VectorBlock): MemoryChange {
  const [namespace, memoryId, version, checksum, modifiedAt, expiresAt, digest, vector, document, embedding] =
    columns as [
      Buffer,
      Buffer,
      Buffer,
      Buffer | null,
      Buffer,
      Buffer | null,
      Buffer | null,
      Buffer,
      Buffer | null,
      Buffer | null,
    ];
  const key = { namespace: namespace.toString(), memoryId: memoryId.toString() };
  const facts = { ...key, version: int64Of(version), modifiedAt: Math.round(timestampOf(modifiedAt)) };
  if (checksum === null || document === null) return { kind: "tombstone", ...facts };
  const documentJson = document.toString();
  return {
    kind: "put",
    namespace: facts.namespace,
    memoryId: facts.memoryId,
    version: facts.version,
    modifiedAt: facts.modifiedAt,
    checksum: checksum.toString(),
    digest: digest?.toString("hex") ?? "",
    versionVector: parseVector(vector.toString()) ?? {},
    documentJson,
    embedding: embedding === null ? null : vectors.copyBytes(embedding),
    embeddingModel: modelOf(documentJson),
    expiresAt: expiresAt === null ? null : Math.round(timestampOf(expiresAt)),
  };
}
