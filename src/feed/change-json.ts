import type { Ending } from "../domain/ending.ts";
import type { VersionVector } from "../domain/version-vector.ts";
import type { ChangedMemory, ChangeEvent } from "./change-options.ts";

/** A change as JSON, for HTTP, `--json` and webhooks: times are ISO-8601, vectors lists of numbers. */
export interface ChangeJson {
  readonly kind: ChangeEvent["kind"];
  readonly namespace: string;
  readonly memoryId: string;
  readonly version: number;
  readonly modifiedAt: string;
  readonly versionVector: VersionVector;
  readonly transactionId: string;
  readonly cursor: string;
  /** Why it ended; absent of a put. */
  readonly reason?: Ending;
  readonly memory?: Omit<ChangedMemory, "embedding"> & { readonly embedding?: number[] | null };
}

/** @param withEmbedding whether the reader asked for vectors: otherwise there is no such field. */
export function changeJson(change: ChangeEvent, withEmbedding: boolean): ChangeJson {
  const { kind, namespace, memoryId, version, modifiedAt, versionVector, transactionId, cursor } = change;
  const at = new Date(modifiedAt).toISOString();
  const told = { kind, namespace, memoryId, version, modifiedAt: at, versionVector, transactionId, cursor };
  if (change.kind !== "put") return { ...told, reason: change.reason };
  const { embedding, ...document } = change.memory;
  const numbers = embedding === null ? null : Array.from(embedding);
  return { ...told, memory: { ...document, ...(withEmbedding && { embedding: numbers }) } };
}
