-- Checks that resume, conflicts that wait for a decision, and who may check. Writers wait while the index is made.

-- What a side said beyond its document, so that a loser can be read, and put back, as a whole.
alter table mnemosync.conflict_resolutions
    add column pending_because   text,         -- why it waits for somebody; null while a repair is under way
    add column ledger_checksum   text,
    add column ledger_vector     text,         -- the ledger's version vector, as JSON
    add column ledger_modified_at timestamptz,
    add column found_modified_at timestamptz;

alter table mnemosync.check_progress
    add column run_id     text collate "C",    -- the run that writes here: a late checkpoint of another changes nothing
    add column updated_at timestamptz;

-- What the latest check of a scope found, as far as it has come.
create table mnemosync.check_findings (
    scope            text   not null,
    node_id          text   collate "C" not null,
    namespace        text   collate "C" not null,
    memory_id        text   collate "C" not null,
    store            text   not null,
    kind             text   not null,
    expected_version bigint,
    found_version    bigint,
    evidence         text   not null,
    constraint check_findings_pkey primary key (scope, node_id, namespace, memory_id, store),
    constraint check_findings_store check (store in ('postgres', 'redis', 'faiss'))
);

-- Roles that one node at a time may have. A row rather than a session's advisory lock: that one breaks under connection
-- pooling by transaction, and outlives a node whose network is cut for as long as TCP does not notice.
create table mnemosync.leases (
    name       text        collate "C" not null,
    holder     text        collate "C" not null,
    expires_at timestamptz not null,
    constraint leases_pkey primary key (name)
);

-- With what both projections' digests need, so that neither looks at the table itself.
create index memory_versions_digest_index on mnemosync.memory_versions (bucket, namespace, memory_id)
    include (digest, faiss_version);
drop index mnemosync.memory_versions_bucket_index;

-- A row that is pending because its repair is under way, or was cut short, is no conflict that waits for somebody.
create or replace view mnemosync.v_memory_sync_status as
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
      and (pending_because is not null or strategy = 'manual')
    limit 1
) c on true;

-- As before, but: only what looked at everything says when all was last seen to be clean.
create or replace function mnemosync.get_sync_statistics()
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
        (select count(*) from mnemosync.conflict_resolutions
         where state = 'pending' and (pending_because is not null or strategy = 'manual')),
        (select max(last_clean_at) from mnemosync.check_progress where scope in ('full', 'deep', 'sweep'))
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
