import { checksumOf } from "../domain/checksum.ts";
import { passes } from "../domain/filter/evaluate.ts";
import type { Condition, Filter } from "../domain/filter/filter.ts";
import { keyText } from "../domain/keys.ts";
import type { MemoryDocument } from "../domain/memory.ts";
import type { PortableLedger } from "../ledger/portable-ledger.ts";
import type { PortablePosition, PortableRow } from "../ledger/portable-statements.ts";
import type { Log } from "../runtime/log.ts";
import { Turns } from "../runtime/turns.ts";
import {
  type ExportEnd,
  type ExportedVersion,
  type ExportHeader,
  type ExportRecord,
  FORMAT_VERSION,
} from "./format.ts";

export interface ExportOptions {
  /** @default all namespaces */
  namespace?: string | undefined;
  /**
   * Only memories that pass, by their current version; with `history` their replaced versions too. Deleted memories pass no
   * filter. @default all, deletions included
   */
  where?: Filter | undefined;
  /** With the versions that were replaced and are still kept. @default false */
  history?: boolean | undefined;
  /**
   * With `local_only` memories. Without it neither they nor their history are exported, nor the tombstones of deleted
   * ones. @default false
   */
  includeLocal?: boolean | undefined;
  /** Resumes after this record of an earlier export with the same options, without a header. */
  after?: PortablePosition | undefined;
  /** Called after each page. */
  onProgress?: ((progress: ExportProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** The progress of an export. */
export interface ExportProgress {
  /** Memories exported, deleted ones included. */
  readonly memories: number;
  /** Records of versions that were replaced. */
  readonly historyVersions: number;
  /** Memories and versions that were left out because they are `local_only`. */
  readonly leftOut: number;
  /** Of the exported ones, those marked `redacted`: the export has them whole. */
  readonly redacted: number;
  /** Versions whose document or embedding does not fit the checksum, or is missing: an import refuses them. */
  readonly damaged: number;
  /** Where to resume; null before the first record. */
  readonly position: PortablePosition | null;
}

export interface ExporterParts {
  readonly ledger: Pick<PortableLedger, "readPage">;
  readonly log: Log;
}

const ROWS_MAX = 500;
const PAGE_BYTES_MAX = 8 * 1024 * 1024;
/** Bytes of a document that are as much work as a small memory. */
const ITEM_BYTES = 2_048;

/**
 * Reads all memories from the ledger, page by page, in the order of their keys. Each page is a snapshot, the whole is not:
 * a concurrent write is in it or not, but never half of a memory.
 */
export async function* exportRecords(
  parts: ExporterParts,
  options: Omit<ExportOptions, "where"> & { readonly condition: Condition | null },
  signal: AbortSignal,
): AsyncGenerator<ExportRecord, void, undefined> {
  const { namespace = null, history = false, includeLocal = false, after = null, onProgress, condition } = options;
  // What an export ended with had passed: the rest of its memory's history goes on.
  let passing = after === null ? null : keyText(after);
  const turns = new Turns();
  const progress = { memories: 0, historyVersions: 0, leftOut: 0, redacted: 0, damaged: 0, position: after };
  for (let position = after, rowsMax = ROWS_MAX; ; ) {
    signal.throwIfAborted();
    const page = { after: position, namespace, history, rowsMax, bytesMax: PAGE_BYTES_MAX };
    const rows = await parts.ledger.readPage(page, signal);
    // After the first page: a reader of the header knows that the ledger answers.
    if (position === null) yield header(namespace, history, includeLocal);
    for (const row of rows) {
      // Rows that are left out give the reader no turn.
      if (turns.isOver(1 + (row.documentJson?.length ?? 0) / ITEM_BYTES)) await turns.next();
      position = { namespace: row.namespace, memoryId: row.memoryId, version: row.version };
      if (row.localOnly && !includeLocal) {
        progress.leftOut++;
        continue;
      }
      if (row.current) passing = condition === null || rowPasses(condition, row) ? keyText(row) : null;
      if (passing !== keyText(row)) continue;
      const record = exportedVersion(row);
      progress.position = position;
      if (row.current) progress.memories++;
      else progress.historyVersions++;
      if (record.document?.privacy === "redacted") progress.redacted++;
      if (isDamaged(row)) {
        progress.damaged++;
        parts.log.warn({ ...position }, "export.damage_found");
      }
      yield record;
    }
    if (rows.length === 0) break;
    onProgress?.({ ...progress });
    // After a page that was cut by its size, about that many rows are requested: the server reads no more than it sends.
    rowsMax = Math.min(ROWS_MAX, rows.length * 2);
  }
  const { position: _, ...counts } = progress;
  parts.log.info(counts, "export.finished");
  yield end();
}

/** A damaged document passes no filter: what it says is not known. */
function rowPasses(condition: Condition, { memoryId, createdAt, modifiedAt, documentJson }: PortableRow): boolean {
  if (documentJson === null) return false;
  return passes(condition, { ...(JSON.parse(documentJson) as MemoryDocument), memoryId, createdAt, modifiedAt });
}

function header(namespace: string | null, history: boolean, localOnly: boolean): ExportHeader {
  return { mnemosync: FORMAT_VERSION, namespace, history, localOnly };
}

function end(): ExportEnd {
  return { mnemosync: FORMAT_VERSION, end: true };
}

function exportedVersion(row: PortableRow): ExportedVersion {
  return {
    type: row.current ? "memory" : "history",
    namespace: row.namespace,
    memoryId: row.memoryId,
    version: row.version,
    checksum: row.checksum,
    versionVector: row.versionVector,
    modifiedAt: new Date(row.modifiedAt).toISOString(),
    document: row.documentJson === null ? null : (JSON.parse(row.documentJson) as MemoryDocument),
    embedding: row.embedding === null ? null : row.embedding.toString("base64"),
  };
}

function isDamaged({ checksum, documentJson, embedding }: PortableRow): boolean {
  if (checksum === null || documentJson === null) return checksum !== null || documentJson !== null;
  return checksumOf(documentJson, embedding) !== checksum;
}
