import type { Condition } from "../domain/filter/filter.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { wideRow } from "./body-rows.ts";
import { whereCondition } from "./where.ts";

/**
 * Whether a memory is alive, nothing of it is withheld from readers outside of the deployment, and it passes a filter.
 * @param where null: every memory passes.
 */
export async function isToldWhole(
  sql: Sql,
  { namespace, memoryId }: MemoryKey,
  where: Condition | null,
): Promise<boolean> {
  const [row] = await sql<{ told: boolean }[]>`
    select exists (
      select from mnemosync.memory_versions v
      cross join lateral ${wideRow(sql)} m
      cross join lateral (select m.document::jsonb as document) d
      where v.namespace = ${namespace}::text and v.memory_id = ${memoryId}::text and v.deleted_at is null
        and m.document ->> 'privacy' = 'full' and ${where === null ? sql`true` : whereCondition(sql, where)}
    ) as told`;
  return row?.told ?? false;
}
