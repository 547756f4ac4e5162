import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "./arrays.ts";

/** A store's word that it holds nothing of an erasure. */
export interface ErasureConfirmation {
  readonly store: string;
  /** Empty for a shared store. */
  readonly nodeId: string;
  readonly confirmedAt: number;
  readonly memories: number;
  readonly removed: number;
}

/** A store that has not confirmed yet. */
export interface AwaitedStore {
  readonly store: string;
  readonly nodeId: string;
}

/** Makes stores known that have to confirm each erasure. `seen_at` says when a node ran them last. */
export async function registerErasureStores(sql: Sql, stores: readonly AwaitedStore[]): Promise<void> {
  const known = await sql<AwaitedStore[]>`
    select store, node_id as "nodeId" from mnemosync.erasure_stores
    where seen_at between clock_timestamp() - interval '1 minute' and clock_timestamp()`;
  const isKnown = (own: AwaitedStore): boolean =>
    known.some(({ store, nodeId }) => store === own.store && nodeId === own.nodeId);
  if (stores.every(isKnown)) return;
  await sql`
    insert into mnemosync.erasure_stores as s (store, node_id)
    select k.store, k.node_id
    from unnest(${arrayLiteral(stores.map(({ store }) => store))}::text::text[],
                ${arrayLiteral(stores.map(({ nodeId }) => nodeId))}::text::text[]) as k (store, node_id)
    order by k.store collate "C", k.node_id collate "C"
    on conflict (store, node_id) do update set seen_at = excluded.seen_at`;
}

/** Erasures that a store has to confirm, oldest first, behind `after`. */
export async function listUnconfirmed(sql: Sql, store: AwaitedStore, after: string, limit: number): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select e.id from mnemosync.erasures e
    where e.scrubbed_at is not null and e.id > ${after} and not exists (
      select from mnemosync.erasure_confirmations c
      where c.erasure_id = e.id and c.store = ${store.store} and c.node_id = ${store.nodeId})
    order by e.id
    limit ${limit}`;
  return rows.map(({ id }) => id);
}

export async function confirmErasure(
  sql: Sql,
  id: string,
  confirmation: Omit<ErasureConfirmation, "confirmedAt">,
): Promise<void> {
  const { store, nodeId, memories, removed } = confirmation;
  await sql`
    insert into mnemosync.erasure_confirmations (erasure_id, store, node_id, memories, removed)
    values (${id}, ${store}, ${nodeId}, ${memories}, ${removed})
    on conflict (erasure_id, store, node_id) do update
    set confirmed_at = excluded.confirmed_at, memories = excluded.memories, removed = excluded.removed`;
}
