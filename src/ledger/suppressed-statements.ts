import type { MemoryKey } from "../domain/keys.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";

/** An erased memory whose id is suppressed. Its time is milliseconds since 1970. */
export interface SuppressedRow extends MemoryKey {
  /** The latest erasure of it. */
  readonly erasureId: string;
  /** Null: it is listed, and its erasure has not reached it yet. */
  readonly erasedAt: number | null;
}

/** Suppressed ids of a namespace, or of all, behind `after`, in the order of keys. A part of the primary key. */
export async function listSuppressed(
  sql: Sql,
  namespace: string | null,
  after: MemoryKey | null,
  limit: number,
): Promise<SuppressedRow[]> {
  const behind =
    namespace === null
      ? sql`(s.namespace, s.memory_id) > (${after?.namespace ?? ""}::text, ${after?.memoryId ?? ""}::text)`
      : sql`s.namespace = ${namespace}::text and s.memory_id > ${after?.memoryId ?? ""}::text`;
  return await sql<SuppressedRow[]>`
    select s.namespace, s.memory_id as "memoryId", s.erasure_id as "erasureId",
           extract(epoch from s.erased_at)::float8 * 1000 as "erasedAt"
    from mnemosync.suppressed s
    where ${behind}
    order by s.namespace, s.memory_id
    limit ${limit}`;
}
