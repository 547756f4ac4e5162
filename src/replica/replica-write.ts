import { checksumOf, entryDigest } from "../domain/checksum.ts";
import type { Ending } from "../domain/ending.ts";
import { bucketOf, type MemoryKey } from "../domain/keys.ts";
import { canonicalJson, type MemoryDocument, PRIVACIES } from "../domain/memory.ts";
import { leavingMemory } from "../hub/protocol/privacy.ts";
import type { VersionRow } from "./memory-rows.ts";
import type { LaterFacts } from "./primary-statements.ts";

/** One version as the replica gets it. */
export interface ReplicaWrite extends MemoryKey {
  readonly version: number;
  readonly bucket: number;
  readonly transactionId: string;
  /** JSON text. */
  readonly versionVector: string;
  /** Milliseconds since 1970, with their fraction. */
  readonly modifiedAt: number;
  /** Milliseconds since 1970: when the memory was created, as the primary says now. */
  readonly createdAt: number;
  /** Null of a live version. */
  readonly endedBy: Ending | null;
  /** Null of an ending. */
  readonly checksum: string | null;
  readonly digest: string | null;
  /** JSON text, or its bytes as the primary sent them. */
  readonly document: string | Buffer | null;
  readonly embedding: Buffer | null;
  /** Milliseconds since 1970. */
  readonly expiresAt: number | null;
  /** What goes of the versions before this one: nothing, what was told in full, or all content. */
  readonly withholds: "nothing" | "full" | "all";
  /** The version that the primary is at, as of a moment after this one was read. */
  readonly primaryVersion: number;
}

/** What a dead letter says of an operation. */
export type Operation = "put" | "delete" | "withdraw" | "erase";

export function operationOf({ endedBy }: Pick<ReplicaWrite, "endedBy">): Operation {
  if (endedBy === null) return "put";
  return endedBy === "erased" ? "erase" : endedBy === "withdrawn" ? "withdraw" : "delete";
}

/**
 * A version of the feed as it may leave the primary. What a later version withholds is withheld of this one already, so that
 * the order in which a replica is filled makes no difference.
 */
export function replicaWrite(row: VersionRow, later: LaterFacts | undefined): ReplicaWrite {
  const { namespace, memoryId, version, checksum, endedBy } = row;
  const base = {
    ...{ namespace, memoryId, version },
    bucket: bucketOf(row),
    transactionId: row.transactionId,
    versionVector: row.versionVector,
    modifiedAt: row.modifiedAt,
    createdAt: later?.createdAt ?? row.modifiedAt,
    primaryVersion: later?.version ?? version,
  };
  if (checksum === null || row.document === null)
    return ending(base, endedBy ?? (checksum === null ? "deleted" : "withdrawn"));
  const strictest = later?.strictest ?? "full";
  const isPlain = strictest === "full" && Buffer.isBuffer(row.document) && isOpenForGood(row.document);
  if (isPlain) return full(base, row, checksum, null);
  const document = JSON.parse(row.document.toString()) as MemoryDocument;
  const privacy = stricter(document.privacy, strictest);
  const leaving = leavingMemory({ ...document, privacy }, null);
  if (leaving === null) return ending(base, "withdrawn");
  const expiresAt = document.expiresAt === undefined ? null : Date.parse(document.expiresAt);
  if (leaving.privacy === "full") return full(base, row, checksum, expiresAt);
  const redacted = redactedDocument(document);
  const own = checksumOf(redacted, null);
  const digest = entryDigest(row, version, own);
  return {
    ...base,
    endedBy: null,
    checksum: own,
    digest,
    document: redacted,
    embedding: null,
    expiresAt,
    withholds: "full",
  };
}

const FULL_AT_END = Buffer.from(',"privacy":"full"}');
const EXPIRES = Buffer.from('"expiresAt":');

/**
 * Whether the canonical text of a document says that it may leave in full and never expires; false where only parsing tells. Most
 * memories are such, and their text need not be read. The last brace of valid JSON closes the document itself, so the member before
 * it is the document's own, and the last of its name.
 */
export function isOpenForGood(document: Buffer): boolean {
  const end = document.byteLength - FULL_AT_END.byteLength;
  return end > 0 && document.compare(FULL_AT_END, 0, FULL_AT_END.byteLength, end) === 0 && !document.includes(EXPIRES);
}

/**
 * A redacted document as the replica keeps it, in canonical form: a document needs its content and metadata, so they are
 * empty. Its checksum is its own.
 */
export function redactedDocument(document: MemoryDocument): string {
  const leaving = leavingMemory({ ...document, privacy: "redacted" }, null);
  return canonicalJson({ content: "", metadata: {}, ...leaving } as MemoryDocument);
}

function stricter(one: MemoryDocument["privacy"], other: MemoryDocument["privacy"]): MemoryDocument["privacy"] {
  return PRIVACIES.indexOf(one) >= PRIVACIES.indexOf(other) ? one : other;
}

type Base = Omit<
  ReplicaWrite,
  "endedBy" | "checksum" | "digest" | "document" | "embedding" | "expiresAt" | "withholds"
>;

function full(base: Base, row: VersionRow, checksum: string, expiresAt: number | null): ReplicaWrite {
  const { document, embedding } = row;
  const digest = entryDigest(base, base.version, checksum);
  return { ...base, endedBy: null, checksum, digest, document, embedding, expiresAt, withholds: "nothing" };
}

function ending(base: Base, endedBy: Ending): ReplicaWrite {
  const isTaken = endedBy === "withdrawn" || endedBy === "erased";
  const nothing = { checksum: null, digest: null, document: null, embedding: null, expiresAt: null };
  return { ...base, ...nothing, endedBy, withholds: isTaken ? "all" : "nothing" };
}
