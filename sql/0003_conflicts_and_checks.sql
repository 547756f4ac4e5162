-- Every finding that was acted on, with the bytes that were found, kept before anything is overwritten or removed.
create table mnemosync.conflict_resolutions (
    id                bigint      generated always as identity,
    namespace         text        collate "C" not null,
    memory_id         text        collate "C" not null,
    store             text        not null,
    kind              text        not null,
    strategy          text        not null,
    state             text        not null,            -- pending: waits for a person, or its repair was cut short
    ledger_version    bigint,
    found_version     bigint,
    found_state       text,                            -- live, tombstone, malformed; null: nothing was there
    found_checksum    text,
    found_document    bytea,                           -- as found, which need not be valid JSON or UTF-8
    found_embedding   bytea,
    found_vector      text,
    ledger_document   json,
    ledger_embedding  bytea,
    evidence          text,
    detected_at       timestamptz not null default clock_timestamp(),
    resolved_at       timestamptz,
    resolution        text,                            -- what was done, or why it could not be
    constraint conflict_resolutions_pkey primary key (id),
    constraint conflict_resolutions_store check (store in ('postgres', 'redis', 'faiss')),
    constraint conflict_resolutions_state check (state in ('pending', 'resolved', 'failed'))
);
alter table mnemosync.conflict_resolutions alter column found_embedding set storage external;
alter table mnemosync.conflict_resolutions alter column ledger_embedding set storage external;
create index conflict_resolutions_memory_index on mnemosync.conflict_resolutions (namespace, memory_id);
create index conflict_resolutions_pending_index on mnemosync.conflict_resolutions (detected_at) where state = 'pending';

-- How far each check is, so that one that was killed can go on, and when the last one ended clean.
create table mnemosync.check_progress (
    scope         text        not null,
    node_id       text        collate "C" not null,
    position      jsonb,                               -- where to go on; null: not running
    checked       bigint      not null default 0,
    findings      bigint      not null default 0,
    started_at    timestamptz not null,
    finished_at   timestamptz,
    last_clean_at timestamptz,
    constraint check_progress_pkey primary key (scope, node_id)
);
