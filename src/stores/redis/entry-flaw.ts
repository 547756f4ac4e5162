import { checksumOf, embeddingBytes, entryDigest } from "../../domain/checksum.ts";
import type { PutChange } from "../../domain/memory.ts";
import { compareVectors, parseVector } from "../../domain/version-vector.ts";
import type { LiveEntry } from "../projection.ts";

/** The first difference between an entry, read with its data, and its expected version; null when they are equal. */
export function entryFlaw(entry: LiveEntry, expected: PutChange, storeEmbedding: boolean): string | null {
  const data = entry.data;
  if (data === undefined || data.documentJson === null) return "has no data";
  if (!storeEmbedding && data.embedding === null) {
    if (checksumOf(data.documentJson, expected.embedding) !== entry.checksum)
      return "the data does not fit the checksum";
  } else if (checksumOf(data.documentJson, data.embedding) !== entry.checksum) {
    return sameBytes(data.embedding, expected.embedding)
      ? "the data does not fit the checksum"
      : "the embedding does not fit the checksum";
  }
  const digest = entryDigest(expected, expected.version, expected.checksum);
  if (data.digest !== digest) return `the digest is ${data.digest}, not ${digest}`;
  if (entry.modifiedAt !== expected.modifiedAt) return `modified_at is ${entry.modifiedAt}, not ${expected.modifiedAt}`;
  const versionVector = data.versionVector === null ? null : parseVector(data.versionVector);
  const sameVector = versionVector !== null && compareVectors(versionVector, expected.versionVector) === "equal";
  return sameVector ? null : "the version vector differs";
}

function sameBytes(found: Buffer | null, expected: Float32Array | null): boolean {
  if (found === null || expected === null) return found === expected;
  return found.equals(embeddingBytes(expected));
}
