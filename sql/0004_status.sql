-- What operators and other programs read.

-- One row per memory. A store's version shows only when it is confirmed: its transaction is published and nothing of it
-- waits in the queue. A transaction whose row was pruned had been published.
create view mnemosync.v_memory_sync_status as
select v.namespace,
       v.memory_id,
       v.version,
       v.checksum,
       v.version_vector,
       case when t.state is distinct from 'committed' and q.redis is not true then v.redis_version end as redis_version,
       case when t.state is distinct from 'committed' and q.faiss is not true then v.faiss_version end as faiss_version,
       v.modified_at,
       v.deleted_at,
       v.expires_at,
       v.tx_id,
       case
           when c.waits then 'conflict'
           when q.dead then 'failed'
           when q.redis or q.faiss then 'degraded'
           when t.state = 'committed' then 'pending'
           else 'synced'
       end as status
from mnemosync.memory_versions v
left join mnemosync.sync_transactions t on t.tx_id = v.tx_id
left join lateral (
    select bool_or(store = 'redis') as redis, bool_or(store = 'faiss') as faiss, bool_or(dead_at is not null) as dead
    from mnemosync.sync_queue
    where namespace = v.namespace and memory_id = v.memory_id
) q on true
left join lateral (
    select true as waits
    from mnemosync.conflict_resolutions
    where namespace = v.namespace and memory_id = v.memory_id and state = 'pending'
    limit 1
) c on true;

-- The whole at a glance, in one row. Ages are seconds.
create function mnemosync.get_sync_statistics()
returns table (
    memories                 bigint,
    tombstones               bigint,
    history_versions         bigint,
    transactions_unpublished bigint,
    oldest_unpublished_age   double precision,
    queue_pending            bigint,
    queue_failed             bigint,  -- tried at least once without success, and still being tried
    queue_dead               bigint,
    oldest_queued_age        double precision,
    conflicts_pending        bigint,
    last_clean_check_at      timestamptz
)
language sql stable
as $$
    select
        (select count(*) from mnemosync.memory_versions where deleted_at is null),
        (select count(*) from mnemosync.memory_versions where deleted_at is not null),
        (select count(*) from mnemosync.memory_history),
        t.unpublished, t.oldest,
        q.pending, q.failed, q.dead, q.oldest,
        (select count(*) from mnemosync.conflict_resolutions where state = 'pending'),
        (select max(last_clean_at) from mnemosync.check_progress)
    from (
        select count(*) as unpublished, extract(epoch from clock_timestamp() - min(created_at))::float8 as oldest
        from mnemosync.sync_transactions where state = 'committed'
    ) t, (
        select count(*) filter (where dead_at is null) as pending,
               count(*) filter (where dead_at is null and attempts > 0) as failed,
               count(*) filter (where dead_at is not null) as dead,
               extract(epoch from clock_timestamp() - min(enqueued_at) filter (where dead_at is null))::float8 as oldest
        from mnemosync.sync_queue
    ) q
$$;

-- What the ledger alone can say of one memory: whether its data still fits its checksum, and how far the stores are.
-- No row: the ledger does not know the memory.
create function mnemosync.check_memory_consistency(p_namespace text, p_memory_id text)
returns table (
    version           bigint,
    recorded_checksum text,
    computed_checksum text,
    intact            boolean,
    redis_version     bigint,
    faiss_version     bigint,
    status            text,
    deleted           boolean
)
language sql stable
as $$
    select s.version, s.checksum, c.computed,
           case when s.deleted_at is null then coalesce(c.computed = s.checksum, false) else m.memory_id is null end,
           s.redis_version, s.faiss_version, s.status, s.deleted_at is not null
    from mnemosync.v_memory_sync_status s
    left join mnemosync.memories m using (namespace, memory_id)
    left join lateral (
        select encode(sha256(convert_to(m.document::text, 'UTF8') || '\x00'::bytea || coalesce(m.embedding, ''::bytea)), 'hex')
            as computed
        where m.memory_id is not null
    ) c on true
    where s.namespace = p_namespace and s.memory_id = p_memory_id
$$;
