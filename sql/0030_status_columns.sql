-- The view of statuses shows when a memory came into being, and why it ended. Replaces a view; rewrites nothing.

-- One row per memory. A store's version shows only when it is confirmed: its transaction is published and nothing of it
-- waits in the queue. A transaction whose row was pruned had been published. `pending`: committed and not published for
-- longer than 30 seconds, which is when nodes take such a transaction over unless they are set otherwise.
-- A row from before migration 19 has no time of its creation yet: it reads as in documents, the time of its version. A
-- tombstone from before does not say why it ended: a deletion, as everywhere.
create or replace view mnemosync.v_memory_sync_status as
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
           when t.state = 'committed' and t.created_at > clock_timestamp() - interval '30 seconds' then 'publishing'
           when t.state = 'committed' then 'pending'
           else 'synced'
       end as status,
       coalesce(v.created_at, v.modified_at) as created_at,
       case when v.deleted_at is not null then coalesce(v.ended_by, 'deleted') end as ended_by
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
