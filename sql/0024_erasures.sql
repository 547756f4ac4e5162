-- Erasures: memories whose content leaves every store for good, and whose ids stay suppressed until they are revived.
-- Creates tables, and two indexes. The first reads `sync_transactions` once and holds failed transactions alone, which are
-- few; the second adds an entry per idempotency key. Writers wait while they are made.

-- A request and its receipt. It holds no content: `filter` may quote what is to be erased, so it is removed once the
-- memories are listed.
create table mnemosync.erasures (
    id           text        collate "C" not null,  -- ULID
    kind         text        not null,
    namespace    text        collate "C" not null,
    memory_id    text        collate "C",
    filter       json,
    actor        text,
    reason       text,
    node_id      text        collate "C" not null,  -- the node that took the request
    requested_at timestamptz not null default clock_timestamp(),
    attempted_at timestamptz,                       -- when a node began, or took it over, last
    list_after   text        collate "C",           -- the last memory id that was listed
    listed_at    timestamptz,                       -- all memories stand in `suppressed`
    scrubbed_at  timestamptz,                       -- the ledger holds none of their content
    proof        json,                              -- of the ledger: rows with content that were found, by table
    constraint erasures_pkey primary key (id),
    constraint erasures_kind check (kind in ('memory', 'namespace', 'filter')),
    constraint erasures_memory check ((memory_id is not null) = (kind = 'memory')),
    constraint erasures_filter check (filter is null or (kind = 'filter' and listed_at is null)),
    constraint erasures_proof check (proof is null or scrubbed_at is not null)
);
create index erasures_open_index on mnemosync.erasures (requested_at) where scrubbed_at is null;

-- The memories of erasures. What holds off writes is the memory's own row, `ended_by = 'erased'`, which stays for as long as
-- this one does: a write reads it anyway.
create table mnemosync.suppressed (
    namespace  text        collate "C" not null,
    memory_id  text        collate "C" not null,
    erasure_id text        collate "C" not null,  -- the latest one
    erased_at  timestamptz,                       -- null: listed, and not ended yet
    constraint suppressed_pkey primary key (namespace, memory_id)
);
create index suppressed_erasure_index on mnemosync.suppressed (erasure_id, memory_id);

-- Stores that looked for an erasure's memories and hold nothing of them, on their disks included.
create table mnemosync.erasure_confirmations (
    erasure_id   text        collate "C" not null,
    store        text        collate "C" not null,
    node_id      text        collate "C" not null,  -- empty for a store that all nodes share
    confirmed_at timestamptz not null default clock_timestamp(),
    memories     bigint      not null,              -- that were looked for
    removed      bigint      not null,              -- that were still there, and were removed
    constraint erasure_confirmations_pkey primary key (erasure_id, store, node_id)
);

-- Stores that have to confirm, with the node for one that each node has by itself.
create table mnemosync.erasure_stores (
    store   text        collate "C" not null,
    node_id text        collate "C" not null,
    seen_at timestamptz not null default clock_timestamp(),
    constraint erasure_stores_pkey primary key (store, node_id)
);

-- Why transactions were rolled back: an error may quote a memory.
create index sync_transactions_rolled_back_index on mnemosync.sync_transactions (created_at) where state = 'rolled_back';
create index idempotency_keys_transaction_index on mnemosync.idempotency_keys (tx_id);
