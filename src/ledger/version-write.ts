import type { Ending } from "../domain/ending.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { VersionVector } from "../domain/version-vector.ts";

/** One new version. A tombstone has no checksum, digest, document, embedding. */
export interface VersionWrite extends MemoryKey {
  readonly version: number;
  readonly bucket: number;
  readonly versionVector: VersionVector;
  readonly checksum: string | null;
  readonly digest: string | null;
  readonly documentJson: string | null;
  readonly embedding: Float32Array | null;
  /** Why it is a tombstone; null for a live version. */
  readonly endedBy: Ending | null;
  readonly expiresAt: number | null;
  /** Whether it has an embedding; of a tombstone, whether the version before it had one. */
  readonly hasEmbedding: boolean;
  /** Milliseconds since 1970: the ledger's clock, or the time of an imported or offline change. */
  readonly modifiedAt: number;
  /** The memory must not have a row yet, whatever the version: it is new, or an import brings it. Version 1 implies it. */
  readonly inserts: boolean;
}

/** A write that is sent before its row was seen. Its time is given by the ledger. */
export interface GuessedWrite {
  readonly write: VersionWrite;
  /** The transaction that wrote the row which the write replaces; null: the memory is new. */
  readonly knownTx: string | null;
}

/** The guesses that held (key texts), and the time of modification that they were given. */
export interface GuardedAnswer {
  readonly hits: ReadonlySet<string>;
  readonly writtenAt: number;
}
