-- One row per transaction. It is the commit token (no row, no commit) and the outbox entry: whoever finds it `committed`
-- past its deadline publishes its memories again, from their current versions.
create table mnemosync.sync_transactions (
    tx_id           text        collate "C" not null,  -- ULID
    xid             xid8        not null default pg_current_xact_id(),
    state           text        not null,
    node_id         text        not null,
    namespaces      text[]      not null,              -- these three run in parallel: one element per memory
    memory_ids      text[]      not null,
    versions        bigint[]    not null,
    created_at      timestamptz not null default clock_timestamp(),
    published_at    timestamptz,
    reason          text,                              -- why it was rolled back
    idempotency_key text        collate "C",
    outcomes        jsonb,                             -- the first answer, for a repeat under the same key
    constraint sync_transactions_pkey primary key (tx_id),
    constraint sync_transactions_state check (state in ('committed', 'published', 'rolled_back')),
    constraint sync_transactions_idempotency_key_unique unique (idempotency_key)
);
-- The backlog's question, and the pruning of old rows.
create index sync_transactions_unpublished_index on mnemosync.sync_transactions (created_at) where state = 'committed';
create index sync_transactions_created_index on mnemosync.sync_transactions (created_at);

-- One row per memory that some store may not have yet, and whose transaction is settled otherwise. Says *that* the store
-- is to be brought up to date, not with what: the current version is published, so rows coalesce per memory.
create table mnemosync.sync_queue (
    store           text        not null,
    node_id         text        collate "C" not null,  -- empty for a store that all nodes share
    namespace       text        collate "C" not null,
    memory_id       text        collate "C" not null,
    seq             bigint      not null default nextval('mnemosync.change_seq'),  -- renewed when queued again
    enqueued_at     timestamptz not null default clock_timestamp(),
    attempts        integer     not null default 0,    -- counted before the attempt is made
    next_attempt_at timestamptz not null default clock_timestamp(),
    claimed_until   timestamptz,                       -- null or past: free to claim
    claimed_by      text,
    last_error      text,
    dead_at         timestamptz,                       -- given up on; kept until replayed or dropped
    constraint sync_queue_pkey primary key (store, node_id, namespace, memory_id),
    constraint sync_queue_store check (store in ('redis', 'faiss'))
);
create index sync_queue_due_index on mnemosync.sync_queue (store, node_id, next_attempt_at) where dead_at is null;
-- The status view's question.
create index sync_queue_memory_index on mnemosync.sync_queue (namespace, memory_id);
