-- Work that outlives its request and its process: checks, repairs, filling a new store. Creates only; takes no lock on data.
-- All times are of the server's clock, so that nodes whose clocks differ agree on what is due and whose lease has expired.

create table mnemosync.jobs (
    id                  text        collate "C" not null,  -- ULID
    kind                text        collate "C" not null,
    state               text        not null,
    input               json        not null,              -- json, not jsonb: evidence may hold \u0000, which jsonb refuses
    exclusive           text        collate "C",           -- at most one open job has this value; null: any number may
    store               text        collate "C",           -- the store that a node must have to run it; null: any node
    schedule            text        collate "C",           -- the schedule that made it; null: a caller did
    resumable           boolean     not null,              -- another node takes it over when its lease expires
    attempts            integer     not null default 0,    -- times that a node began or took over
    progress            json        not null default '{}',
    checkpoint          json,                              -- where a takeover goes on; null: at the start
    result              json,
    error               json,                              -- {"code", "message"} of a failed job
    node_id             text        collate "C",           -- the node that runs it, or ran it last
    run_id              text        collate "C",           -- the run that may write: another one changes nothing
    lease_expires_at    timestamptz,
    cancel_requested_at timestamptz,
    created_at          timestamptz not null default clock_timestamp(),
    started_at          timestamptz,
    ended_at            timestamptz,
    constraint jobs_pkey primary key (id),
    constraint jobs_state check (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
    constraint jobs_ended check ((ended_at is not null) = (state in ('done', 'failed', 'cancelled'))),
    constraint jobs_leased check ((lease_expires_at is not null) = (state = 'running')),
    constraint jobs_failed check ((error is not null) = (state = 'failed')),
    constraint jobs_attempts check (attempts >= 0)
);

-- No overlap, on whichever nodes: the second of two jobs with one value can't be inserted while the first is open.
create unique index jobs_exclusive_index on mnemosync.jobs (exclusive) where ended_at is null and exclusive is not null;
-- The runner's question, every few seconds on each node: which jobs wait, and which have lost their node.
create index jobs_open_index on mnemosync.jobs (created_at) where ended_at is null;
-- The history: newest first, and what is past its retention.
create index jobs_ended_index on mnemosync.jobs (ended_at) where ended_at is not null;

create table mnemosync.job_schedules (
    name        text        collate "C" not null,
    kind        text        collate "C" not null,
    input       json        not null,
    interval_ms bigint,
    cron        text,
    time_zone   text,                  -- IANA name, of the cron expression
    due_at      timestamptz not null,  -- stays in the past while the previous run is open: a missed run happens once
    ahead_ms    bigint      not null,  -- from when due_at was set until then; further ahead than that: the clock went back
    last_job_id text        collate "C",
    created_at  timestamptz not null default clock_timestamp(),
    constraint job_schedules_pkey primary key (name),
    constraint job_schedules_rhythm check (num_nonnulls(interval_ms, cron) = 1),
    constraint job_schedules_time_zone check ((time_zone is not null) = (cron is not null)),
    constraint job_schedules_interval check (interval_ms >= 1000)
);
