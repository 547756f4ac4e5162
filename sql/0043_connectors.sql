-- Connectors to other services: definitions that were made over the API, what each connector knows between its runs, and its
-- runs. Creates tables, and adds two columns to `job_schedules`, for which it is locked for a moment; no row is rewritten.

-- Definitions of the settings file are not here: the file has them.
create table mnemosync.connectors (
    id         text        collate "C" not null,
    definition json        not null,              -- without its secrets
    secrets    bytea,                             -- encrypted (AES-256-GCM); null: it has none, or names environment variables only
    revision   bigint      not null default 1,    -- grows with each replacement
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    constraint connectors_pkey primary key (id)
);

-- One row per state. A connector has one, under its id. One that reads a service and writes to another has two: that of its
-- second half is named `<id>/to`.
create table mnemosync.connector_states (
    connector      text        collate "C" not null,
    run_id         text        collate "C",        -- the run that has the connector; null: none
    writer         text        collate "C",        -- the process of that run which may write: another one changes nothing
    cursor         json,                           -- where the next run reads on; null: at the start
    reading        text        collate "C",        -- a sink's reading of the whole feed that is under way
    transform      text        collate "C",        -- the version of the transform that made all of a sink's texts
    paused_at      timestamptz,
    paused_because text,                           -- 'operator', or 'authentication': the service refused the key
    failures       integer     not null default 0, -- runs in a row that failed
    succeeded_at   timestamptz,                    -- when a run last ended well, or in part
    constraint connector_states_pkey primary key (connector),
    constraint connector_states_paused check ((paused_at is null) = (paused_because is null)),
    constraint connector_states_writer check ((run_id is null) = (writer is null))
);

-- The newest 1,000 of each connector.
create table mnemosync.connector_runs (
    connector     text        collate "C" not null,
    id            text        collate "C" not null,  -- ULID: that of the job
    seq           bigint      generated always as identity,
    state         text        not null,
    scope         text        not null,
    counts        json        not null,
    started_at    timestamptz not null,
    ended_at      timestamptz,
    cursor_before json,
    cursor_after  json,
    error         json,
    constraint connector_runs_pkey primary key (connector, id),
    constraint connector_runs_state check (state in ('running', 'succeeded', 'partial', 'failed', 'cancelled', 'interrupted')),
    constraint connector_runs_ended check ((ended_at is null) = (state = 'running'))
);
create index connector_runs_newest_index on mnemosync.connector_runs (connector, seq desc);

-- What a source knows of the items that it has dealt with.
create table mnemosync.connector_items (
    connector text collate "C" not null,
    id        text collate "C" not null,  -- at the service
    memory_id text collate "C" not null,
    hash      text collate "C" not null,
    seen_in   text collate "C" not null,  -- the run that saw it last
    state     text not null,
    constraint connector_items_pkey primary key (connector, id),
    constraint connector_items_state check (state in ('imported', 'erased', 'refused', 'deleted'))
);

-- Items that could not be stored. The payload is a memory's content: an erasure removes the row.
create table mnemosync.connector_dead_letters (
    connector text        collate "C" not null,
    item_id   text        collate "C" not null,
    seq       bigint      generated always as identity,
    namespace text        collate "C" not null,
    memory_id text        collate "C" not null,
    code      text        not null,
    reason    text        not null,
    attempts  integer     not null default 1,
    at        timestamptz not null,
    payload   text        not null,
    constraint connector_dead_letters_pkey primary key (connector, item_id)
);
create index connector_dead_letters_memory_index on mnemosync.connector_dead_letters (namespace, memory_id);

-- What a sink knows of each memory that it sends. It has no content.
create table mnemosync.connector_records (
    connector text    collate "C" not null,
    namespace text    collate "C" not null,
    memory_id text    collate "C" not null,
    moved     bigint  generated always as identity,  -- grows with each look: the longest waiting comes first
    version   bigint  not null,
    wanted    bigint  not null,
    ends      boolean not null,
    hash      text    collate "C",
    name      text    collate "C",
    state     text    not null,
    receipt   json,
    old       json    not null,                      -- lists of names
    doomed    json    not null,
    is_doomed boolean not null,                      -- whether `doomed` names any
    reason    text,
    seen_in   text    collate "C" not null,
    constraint connector_records_pkey primary key (connector, namespace, memory_id),
    constraint connector_records_state check (state in ('queued', 'sent', 'delivered', 'failed', 'gone'))
);
create index connector_records_state_index on mnemosync.connector_records (connector, state, moved);
create index connector_records_doomed_index on mnemosync.connector_records (connector, moved) where is_doomed;

-- Which job writes to a service that takes one writer at a time. It holds while the job runs.
create table mnemosync.connector_writers (
    service text collate "C" not null,  -- its address
    job_id  text collate "C" not null,
    constraint connector_writers_pkey primary key (service)
);

-- Milliseconds after its time at which a schedule is due, chosen once up to `jitter_ms`: schedules of one time do not meet.
alter table mnemosync.job_schedules
    add column jitter_ms bigint not null default 0,
    add column delay_ms  bigint not null default 0,
    add constraint job_schedules_delay check (delay_ms between 0 and jitter_ms);
