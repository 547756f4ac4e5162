import { embeddingBytes } from "../domain/checksum.ts";
import { vectorJson } from "../domain/version-vector.ts";
import type { BinaryValues } from "../drivers/postgres/binary-values.ts";
import { storeVersionsJson } from "./store-versions.ts";
import type { VersionWrite } from "./version-write.ts";
import type { TransactionToken } from "./write-statements.ts";

/** Of a row's fields beside id, document and vector, roughly; for both tables alike. */
const ROW_BYTES = 160 + 128;

/** COPY of new memories' narrow rows. @param timed false: the columns of time have their default, the transaction's time. */
export function copyVersionsText(timed: boolean): string {
  return `copy mnemosync.memory_versions (namespace, memory_id, version, checksum, digest, bucket, version_vector,
    store_versions, has_embedding, ${timed ? "created_at, modified_at, " : ""}expires_at, tx_id) from stdin (format binary)`;
}

/** COPY of their bodies. */
export function copyBodiesText(timed: boolean): string {
  return `copy mnemosync.memory_bodies (namespace, memory_id, version, checksum, version_vector,
    ${timed ? "modified_at, " : ""}expires_at, tx_id, document, embedding) from stdin (format binary)`;
}

/** Writes a row that `copyVersionsText` takes. */
export function versionRow(
  values: BinaryValues,
  write: VersionWrite,
  { storeVersions, transactionId }: TransactionToken,
  timed: boolean,
): void {
  values.row(timed ? 13 : 11);
  narrowParts(values, write, storeVersions);
  if (timed) {
    values.timestamp(write.modifiedAt);
    values.timestamp(write.modifiedAt);
  }
  values.timestamp(write.expiresAt);
  values.text(transactionId);
}

/** The parts of a narrow row that have no time, in the order of its columns. */
export function narrowParts(
  values: BinaryValues,
  write: VersionWrite,
  storeVersions: TransactionToken["storeVersions"],
): void {
  values.text(write.namespace);
  values.text(write.memoryId);
  values.int64(write.version);
  values.text(write.checksum);
  values.int64Digits(write.digest);
  values.int32(write.bucket);
  values.jsonb(vectorJson(write.versionVector));
  values.jsonb(storeVersionsJson(storeVersions, write.hasEmbedding, write.version));
  values.boolean(write.hasEmbedding);
}

/** Writes a row that `copyBodiesText` takes. */
export function bodyRow(
  values: BinaryValues,
  write: VersionWrite,
  { transactionId }: TransactionToken,
  timed: boolean,
): void {
  values.row(timed ? 10 : 9);
  values.text(write.namespace);
  values.text(write.memoryId);
  values.int64(write.version);
  values.text(write.checksum);
  values.jsonb(vectorJson(write.versionVector));
  if (timed) values.timestamp(write.modifiedAt);
  values.timestamp(write.expiresAt);
  values.text(transactionId);
  values.text(write.documentJson);
  values.bytea(write.embedding === null ? null : embeddingBytes(write.embedding));
}

/** Bytes of the rows of one table, roughly. @param holds whether they have document and vector. */
export function bytesOfRows(writes: readonly VersionWrite[], holds: "facts" | "bodies"): number {
  const [first] = writes;
  const body = (first?.embedding?.byteLength ?? 0) + (first?.documentJson?.length ?? 0) * 1.5;
  return Math.ceil(writes.length * (ROW_BYTES + (holds === "bodies" ? body : 0)));
}
