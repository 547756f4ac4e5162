import type { Memory, MemoryVersion, SyncOutcome } from "../index.ts";

/** The library's objects as programs read them over HTTP: times as texts, vectors only when asked for. */

export function memoryDocument(memory: Memory, withEmbedding: boolean): object {
  const { embedding, modifiedAt, ...rest } = memory;
  return {
    ...rest,
    modifiedAt: new Date(modifiedAt).toISOString(),
    dimension: embedding?.length ?? null,
    ...(withEmbedding && { embedding: embedding === null ? null : Array.from(embedding) }),
  };
}

export function outcomeDocument(outcome: SyncOutcome): object {
  const { error, ...rest } = outcome;
  return { ...rest, ...(error && { error: { code: error.code, message: error.message } }) };
}

export function versionDocument(version: MemoryVersion): object {
  const { version: number, checksum, document, embedding, versionVector, modifiedAt, transactionId } = version;
  return {
    version: number,
    checksum,
    deleted: document === null,
    document,
    dimension: embedding?.length ?? null,
    versionVector,
    modifiedAt: new Date(modifiedAt).toISOString(),
    transactionId,
  };
}

/** The tag of a version: what `If-Match` names. */
export function entityTag(version: number): string {
  return `"${version}"`;
}
