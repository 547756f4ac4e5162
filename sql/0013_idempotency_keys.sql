-- Idempotency keys have a table of their own: a key belongs to a namespace and a caller, is bound to a fingerprint of its
-- request, and is kept for a time of its own. Moves the keys of `sync_transactions`, and drops their columns there: a
-- program from before this migration refuses the database afterwards.
create table mnemosync.idempotency_keys (
    namespace   text        collate "C" not null,  -- a write over several namespaces has a row in each of them
    caller      text        collate "C" not null,  -- empty: the caller gave no name
    key         text        collate "C" not null,
    part        integer     not null,              -- of a batch of many transactions: the number of the chunk, from 0
    fingerprint text        collate "C",           -- null: the key is from before this migration
    tx_id       text        collate "C" not null,  -- no foreign key: the row outlives the transaction's
    answer      jsonb,                             -- of the first call; null only inside its transaction
    created_at  timestamptz not null default clock_timestamp(),
    constraint idempotency_keys_pkey primary key (namespace, caller, key, part),
    constraint idempotency_keys_part check (part >= 0)
);
-- The pruning of old rows.
create index idempotency_keys_created_index on mnemosync.idempotency_keys (created_at);
-- The look for keys from before this migration, which had neither a caller nor, where nothing was written, a namespace.
create index idempotency_keys_old_index on mnemosync.idempotency_keys (key, part) where fingerprint is null;

insert into mnemosync.idempotency_keys (namespace, caller, key, part, tx_id, answer, created_at)
select n.namespace, '', split_part(t.idempotency_key, '/', 1),
       coalesce(nullif(split_part(t.idempotency_key, '/', 2), '')::integer, 0),
       t.tx_id, coalesce(t.outcomes, '[]'), t.created_at
from mnemosync.sync_transactions t
cross join lateral (
    select distinct namespace from unnest(t.namespaces) as u (namespace)
    union all
    select '' where cardinality(t.namespaces) = 0
) n
where t.idempotency_key is not null and t.state <> 'rolled_back';

alter table mnemosync.sync_transactions drop column idempotency_key, drop column outcomes;
