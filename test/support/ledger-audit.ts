import type { Sql } from "postgres";

/**
 * What must hold of any ledger at any time, whatever happened to its writers. Looks at the tables themselves.
 * @param historyVersionsMax replaced versions that are kept per memory.
 * @returns one line per broken rule and row; empty: sound.
 */
export async function auditLedger(sql: Sql, historyVersionsMax = 10): Promise<string[]> {
  const rules: Record<string, Promise<{ what: string }[]>> = {
    "a live version has its document": sql`
      select v.memory_id || '@' || v.version as what from mnemosync.memory_versions v
      left join mnemosync.memories m using (namespace, memory_id)
      where v.deleted_at is null and m.memory_id is null`,
    "a tombstone has none, and no document is without a version": sql`
      select m.memory_id as what from mnemosync.memories m
      left join mnemosync.memory_versions v using (namespace, memory_id)
      where v.memory_id is null or v.deleted_at is not null`,
    "documents and vectors fit their checksums": sql`
      select v.memory_id || '@' || v.version as what from mnemosync.memory_versions v
      join mnemosync.memories m using (namespace, memory_id)
      where v.checksum is distinct from encode(
        sha256(convert_to(m.document::text, 'UTF8') || decode('00', 'hex') || coalesce(m.embedding, ''::bytea)), 'hex')`,
    "the history of a memory goes without a gap up to its current version": sql`
      select v.memory_id || '@' || v.version || ' with ' || count(h.version) || ' before it' as what
      from mnemosync.memory_versions v
      left join mnemosync.memory_history h using (namespace, memory_id)
      group by v.namespace, v.memory_id, v.version
      -- Older ones may still be there: they are pruned in the background.
      having count(h.version) filter (where h.version >= v.version - ${historyVersionsMax}::int)
               <> least(v.version - 1, ${historyVersionsMax}::int)
          or (v.version > 1 and ${historyVersionsMax}::int > 0 and max(h.version) is distinct from v.version - 1)`,
    "no body is without a current version, or newer than it": sql`
      select b.memory_id || '@' || b.version as what from mnemosync.memory_bodies b
      left join mnemosync.memory_versions v using (namespace, memory_id) where v.version is null or v.version < b.version`,
    "the body of a current version says of it what its row does": sql`
      select v.memory_id || '@' || v.version as what from mnemosync.memory_versions v
      left join mnemosync.memory_bodies b using (namespace, memory_id, version)
      where v.xid is null and (b.memory_id is null or b.tx_id <> v.tx_id or b.checksum is distinct from v.checksum
        or b.version_vector <> v.version_vector or b.modified_at <> v.modified_at or b.ended_by is distinct from v.ended_by
        or b.expires_at is distinct from v.expires_at or (b.embedding is not null) <> (v.has_embedding and v.checksum is not null))`,
    "a tombstone's body is empty": sql`
      select b.memory_id || '@' || b.version as what from mnemosync.memory_bodies b
      where b.checksum is null and (b.document is not null or b.embedding is not null)`,
    "every version was written by a transaction whose token names it": sql`
      select w.memory_id || '@' || w.version as what
      from (select namespace, memory_id, version, tx_id from mnemosync.memory_versions
            union all select namespace, memory_id, version, tx_id from mnemosync.memory_history) w
      where not exists (
        select 1 from mnemosync.sync_transactions t, unnest(t.namespaces, t.memory_ids, t.versions) as k (ns, id, version)
        where t.tx_id = w.tx_id and t.state <> 'rolled_back'
          and k.ns = w.namespace and k.id = w.memory_id and k.version = w.version)`,
    "every memory of a committed transaction was written by it": sql`
      select t.tx_id || ': ' || k.id || '@' || k.version as what
      from mnemosync.sync_transactions t, unnest(t.namespaces, t.memory_ids, t.versions) as k (ns, id, version)
      left join mnemosync.memory_versions v on v.namespace = k.ns and v.memory_id = k.id
      where t.state <> 'rolled_back' and (v.version is null or k.version >= v.version - ${historyVersionsMax}::int)
        and not exists (
          select 1 from (select namespace, memory_id, version, tx_id from mnemosync.memory_versions
                         union all select namespace, memory_id, version, tx_id from mnemosync.memory_history) w
          where w.namespace = k.ns and w.memory_id = k.id and w.version = k.version and w.tx_id = t.tx_id)`,
  };
  const broken: string[] = [];
  for (const [rule, rows] of Object.entries(rules)) {
    for (const { what } of await rows) broken.push(`${rule}: ${what}`);
  }
  return broken;
}
