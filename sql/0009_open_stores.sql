-- The set of stores is open: no table, view or function names one. Rewrites `memory_versions` once (its rows are narrow)
-- and holds an exclusive lock on it meanwhile. A program from before this migration refuses the database afterwards.

-- The shared stores of this deployment. A node that takes over an overdue transaction queues it for every one of them,
-- also for one that it doesn't run itself. Stores of one node (`scope = 'node'`) follow the change feed and don't stand here.
create table mnemosync.stores (
    id            text        collate "C" not null,
    holds         text[]      not null,              -- 'documents', 'vectors'
    registered_at timestamptz not null default clock_timestamp(),
    filled_at     timestamptz,                       -- null: registered anew and not filled yet, so not checked
    constraint stores_pkey primary key (id),
    constraint stores_id_reserved check (id not in ('postgres', 'import')),
    constraint stores_holds check (holds <@ array['documents', 'vectors'] and cardinality(holds) > 0)
);

drop function mnemosync.check_memory_consistency(text, text);
drop view mnemosync.v_memory_sync_status;
drop index mnemosync.memory_versions_digest_index;

-- A database that was in use before had Redis as its one shared store, filled.
insert into mnemosync.stores (id, holds, filled_at)
select 'redis', array['documents', 'vectors'], clock_timestamp()
where exists (select from mnemosync.memory_versions) or exists (select from mnemosync.sync_transactions);

-- Both in one command, so that the table is rewritten once.
alter table mnemosync.memory_versions
    alter column redis_version type jsonb using jsonb_strip_nulls(
        jsonb_build_object('redis', redis_version, 'faiss', faiss_version)),
    alter column faiss_version type boolean using faiss_version is not null;
-- What each store holds once the transaction is published, by store id. A store that is absent has no use for the memory,
-- or was registered later.
alter table mnemosync.memory_versions rename column redis_version to store_versions;
-- Whether this version has an embedding; of a tombstone, whether the version before it had one.
alter table mnemosync.memory_versions rename column faiss_version to has_embedding;
alter table mnemosync.memory_versions
    alter column store_versions set default '{}',
    alter column store_versions set not null,
    alter column has_embedding set not null;

create index memory_versions_digest_index on mnemosync.memory_versions (bucket, namespace, memory_id)
    include (digest, has_embedding);

alter table mnemosync.sync_queue drop constraint sync_queue_store;
alter table mnemosync.conflict_resolutions drop constraint conflict_resolutions_store;
alter table mnemosync.check_findings drop constraint check_findings_store;

-- One row per memory. A store's version shows only when it is confirmed: its transaction is published and nothing of it
-- waits in the queue. A transaction whose row was pruned had been published.
create view mnemosync.v_memory_sync_status as
select v.namespace,
       v.memory_id,
       v.version,
       v.checksum,
       v.version_vector,
       case when t.state is distinct from 'committed'
            then (v.store_versions || coalesce(f.filled, '{}')) - coalesce(q.stores, '{}')
            else '{}'::jsonb end as store_versions,
       v.has_embedding,
       v.modified_at,
       v.deleted_at,
       v.expires_at,
       v.tx_id,
       case
           when c.waits then 'conflict'
           when q.dead then 'failed'
           when q.stores is not null then 'degraded'
           when t.state = 'committed' then 'pending'
           else 'synced'
       end as status
from mnemosync.memory_versions v
left join mnemosync.sync_transactions t on t.tx_id = v.tx_id
left join lateral (
    -- A store that was registered after the memory was written has had it since it was filled.
    select jsonb_object_agg(s.id, v.version) as filled
    from mnemosync.stores s
    where s.filled_at is not null and ('documents' = any (s.holds) or v.has_embedding)
) f on true
left join lateral (
    select array_agg(store) as stores, bool_or(dead_at is not null) as dead
    from mnemosync.sync_queue
    where namespace = v.namespace and memory_id = v.memory_id
) q on true
left join lateral (
    select true as waits
    from mnemosync.conflict_resolutions
    where namespace = v.namespace and memory_id = v.memory_id and state = 'pending'
      and (pending_because is not null or strategy = 'manual')
    limit 1
) c on true;

-- What the ledger alone can say of one memory: whether its data still fits its checksum, and how far the stores are.
-- No row: the ledger does not know the memory.
create function mnemosync.check_memory_consistency(p_namespace text, p_memory_id text)
returns table (
    version           bigint,
    recorded_checksum text,
    computed_checksum text,
    intact            boolean,
    store_versions    jsonb,
    status            text,
    deleted           boolean
)
language sql stable
as $$
    select s.version, s.checksum, c.computed,
           case when s.deleted_at is null then coalesce(c.computed = s.checksum, false) else m.memory_id is null end,
           s.store_versions, s.status, s.deleted_at is not null
    from mnemosync.v_memory_sync_status s
    left join mnemosync.memories m using (namespace, memory_id)
    left join lateral (
        select encode(sha256(convert_to(m.document::text, 'UTF8') || '\x00'::bytea || coalesce(m.embedding, ''::bytea)), 'hex')
            as computed
        where m.memory_id is not null
    ) c on true
    where s.namespace = p_namespace and s.memory_id = p_memory_id
$$;
