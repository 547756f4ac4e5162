import type { Redis } from "ioredis";
import type postgres from "postgres";
import type { FaissProjection } from "../../src/index.ts";

/** What the three stores hold of one memory, by their own account. Null: nothing, or a tombstone. */
export interface Held {
  readonly ledger: { version: number; checksum: string | null; content: string | null; transactionId: string } | null;
  readonly redis: number | null;
  readonly faiss: number | null;
}

export interface LookedAt {
  readonly sql: postgres.Sql;
  readonly redis: Redis;
  /** Null: there is no vector index. */
  readonly index: FaissProjection | null;
  readonly redisKey: (memoryId: string) => string;
}

/** What each store holds of these memories right now, in the default namespace. */
export async function lookAt(
  { sql, redis, index, redisKey }: LookedAt,
  memoryIds: readonly string[],
): Promise<Map<string, Held>> {
  const keys = memoryIds.map((memoryId) => ({ namespace: "default", memoryId }));
  const [rows, hashes, entries] = await Promise.all([
    sql<{ id: string; version: number; checksum: string | null; content: string | null; tx: string }[]>`
      select v.memory_id as id, v.version::int as version, v.checksum, m.document->>'content' as content, v.tx_id as tx
      from mnemosync.memory_versions v left join mnemosync.memory_bodies m using (namespace, memory_id, version)
      where v.memory_id in ${sql(memoryIds)}`,
    Promise.all(memoryIds.map((memoryId) => redis.hmget(redisKey(memoryId), "version", "deleted"))),
    index?.read(keys, { data: false }, AbortSignal.timeout(60_000)) ?? [],
  ]);
  return new Map(
    memoryIds.map((memoryId, position) => {
      const row = rows.find(({ id }) => id === memoryId);
      const [version, deleted] = hashes[position] ?? [];
      const entry = entries[position] ?? null;
      return [
        memoryId,
        {
          ledger: row ? { ...row, transactionId: row.tx } : null,
          redis: version == null || deleted != null ? null : Number(version),
          faiss: entry?.state === "live" ? entry.version : null,
        },
      ];
    }),
  );
}
