import type postgres from "postgres";

/**
 * Puts a ledger back into the tables that migration 19 found: whole rows in `memories` and `memory_history`, places in the
 * feed on `memory_versions`. The next connect migrates it again. Versions without a place in the feed must be replaced ones.
 */
export async function backToOldTables(sql: postgres.Sql): Promise<void> {
  await sql.begin(async (tx) => {
    await tx.unsafe(`
      drop view mnemosync.memories, mnemosync.memory_history;
      alter table mnemosync.unmoved_documents rename to memories;
      alter table mnemosync.memories rename constraint unmoved_documents_pkey to memories_pkey;
      alter table mnemosync.unmoved_history rename to memory_history;
      alter table mnemosync.memory_history rename constraint unmoved_history_pkey to memory_history_pkey;
      insert into mnemosync.memories (namespace, memory_id, document, embedding)
      select v.namespace, v.memory_id, b.document, b.embedding
      from mnemosync.memory_versions v join mnemosync.memory_bodies b using (namespace, memory_id, version)
      where b.document is not null;
      insert into mnemosync.memory_history
        (namespace, memory_id, version, checksum, document, embedding, version_vector, modified_at, deleted_at, tx_id)
      select b.namespace, b.memory_id, b.version, b.checksum, b.document, b.embedding, b.version_vector, b.modified_at,
             case when b.checksum is null then b.modified_at end, b.tx_id
      from mnemosync.memory_versions v join mnemosync.memory_bodies b using (namespace, memory_id)
      where b.version < v.version;
      update mnemosync.memory_versions v set xid = b.xid, seq = b.seq from mnemosync.memory_bodies b
      where b.namespace = v.namespace and b.memory_id = v.memory_id and b.version = v.version and v.xid is null;
      drop table mnemosync.memory_bodies, mnemosync.version_floors;
      drop index if exists mnemosync.memory_versions_unmoved_index, mnemosync.memory_versions_feed_index;
      alter table mnemosync.memory_versions
        drop column created_at cascade, drop column ended_by cascade,
        alter column xid set not null, alter column xid set default pg_current_xact_id(),
        alter column seq set not null, alter column seq set default nextval('mnemosync.change_seq');
      create unique index memory_versions_feed_index on mnemosync.memory_versions (xid, seq);
      drop function mnemosync.refuse_older_program();
      delete from mnemosync.sync_meta where name = 'history_pruned_through';
      delete from mnemosync.schema_migrations where number in (19, 20, 30)`);
  });
}
