import type { Ending } from "../domain/ending.ts";
import { NotFoundError } from "../domain/errors.ts";
import type { JsonObject, JsonValue } from "../domain/json.ts";
import { bucketOf, type MemoryKey } from "../domain/keys.ts";
import type { EncodedMemory, MemoryDocument } from "../domain/memory.ts";
import { parseStoredDocument } from "../domain/stored-document.ts";
import type { VersionVector } from "../domain/version-vector.ts";
import type { HistoricVersion } from "../ledger/history-statements.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import { mapInTurns } from "../runtime/turns.ts";
import type { SyncOutcome } from "../write/outcome.ts";
import type { WriteIntent } from "../write/plan.ts";
import { nextSize, type OnBytes } from "./bounded-reads.ts";
import { diffJson, type FieldDifference } from "./diff.ts";

/** One version of a memory. */
export interface MemoryVersion<Metadata extends object = JsonObject> extends MemoryKey {
  readonly version: number;
  /** Null for a deletion, as is the document. */
  readonly checksum: string | null;
  readonly document: MemoryDocument<Metadata> | null;
  readonly embedding: Float32Array | null;
  readonly versionVector: VersionVector;
  /** Milliseconds since 1970, of the ledger's clock. */
  readonly modifiedAt: number;
  /** Why it is a deletion; absent from a live version. */
  readonly endedBy?: Ending;
  readonly transactionId: string;
}

/** How two versions of a memory differ. */
export interface VersionDiff extends MemoryKey {
  readonly fromVersion: number;
  readonly toVersion: number;
  readonly fields: readonly FieldDifference[];
  readonly embeddingChanged: boolean;
}

export interface HistoryParts {
  readonly ledger: LedgerStore;
  /** Replaced versions that are kept per memory of a namespace. Those beyond are pruned some time later; until then nobody sees them. */
  readonly historyVersionsMax: (namespace: string) => number;
  /** Writes one intent as part of some chunk. */
  readonly write: (intent: WriteIntent, signal: AbortSignal) => Promise<SyncOutcome>;
  /** Writes all intents or none. */
  readonly writeAtomically: (intents: readonly WriteIntent[], signal: AbortSignal) => Promise<SyncOutcome[]>;
}

/** Versions that are read first; then as many as their sizes allow. */
const VERSIONS_FIRST = 16;

/** Reads earlier versions of memories, and writes their content again as new versions: versions only ever go up. */
export class History {
  readonly #parts: HistoryParts;

  constructor(parts: HistoryParts) {
    this.#parts = parts;
  }

  /**
   * Versions of a memory, newest first: the current one and those before it that are kept. Read part by part, each as its own
   * snapshot: a version that is written meanwhile is not among them.
   */
  async list(
    key: MemoryKey,
    limit: number,
    onBytes: OnBytes | undefined,
    signal: AbortSignal,
  ): Promise<MemoryVersion[]> {
    const versions: MemoryVersion[] = [];
    const wanted = this.#limit(key, limit);
    for (let size = VERSIONS_FIRST; versions.length < wanted; ) {
      const before = versions.at(-1)?.version ?? null;
      const count = Math.min(size, wanted - versions.length);
      const rows = await this.#parts.ledger.readHistoryPage(key, before, count, signal);
      const bytes = rows.reduce((sum, { documentJson, embedding }) => {
        return sum + (documentJson?.length ?? 0) + (embedding?.byteLength ?? 0);
      }, 0);
      onBytes?.(bytes);
      for (const version of await mapInTurns(rows, memoryVersion)) versions.push(version);
      if (rows.length < count) break;
      size = nextSize(rows.length, bytes);
    }
    return versions;
  }

  #limit(key: MemoryKey, limit: number): number {
    return Math.min(limit, this.#parts.historyVersionsMax(key.namespace) + 1);
  }

  /** One of the versions that are kept, without reading the others' bodies. @throws {NotFoundError} It is not kept. */
  async #kept(key: MemoryKey, version: number, signal: AbortSignal): Promise<HistoricVersion> {
    const { ledger } = this.#parts;
    const versions = await this.#versions(key, signal);
    const [found] = versions.includes(version) ? await ledger.readHistoryPage(key, version + 1, 1, signal) : [];
    if (found?.version === version) return found;
    const kept = versions.length === 0 ? "none" : `${versions.at(-1)} to ${versions[0]}`;
    throw new NotFoundError(
      `version ${version} of memory ${JSON.stringify(key.memoryId)} is not kept; versions kept: ${kept}`,
    );
  }

  async #versions(key: MemoryKey, signal: AbortSignal): Promise<number[]> {
    return await this.#parts.ledger.readHistoryVersions(key, this.#limit(key, Number.MAX_SAFE_INTEGER), signal);
  }

  /** @throws {NotFoundError} One of the versions is not kept. */
  async diff(key: MemoryKey, fromVersion: number, toVersion: number, signal: AbortSignal): Promise<VersionDiff> {
    const from = await this.#kept(key, fromVersion, signal);
    const to = await this.#kept(key, toVersion, signal);
    return {
      namespace: key.namespace,
      memoryId: key.memoryId,
      fromVersion,
      toVersion,
      fields: diffJson(comparable(from), comparable(to)),
      embeddingChanged: !sameVector(from.embedding, to.embedding),
    };
  }

  /**
   * Writes the content of an older version as a new one. The outcome is a conflict when the memory is not at
   * `expectedVersion` (null: at the version that this call reads first).
   * @throws {NotFoundError} The version is not kept.
   */
  async rollback(
    key: MemoryKey,
    toVersion: number,
    expectedVersion: number | null,
    signal: AbortSignal,
  ): Promise<SyncOutcome> {
    // Before the version is read: what is written after that is a conflict.
    const [current = 0] = await this.#versions(key, signal);
    const target = await this.#kept(key, toVersion, signal);
    return await this.#parts.write(intentOf(key, target, expectedVersion ?? current), signal);
  }

  /**
   * Undoes a transaction: each of its memories gets the content it had before, all or none. When one of them was written
   * since, nothing is undone, and its outcome is a conflict.
   * @throws {NotFoundError} The transaction, or an earlier version of one of its memories, is no longer kept.
   */
  async rollbackTransaction(transactionId: string, signal: AbortSignal): Promise<SyncOutcome[]> {
    const written = await this.#parts.ledger.readTransaction(transactionId, signal);
    if (written === null) {
      throw new NotFoundError(`transaction ${transactionId} is unknown: it was rolled back, or ended too long ago`);
    }
    const intents: WriteIntent[] = [];
    for (const { namespace, memoryId, version } of written) {
      const key = { namespace, memoryId };
      // The first version replaced nothing: undoing it deletes.
      const before = version === 1 ? null : await this.#kept(key, version - 1, signal);
      intents.push(intentOf(key, before, version));
    }
    return await this.#parts.writeAtomically(intents, signal);
  }
}

function intentOf(key: MemoryKey, target: HistoricVersion | null, expectedVersion: number): WriteIntent {
  return { key, memory: target === null ? null : encoded(target), expectedVersion, modifiedAt: null };
}

/** Keeps the stored bytes, so that the new version has the checksum of the old one. */
function encoded(version: HistoricVersion): EncodedMemory | null {
  const { namespace, memoryId, checksum, documentJson, embedding } = version;
  if (checksum === null || documentJson === null) return null;
  const document = parseStoredDocument(documentJson, version);
  return { namespace, memoryId, document, documentJson, embedding, checksum, bucket: bucketOf(version) };
}

/** A version as callers see it. */
export function memoryVersion(version: HistoricVersion): MemoryVersion {
  const { documentJson, endedBy, ...rest } = version;
  const document = documentJson === null ? null : parseStoredDocument(documentJson, version);
  return { ...rest, document, ...(endedBy !== null && { endedBy }) };
}

function comparable(version: HistoricVersion): JsonValue {
  const { documentJson } = version;
  // A document is JSON: its interface only lacks an index signature.
  return documentJson === null ? {} : (parseStoredDocument(documentJson, version) as unknown as JsonValue);
}

function sameVector(a: Float32Array | null, b: Float32Array | null): boolean {
  if (a === null || b === null || a.length !== b.length) return a === b;
  return a.every((value, index) => Object.is(value, b[index]));
}
