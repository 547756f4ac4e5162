import { MergedReads } from "../replica/merged/merged-reads.ts";
import { ReplicaIndex } from "../replica/merged/replica-index.ts";
import type { Service } from "../runtime/service.ts";
import type { ReadingParts } from "./assemble-reading.ts";
import type { Foundation } from "./foundation.ts";

/** What merges the primary and its replica. */
export interface MergedParts {
  /** Null: the primary answers alone. */
  readonly reads: MergedReads | null;
  readonly services: readonly Service[];
}

export function assembleMerged(
  foundation: Foundation,
  { vectors, texts }: Pick<ReadingParts, "vectors" | "texts">,
): MergedParts {
  const { replica: connection, options, postgres, stores, metrics, log } = foundation;
  const { replica: settings, faiss, callTimeoutMs, syncIntervalMs } = options;
  if (connection === null || !settings.mergedReads) return { reads: null, services: [] };
  const { pool } = connection;
  const archive = settings.archive === "expired";
  const { model } = stores.vectorShape;
  // Of the same model and metric: otherwise the scores of both sides could not be compared.
  const index =
    settings.faissDirectory === undefined || faiss === undefined
      ? null
      : new ReplicaIndex({
          faiss: { ...faiss, ...(model && { model }), directory: settings.faissDirectory },
          ...{ replica: pool, archive, callTimeoutMs, intervalMs: syncIntervalMs, log },
        });
  const reads = new MergedReads({
    ...{ primary: postgres, replica: pool, settings, callTimeoutMs, log },
    searches: { vectors, texts, replicaIndex: index, language: options.indexes.text },
    metrics: metrics.mergedReads,
  });
  return { reads, services: index === null ? [] : [index] };
}
