import type { MemoryKey } from "../domain/keys.ts";
import type { MemoryDocument } from "../domain/memory.ts";
import type { VersionVector } from "../domain/version-vector.ts";

/** Of the export format. Raised when a reader of the version before could not read it any more. */
export const FORMAT_VERSION = 2;

/** Format versions that an import reads. Version 1 has the version vector as `vector`. */
export const READABLE_FORMATS = [1, 2] as const;

export type ReadableFormat = (typeof READABLE_FORMATS)[number];

/** First record: the options of the export. It has no time and no place, so that equal contents export equally. */
export interface ExportHeader {
  readonly mnemosync: typeof FORMAT_VERSION;
  /** Null: all namespaces. */
  readonly namespace: string | null;
  readonly history: boolean;
  /** Whether `local_only` memories are included. */
  readonly localOnly: boolean;
}

/** One version of a memory. The current version first, then, on request, the replaced ones, newest first. */
export interface ExportedVersion extends MemoryKey {
  readonly type: "memory" | "history";
  readonly version: number;
  /** Null for a deletion, as are the document and the embedding. */
  readonly checksum: string | null;
  readonly versionVector: VersionVector;
  /** ISO-8601, milliseconds, Z. */
  readonly modifiedAt: string;
  readonly document: MemoryDocument | null;
  /** float32 little-endian, in base64. */
  readonly embedding: string | null;
}

/** Last record. A file without it is incomplete. */
export interface ExportEnd {
  readonly mnemosync: typeof FORMAT_VERSION;
  readonly end: true;
}

export type ExportRecord = ExportHeader | ExportedVersion | ExportEnd;

/** A record as a line of an NDJSON file, its line break included. */
export function exportLine(record: ExportRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/** Whether a parsed first line is the header of an export, of any format version. */
export function isExportHeader(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.hasOwn(value, "mnemosync");
}
