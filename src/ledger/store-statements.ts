import type { StoreId } from "../domain/store-id.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "./arrays.ts";

/** A shared store of the deployment, as table `stores` has it. */
export interface RegisteredStore {
  readonly id: StoreId;
  /** Whether it keeps memories without an embedding too. */
  readonly documents: boolean;
  /** Whether it was filled since it was registered. Until then it lacks memories, which is no drift. */
  readonly filled: boolean;
}

/** A node's registration of a store that it runs. */
export interface StoreRegistration {
  readonly id: StoreId;
  readonly holds: readonly ("documents" | "vectors")[];
}

/**
 * Makes shared stores known to all nodes. Of a known store only `holds` is updated. In a ledger without memories a new
 * store counts as filled.
 * @returns all shared stores of the deployment.
 */
export async function registerStores(sql: Sql, stores: readonly StoreRegistration[]): Promise<RegisteredStore[]> {
  const known = await listStores(sql);
  const missing = stores.filter(({ id, holds }) => {
    const row = known.find((candidate) => candidate.id === id);
    return row === undefined || row.documents !== holds.includes("documents");
  });
  // Nearly always: a start should not need the right to write.
  if (missing.length === 0) return known;
  for (const { id, holds } of missing) {
    await sql`
      insert into mnemosync.stores as s (id, holds, filled_at)
      values (${id}, ${arrayLiteral(holds)}::text::text[],
              case when not exists (select from mnemosync.memory_versions) then clock_timestamp() end)
      on conflict (id) do update set holds = excluded.holds where s.holds is distinct from excluded.holds`;
  }
  return await listStores(sql);
}

/** The shared stores of the deployment, by id. */
export async function listStores(sql: Sql): Promise<RegisteredStore[]> {
  return await sql<RegisteredStore[]>`
    select id, 'documents' = any (holds) as documents, filled_at is not null as filled from mnemosync.stores order by id`;
}

/** Marks a store as filled: it holds all memories from before its filling began, and later writes were queued for it. */
export async function markFilled(sql: Sql, id: StoreId): Promise<void> {
  await sql`update mnemosync.stores set filled_at = clock_timestamp() where id = ${id} and filled_at is null`;
}

/**
 * Takes a shared store out of the deployment, with its backlog. A node that still runs it registers it anew at its next
 * start. @returns whether it was there.
 */
export async function forgetStore(sql: Sql, id: StoreId): Promise<boolean> {
  const [row] = await sql<{ forgotten: number }[]>`
    with queue as (
      delete from mnemosync.sync_queue where store = ${id} and node_id = ''
    ), gone as (
      delete from mnemosync.stores where id = ${id} returning 1
    )
    select count(*)::int as forgotten from gone`;
  return (row?.forgotten ?? 0) > 0;
}
