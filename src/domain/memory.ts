import canonicalize from "canonicalize";
import { checksumOf, entryDigest } from "./checksum.ts";
import { hasCanonicalOrder, type JsonObject } from "./json.ts";
import { bucketOf, type MemoryKey } from "./keys.ts";
import type { StoreId } from "./store-id.ts";
import type { VersionVector } from "./version-vector.ts";

/** What may leave this deployment: everything, the facts without content and embedding, or nothing. */
export type Privacy = "full" | "redacted" | "local_only";

/** From open to closed. */
export const PRIVACIES: readonly Privacy[] = ["full", "redacted", "local_only"];

/** What a memory says, embedding apart. These keys and no others are checksummed, in canonical JSON. */
export interface MemoryDocument<Metadata extends object = JsonObject> {
  content: string;
  memoryType: string;
  /** 0 … 1. */
  importance: number;
  metadata: Metadata;
  privacy: Privacy;
  embeddingModel?: string;
  /** ISO-8601, milliseconds, Z. From then on no read or search shows the memory. */
  expiresAt?: string;
}

/** A memory as it is read. */
export interface Memory<Metadata extends object = JsonObject> extends MemoryKey, MemoryDocument<Metadata> {
  /** 1, 2, 3 …, given out by the ledger. */
  readonly version: number;
  /** SHA-256 of the document and the embedding: 64 hex digits, the same in every store. */
  readonly checksum: string;
  /** Writes of each node that this version includes. */
  readonly versionVector: VersionVector;
  /**
   * When the memory was created, milliseconds since 1970 of the ledger's clock: kept over its versions, and begun anew when it
   * is written again after its end. Only where it was asked for.
   */
  readonly createdAt?: number;
  /** Milliseconds since 1970, of the ledger's clock. */
  readonly modifiedAt: number;
  readonly embedding: Float32Array | null;
  /** The store that answered. */
  readonly source: StoreId;
}

/** A memory that passed validation, in the form that every store gets. */
export interface EncodedMemory extends MemoryKey {
  readonly document: MemoryDocument;
  /** RFC 8785 canonical JSON of `document`. */
  readonly documentJson: string;
  readonly embedding: Float32Array | null;
  /** Hex, 64 characters. */
  readonly checksum: string;
  readonly bucket: number;
}

/** A committed version of a memory, as the projections are told of it. */
export type MemoryChange = PutChange | TombstoneChange;

export interface PutChange extends MemoryKey {
  readonly kind: "put";
  readonly version: number;
  readonly checksum: string;
  /** Entry digest: 16 hex digits. */
  readonly digest: string;
  readonly versionVector: VersionVector;
  /** Milliseconds since 1970, of the ledger's clock. */
  readonly modifiedAt: number;
  readonly documentJson: string;
  readonly embedding: Float32Array | null;
  readonly embeddingModel: string | null;
  /** Milliseconds since 1970. */
  readonly expiresAt: number | null;
}

export interface TombstoneChange extends MemoryKey {
  readonly kind: "tombstone";
  readonly version: number;
  readonly modifiedAt: number;
}

/** Canonical form and checksum of a validated document. */
export function encodeMemory(key: MemoryKey, document: MemoryDocument, embedding: Float32Array | null): EncodedMemory {
  const documentJson = canonicalJson(document);
  return {
    namespace: key.namespace,
    memoryId: key.memoryId,
    document,
    documentJson,
    embedding,
    checksum: checksumOf(documentJson, embedding),
    bucket: bucketOf(key),
  };
}

/** RFC 8785 (JSON Canonicalization Scheme): sorted keys, ECMAScript number spelling, no white space. */
export function canonicalJson(document: MemoryDocument): string {
  // It spells texts and numbers as ECMAScript does: where the keys are in order, so does the engine, five times as fast.
  return hasCanonicalOrder(document) ? JSON.stringify(document) : (canonicalize(document) as string);
}

/** The change that makes version `version` of `memory` visible. */
export function putChange(
  memory: EncodedMemory,
  version: number,
  stamp: { versionVector: VersionVector; modifiedAt: number },
): PutChange {
  return {
    kind: "put",
    namespace: memory.namespace,
    memoryId: memory.memoryId,
    version,
    checksum: memory.checksum,
    digest: entryDigest(memory, version, memory.checksum),
    versionVector: stamp.versionVector,
    modifiedAt: stamp.modifiedAt,
    documentJson: memory.documentJson,
    embedding: memory.embedding,
    embeddingModel: memory.document.embeddingModel ?? null,
    expiresAt: memory.document.expiresAt === undefined ? null : Date.parse(memory.document.expiresAt),
  };
}
