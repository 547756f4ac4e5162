import type { MergedRead } from "./merged-read.ts";
import { contentVersionOf, type ReplicaContent, type ReplicaRow } from "./sides.ts";

/** Bytes of documents and embeddings that one answer takes of the replica, at most, but for its first memory. */
export const CONTENT_BYTES_MAX = 8_388_608;

/** Contents of rows by memory id, and the ids of those that did not fit into the bytes. */
export interface RowContents {
  /** Of the documents and vectors. */
  readonly bytes: number;
  readonly contents: ReadonlyMap<string, ReplicaContent>;
  readonly cut: ReadonlySet<string>;
}

/**
 * Reads the contents of rows that may be shown. One that is gone since has none: it was erased. Null: the replica does not
 * take part any more.
 */
export async function readRowContents(
  read: MergedRead,
  namespace: string,
  rows: readonly ReplicaRow[],
  { withEmbedding }: { withEmbedding: boolean },
): Promise<RowContents | null> {
  if (rows.length === 0) return { bytes: 0, contents: new Map(), cut: new Set() };
  const wanted = rows.map((row) => ({ memoryId: row.memoryId, version: contentVersionOf(row) }));
  const found = await read.ask((reads, signal) =>
    reads.readContents({ namespace, wanted, withEmbedding, bytesMax: CONTENT_BYTES_MAX }, signal),
  );
  if (found === null) return null;
  return {
    bytes: found.reduce((sum, { document, embedding }) => sum + (document?.length ?? 0) + (embedding?.length ?? 0), 0),
    contents: new Map(found.filter(({ fits }) => fits).map((content) => [content.memoryId, content])),
    cut: new Set(found.filter(({ fits }) => !fits).map(({ memoryId }) => memoryId)),
  };
}
