import type { MemoryKey } from "../domain/keys.ts";
import type { MemoryDocument } from "../domain/memory.ts";
import type { VersionVector } from "../domain/version-vector.ts";

/** Of the export format. Goes up when a reader of the version before could not make sense of it any more. */
export const FORMAT_VERSION = 1;

/** First record: what the export was asked for. It names no time and no place, so that equal contents export equally. */
export interface ExportHeader {
  readonly mnemosync: typeof FORMAT_VERSION;
  /** Null: all namespaces. */
  readonly namespace: string | null;
  readonly history: boolean;
  /** Whether memories that are `local_only` are among them. */
  readonly localOnly: boolean;
}

/** One version of a memory. The current one first, then, on request, those that it replaced, newest first. */
export interface ExportedVersion extends MemoryKey {
  readonly type: "memory" | "history";
  readonly version: number;
  /** Null for a deletion, as are the document and the embedding. */
  readonly checksum: string | null;
  readonly vector: VersionVector;
  /** ISO-8601, milliseconds, Z. */
  readonly modifiedAt: string;
  readonly document: MemoryDocument | null;
  /** float32 little-endian, in base64. */
  readonly embedding: string | null;
}

/** Last record. A file without it was cut short. */
export interface ExportEnd {
  readonly mnemosync: typeof FORMAT_VERSION;
  readonly end: true;
}

export type ExportRecord = ExportHeader | ExportedVersion | ExportEnd;

/** A record as a line of an NDJSON file, its line break included. */
export function exportLine(record: ExportRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/** Whether a parsed first line says that the file is an export, of whatever format version. */
export function isExportHeader(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.hasOwn(value, "mnemosync");
}
