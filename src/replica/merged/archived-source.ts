import type { ChangeSource, FeedHeader } from "../../domain/change-source.ts";
import { keyText, type MemoryKey, plainKey } from "../../domain/keys.ts";
import type { MemoryChange, PutChange } from "../../domain/memory.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import type { PastLedger } from "../../ledger/past-ledger.ts";
import type { PostgresReplicaReads } from "./postgres-replica-reads.ts";

/**
 * The replica's own feed, as an index reads it. With the archive a memory that expired stays in the index: it is told as the version
 * before its end, which the index has already, or takes.
 */
export function archivedSource(
  ledger: Ledger,
  past: PastLedger,
  archive: Pick<PostgresReplicaReads, "readArchived"> | null,
): ChangeSource {
  const archived = async (keys: readonly MemoryKey[], signal: AbortSignal): Promise<Map<string, PutChange>> =>
    archive === null || keys.length === 0 ? new Map() : await archive.readArchived(keys, signal);
  return {
    epoch: async (signal, seen) => (await past.prove(signal, seen)).epoch,
    mark: (signal) => past.mark(signal),
    changesAfter: async (cursor, limit, signal) => {
      const page = await ledger.changesAfter(cursor, limit, signal);
      const kept = await archived(page.headers.filter(({ deleted }) => deleted).map(plainKey), signal);
      const headers = page.headers.map((header): FeedHeader => {
        const change = kept.get(keyText(header));
        return change === undefined ? header : { ...plainKey(header), version: change.version, deleted: false };
      });
      return { ...page, headers };
    },
    currentChanges: async (keys, signal) => {
      const changes = await ledger.currentChanges(keys, signal);
      const ended = changes.flatMap((change) => (change?.kind === "tombstone" ? [plainKey(change)] : []));
      const kept = await archived(ended, signal);
      return changes.map((change): MemoryChange | null => change && (kept.get(keyText(change)) ?? change));
    },
  };
}
