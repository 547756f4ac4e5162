-- A ledger written by mnemosync 0.1.0 at migration 0008. Made by scripts/write-old-stores.mjs, not to be edited.
create schema mnemosync;
create table mnemosync.schema_migrations (number integer not null, name text not null, sha256 text not null,
    applied_at timestamptz not null default clock_timestamp(), constraint schema_migrations_pkey primary key (number));
-- sql/0001_memories.sql
-- The memories themselves: what they say (wide) and what state they are in (narrow), apart, so that listing, comparing
-- and locking never read a document or a vector. A tombstone has a narrow row and no wide one.

-- Order of writing. Never resume from "seq > last seen" alone: transactions commit in another order than they write.
create sequence mnemosync.change_seq;

create table mnemosync.memory_versions (
    namespace      text        collate "C" not null,
    memory_id      text        collate "C" not null,
    version        bigint      not null,
    checksum       text        collate "C",           -- 64 hex digits; null for a tombstone
    digest         bigint,                            -- entry digest, as a signed number; null for a tombstone
    bucket         integer     not null,
    version_vector jsonb       not null,
    redis_version  bigint,                            -- what the store holds once the transaction is published,
    faiss_version  bigint,                            -- null: nothing of this memory belongs there
    modified_at    timestamptz not null,
    deleted_at     timestamptz,
    expires_at     timestamptz,
    tx_id          text        collate "C" not null,  -- the transaction that wrote this version
    xid            xid8        not null,              -- the same, as Postgres counts: orders the change feed
    seq            bigint      not null,
    constraint memory_versions_pkey primary key (namespace, memory_id),
    constraint memory_versions_version_positive check (version > 0),
    constraint memory_versions_tombstone check ((deleted_at is null) = (checksum is not null)),
    constraint memory_versions_bucket_range check (bucket between 0 and 65535)
);

-- The change feed: who is behind a cursor.
create unique index memory_versions_feed_index on mnemosync.memory_versions (xid, seq);
-- Bucket digests by an index-only scan, and the entries of the buckets that differ.
create index memory_versions_bucket_index on mnemosync.memory_versions (bucket, namespace, memory_id) include (digest);
-- The sweeper's question: what has expired and is not a tombstone yet.
create index memory_versions_expiry_index on mnemosync.memory_versions (expires_at)
    where expires_at is not null and deleted_at is null;

create table mnemosync.memories (
    namespace text collate "C" not null,
    memory_id text collate "C" not null,
    document  json not null,  -- json keeps the canonical text as it was checksummed; jsonb would spell it anew
    embedding bytea,          -- float32, little-endian
    constraint memories_pkey primary key (namespace, memory_id)
);
-- Random floats don't compress: trying costs more than it saves.
alter table mnemosync.memories alter column embedding set storage external;

-- What was replaced: written in the transaction that replaces it. A row without a document is a replaced tombstone.
create table mnemosync.memory_history (
    namespace      text        collate "C" not null,
    memory_id      text        collate "C" not null,
    version        bigint      not null,
    checksum       text        collate "C",
    document       json,
    embedding      bytea,
    version_vector jsonb       not null,
    modified_at    timestamptz not null,
    deleted_at     timestamptz,
    tx_id          text        collate "C" not null,
    replaced_at    timestamptz not null default clock_timestamp(),
    constraint memory_history_pkey primary key (namespace, memory_id, version)
);
alter table mnemosync.memory_history alter column embedding set storage external;

-- Facts about this database as a whole.
create table mnemosync.sync_meta (
    name  text collate "C" not null,
    value text not null,
    constraint sync_meta_pkey primary key (name)
);
-- Names this history: cursors kept elsewhere are worthless against another one.
insert into mnemosync.sync_meta (name, value) values ('store_epoch', gen_random_uuid()::text);
-- sql/0002_transactions.sql
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
-- sql/0003_conflicts_and_checks.sql
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
-- sql/0004_status.sql
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
-- sql/0005_checks_and_conflicts.sql
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
-- sql/0007_import_conflicts.sql
-- What an import brings may stand against the ledger as well, and wait for somebody to decide.
-- Takes a short exclusive lock on `conflict_resolutions`; its rows are few.
alter table mnemosync.conflict_resolutions
    drop constraint conflict_resolutions_store,
    add constraint conflict_resolutions_store check (store in ('postgres', 'redis', 'faiss', 'import'));
-- sql/0008_copy_defaults.sql
-- New memories may be written by COPY, which takes no expressions: what only the server knows comes by itself.
-- Changes no row; the lock is held for a moment.
alter table mnemosync.memory_versions
    alter column xid set default pg_current_xact_id(),
    alter column seq set default nextval('mnemosync.change_seq');
delete from mnemosync.sync_meta;
insert into mnemosync.check_findings (scope, node_id, namespace, memory_id, store, kind, expected_version, found_version, evidence) overriding system value values
('deep', 'node-a', 'default', 'memory-22', 'redis', 'ahead', '1', '7', 'it is at version 7, the ledger at 1'),
('deep', 'node-a', 'default', 'memory-26', 'redis', 'missing', '1', NULL, 'version 1 is not there'),
('full', 'node-a', 'default', 'memory-22', 'redis', 'ahead', '1', '7', 'it is at version 7, the ledger at 1'),
('quick', 'node-a', 'default', 'memory-22', 'redis', 'ahead', '1', '7', 'it is at version 7, the ledger at 1'),
('quick', 'node-a', 'default', 'memory-26', 'redis', 'missing', '1', NULL, 'version 1 is not there');
insert into mnemosync.check_progress (scope, node_id, position, checked, findings, started_at, finished_at, last_clean_at, run_id, updated_at) overriding system value values
('deep', 'node-a', NULL, '50', '2', '2026-11-28 17:54:45.53058+00', '2026-11-28 17:54:45.606801+00', NULL, '01M8HMQ54RB9M8FDKWJAHE8978', '2026-11-28 17:54:45.606801+00'),
('full', 'node-a', '{"after": {"bucket": 0, "memoryId": "memory-20", "namespace": "default"}, "stage": "ledger"}', '2', '2', '2026-11-28 17:54:45.272241+00', NULL, NULL, '01M8HMQ4WNNSPC40R5ZQT7QTYP', '2026-11-28 17:54:45.383988+00'),
('quick', 'node-a', '{"epoch": "1529cf31-4c14-4ac5-be04-3809ca4b70ed", "cursor": {"seq": "87", "xid": "820"}, "revisit": []}', '50', '2', '2026-11-28 17:54:45.62316+00', '2026-11-28 17:54:45.682936+00', NULL, '01M8HMQ57KRWW9E9DAAB4PQ8V4', '2026-11-28 17:54:45.682936+00'),
('quick:faiss', 'node-a', '{"epoch": "1529cf31-4c14-4ac5-be04-3809ca4b70ed", "cursor": {"seq": "87", "xid": "820"}, "revisit": []}', '0', '0', '2026-11-28 17:54:47.716945+00', '2026-11-28 17:54:47.770433+00', '2026-11-28 17:54:47.770433+00', '01M8HMQ78Z73B966ZW5EY3EVW5', '2026-11-28 17:54:47.770433+00'),
('sweep:faiss', 'node-a', NULL, '51', '0', '2026-11-28 17:54:44.230334+00', '2026-11-28 17:54:47.795898+00', '2026-11-28 17:54:47.795898+00', '01M8HMQ7B7JVFJDJ92MGGCHWH5', '2026-11-28 17:54:47.795898+00');
insert into mnemosync.conflict_resolutions (id, namespace, memory_id, store, kind, strategy, state, ledger_version, found_version, found_state, found_checksum, found_document, found_embedding, found_vector, ledger_document, ledger_embedding, evidence, detected_at, resolved_at, resolution, pending_because, ledger_checksum, ledger_vector, ledger_modified_at, found_modified_at) overriding system value values
('1', 'default', 'memory-20', 'redis', 'ahead', 'latest_wins', 'resolved', '1', '9', 'live', 'c708fb63aecdc12b91d11616515f81c72fcdbc1a298e5f935cb4261b8fc7330d', E'\\x7b22636f6e74656e74223a224d656d6f72792032303a20e2809c71756f746573e2809d2c20c3bc6ec3af636f646520e8a898e686b620f09fa7a02c20616e645c6e616e6f74686572206c696e65222c22656d62656464696e674d6f64656c223a226d6f64656c2d31222c22696d706f7274616e6365223a302e392c226d656d6f727954797065223a22776f726b696e67222c226d65746164617461223a7b226e6573746564223a7b22612062223a327d2c226e756d626572223a32302c2274616773223a5b227430222c6e756c6c2c747275655d7d2c2270726976616379223a226c6f63616c5f6f6e6c79227d', E'\\xfcf07a3f90937fbf9b187f3f938279bf18ee6e3f60915fbf21bb4b3fffd033bf', '{"node-a":1}', E'{"content":"Memory 20: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.9,"memoryType":"working","metadata":{"nested":{"a b":2},"number":20,"tags":["t0",null,true]},"privacy":"local_only"}', E'\\xfcf07a3f90937fbf9b187f3f938279bf18ee6e3f60915fbf21bb4b3fffd033bf', 'it is at version 9, the ledger at 1', '2026-11-28 17:54:45.210567+00', '2026-11-28 17:54:45.249503+00', 'modified at the same time; redis has the higher version, 9; it is version 1 of the ledger now', NULL, 'c708fb63aecdc12b91d11616515f81c72fcdbc1a298e5f935cb4261b8fc7330d', '{"node-a":1}', '2026-11-28 17:54:43.444+00', '2026-11-28 17:54:43.444+00'),
('2', 'default', 'memory-22', 'redis', 'ahead', 'manual', 'pending', '1', '7', 'live', '6cc1d2ea38fdd4144c1cae85b0a919fa9275c473d778aa909a06040083cd8100', E'\\x7b22636f6e74656e74223a224d656d6f72792032323a20e2809c71756f746573e2809d2c20c3bc6ec3af636f646520e8a898e686b620f09fa7a02c20616e645c6e616e6f74686572206c696e65222c22656d62656464696e674d6f64656c223a226d6f64656c2d31222c22696d706f7274616e6365223a302c226d656d6f727954797065223a2273656d616e746963222c226d65746164617461223a7b226e6573746564223a7b22612062223a322e327d2c226e756d626572223a32322c2274616773223a5b227432222c6e756c6c2c747275655d7d2c2270726976616379223a227265646163746564227d', E'\\x2ea07dbd59eaa2bd04b1603ec9b6b5befe71f73eaa1c1abfaf6a353f28174dbf', '{"node-a":1}', E'{"content":"Memory 22: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0,"memoryType":"semantic","metadata":{"nested":{"a b":2.2},"number":22,"tags":["t2",null,true]},"privacy":"redacted"}', E'\\x2ea07dbd59eaa2bd04b1603ec9b6b5befe71f73eaa1c1abfaf6a353f28174dbf', 'it is at version 7, the ledger at 1', '2026-11-28 17:54:45.424536+00', NULL, NULL, 'kept for a person to decide', '6cc1d2ea38fdd4144c1cae85b0a919fa9275c473d778aa909a06040083cd8100', '{"node-a":1}', '2026-11-28 17:54:43.444+00', '2026-11-28 17:54:43.444+00'),
('3', 'default', 'memory-23', 'redis', 'diverged', 'ledger_wins', 'resolved', '1', '1', 'live', '0000000000000000000000000000000000000000000000000000000000000000', E'\\x7b22636f6e74656e74223a224d656d6f72792032333a20e2809c71756f746573e2809d2c20c3bc6ec3af636f646520e8a898e686b620f09fa7a02c20616e645c6e616e6f74686572206c696e65222c22696d706f7274616e6365223a302e312c226d656d6f727954797065223a22776f726b696e67222c226d65746164617461223a7b226e6573746564223a7b22612062223a322e333030303030303030303030303030337d2c226e756d626572223a32332c2274616773223a5b227433222c6e756c6c2c747275655d7d2c2270726976616379223a226c6f63616c5f6f6e6c79227d', NULL, '{"node-a":1}', E'{"content":"Memory 23: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.1,"memoryType":"working","metadata":{"nested":{"a b":2.3000000000000003},"number":23,"tags":["t3",null,true]},"privacy":"local_only"}', NULL, 'checksum 000000000000…, expected 0d9c614b6e07…', '2026-11-28 17:54:45.439832+00', '2026-11-28 17:54:45.461533+00', 'published again', NULL, '0d9c614b6e07aef6ad21b609f3d1ce7adb5d2a2c4352e6f281aa156e8f032662', '{"node-a":1}', '2026-11-28 17:54:43.444+00', '2026-11-28 17:54:43.444+00'),
('4', 'default', 'memory-25', 'import', 'diverged', 'manual', 'pending', '1', '1', 'live', 'cb031d6b3068dea3815a5dd3fb691f1a3b1d7a288049e42a636ab46ee7c882fc', E'\\x7b22636f6e74656e74223a22696d706f72746564222c22696d706f7274616e6365223a302e332c226d656d6f727954797065223a2273656d616e746963222c226d65746164617461223a7b226e6573746564223a7b22612062223a322e357d2c226e756d626572223a32352c2274616773223a5b227431222c6e756c6c2c747275655d7d2c2270726976616379223a227265646163746564227d', NULL, '{"elsewhere":5}', E'{"content":"Memory 25: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.3,"memoryType":"semantic","metadata":{"nested":{"a b":2.5},"number":25,"tags":["t1",null,true]},"privacy":"redacted"}', NULL, 'an import brings version 1, and the ledger has version 1 with another content', '2026-11-28 17:54:45.516979+00', NULL, NULL, 'kept for a person to decide', '76158f3d030a78f62c0a31615db4ce9d090ff1108c76f5a72a8a7bd616b7ad0f', '{"node-a":1}', '2026-11-28 17:54:43.444+00', '2026-11-28 17:54:43.444+00');
insert into mnemosync.leases (name, holder, expires_at) overriding system value values
('checker', 'node-a/22667/01M8HMQ741MSNFNEAV95EJPXG1', '2026-11-28 17:54:57.701483+00');
insert into mnemosync.memories (namespace, memory_id, document, embedding) overriding system value values
('default', 'memory-01', E'{"content":"Memory 1: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.1,"memoryType":"semantic","metadata":{"nested":{"a b":0.1},"number":1,"tags":["t1",null,true]},"privacy":"redacted"}', NULL),
('default', 'memory-02', E'{"content":"Memory 2: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.2,"memoryType":"working","metadata":{"nested":{"a b":0.2},"number":2,"tags":["t2",null,true]},"privacy":"local_only"}', E'\\x72987d3f251e76bfc8b6693fe7a158bf0837433fe9e329bf4d2a0d3fc23adbbe'),
('default', 'memory-04', E'{"content":"Memory 4: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.4,"memoryType":"semantic","metadata":{"round":14},"privacy":"redacted"}', E'\\x2ab48a3e06decebef771073feabe24bfbcbf3e3f31ef54bf9adb663f222974bf'),
('default', 'memory-05', E'{"content":"Memory 5: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.5,"memoryType":"working","metadata":{"round":1},"privacy":"local_only"}', NULL),
('default', 'memory-07', E'{"content":"Memory 7: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.7,"memoryType":"semantic","metadata":{"round":3},"privacy":"redacted"}', NULL),
('default', 'memory-08', E'{"content":"Memory 8: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.8,"memoryType":"working","metadata":{"round":3},"privacy":"local_only"}', E'\\x5e8405bf4301233ff23a3dbf0bab533f97de65bf5178733f8c327cbf8ee07f3f'),
('default', 'memory-13', E'{"content":"Memory 13: “quotes”, ünïcode 記憶 🧠, and\\nanother line","expiresAt":"2999-01-01T00:00:00.000Z","importance":0.2,"memoryType":"semantic","metadata":{"nested":{"a b":1.3},"number":13,"tags":["t1",null,true]},"privacy":"redacted"}', NULL),
('default', 'memory-14', '{"content":"written again after a deletion","embeddingModel":"model-1","importance":0.3,"memoryType":"working","metadata":{"nested":{"a b":1.4000000000000001},"number":14,"tags":["t2",null,true]},"privacy":"local_only"}', E'\\x28c912bfed6fe73eb1aba4be6d373d3ecf3735bd4f07c7bd5d57723eae28bebe'),
('default', 'memory-16', E'{"content":"Memory 16: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.5,"memoryType":"semantic","metadata":{"nested":{"a b":1.6},"number":16,"tags":["t0",null,true]},"privacy":"redacted"}', E'\\xc0d663bf0d08723f38617bbf5bb27f3f58e57ebf49fe783f6c1b6ebf8a745e3f'),
('default', 'memory-17', E'{"content":"Memory 17: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.6,"memoryType":"working","metadata":{"nested":{"a b":1.7000000000000002},"number":17,"tags":["t1",null,true]},"privacy":"local_only"}', NULL),
('default', 'memory-19', E'{"content":"Memory 19: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.8,"memoryType":"semantic","metadata":{"nested":{"a b":1.9000000000000001},"number":19,"tags":["t3",null,true]},"privacy":"redacted"}', NULL),
('default', 'memory-20', E'{"content":"Memory 20: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.9,"memoryType":"working","metadata":{"nested":{"a b":2},"number":20,"tags":["t0",null,true]},"privacy":"local_only"}', E'\\xfcf07a3f90937fbf9b187f3f938279bf18ee6e3f60915fbf21bb4b3fffd033bf'),
('default', 'memory-22', E'{"content":"Memory 22: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0,"memoryType":"semantic","metadata":{"nested":{"a b":2.2},"number":22,"tags":["t2",null,true]},"privacy":"redacted"}', E'\\x2ea07dbd59eaa2bd04b1603ec9b6b5befe71f73eaa1c1abfaf6a353f28174dbf'),
('default', 'memory-23', E'{"content":"Memory 23: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.1,"memoryType":"working","metadata":{"nested":{"a b":2.3000000000000003},"number":23,"tags":["t3",null,true]},"privacy":"local_only"}', NULL),
('default', 'memory-25', E'{"content":"Memory 25: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.3,"memoryType":"semantic","metadata":{"nested":{"a b":2.5},"number":25,"tags":["t1",null,true]},"privacy":"redacted"}', NULL),
('default', 'memory-26', E'{"content":"Memory 26: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","expiresAt":"2999-01-01T00:00:00.000Z","importance":0.4,"memoryType":"working","metadata":{"nested":{"a b":2.6},"number":26,"tags":["t2",null,true]},"privacy":"local_only"}', E'\\xfed657be5578b13ed777f3beed4b183f97cf33bfefb94b3f69905fbf62ed6e3f'),
('default', 'memory-28', E'{"content":"Memory 28: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.6,"memoryType":"semantic","metadata":{"nested":{"a b":2.8000000000000003},"number":28,"tags":["t0",null,true]},"privacy":"redacted"}', E'\\x0b85703f92bd61bf70714e3f860337bfe0eb1b3fa06afbbe47f5b93e3a8e69be'),
('default', 'memory-29', E'{"content":"Memory 29: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.7,"memoryType":"working","metadata":{"nested":{"a b":2.9000000000000004},"number":29,"tags":["t1",null,true]},"privacy":"local_only"}', NULL),
('default', 'memory-31', '{"content":"not in Redis yet","importance":0.9,"memoryType":"semantic","metadata":{"nested":{"a b":3.1},"number":31,"tags":["t3",null,true]},"privacy":"redacted"}', NULL),
('default', 'memory-32', E'{"content":"Memory 32: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":1,"memoryType":"working","metadata":{"nested":{"a b":3.2},"number":32,"tags":["t0",null,true]},"privacy":"local_only"}', E'\\x65c64fbf4c97383f62b61dbfc15aff3e592cbebe0b5f723e0917c7bd3c1835bd'),
('default', 'memory-34', E'{"content":"Memory 34: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.1,"memoryType":"semantic","metadata":{"nested":{"a b":3.4000000000000004},"number":34,"tags":["t2",null,true]},"privacy":"redacted"}', E'\\x9d8e30bf40f3483f40525dbf3c436d3f867478bfc5ac7e3f19cc7fbfc3cc7b3f'),
('default', 'memory-35', E'{"content":"Memory 35: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.2,"memoryType":"working","metadata":{"nested":{"a b":3.5},"number":35,"tags":["t3",null,true]},"privacy":"local_only"}', NULL),
('default', 'memory-37', E'{"content":"Memory 37: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.4,"memoryType":"semantic","metadata":{"nested":{"a b":3.7},"number":37,"tags":["t1",null,true]},"privacy":"redacted"}', NULL),
('default', 'memory-38', E'{"content":"Memory 38: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.5,"memoryType":"working","metadata":{"nested":{"a b":3.8000000000000003},"number":38,"tags":["t2",null,true]},"privacy":"local_only"}', E'\\x802c5c3f04676cbf3ee6773f456f7ebf9de07f3fe2327cbfee78733f75df65bf'),
('default', 'memory-40', E'{"content":"Memory 40: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.7,"memoryType":"semantic","metadata":{"nested":{"a b":4},"number":40,"tags":["t0",null,true]},"privacy":"redacted"}', E'\\xf58ec6bef5f8813e0024ebbd9c42d9bc81572b3e600c9cbe6e4ddf3e290b0fbf'),
('default', 'memory-41', E'{"content":"Memory 41: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.8,"memoryType":"working","metadata":{"nested":{"a b":4.1000000000000005},"number":41,"tags":["t1",null,true]},"privacy":"local_only"}', NULL),
('default', 'memory-43', E'{"content":"Memory 43: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":1,"memoryType":"semantic","metadata":{"nested":{"a b":4.3},"number":43,"tags":["t3",null,true]},"privacy":"redacted"}', NULL),
('default', 'memory-44', E'{"content":"Memory 44: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0,"memoryType":"working","metadata":{"nested":{"a b":4.4},"number":44,"tags":["t0",null,true]},"privacy":"local_only"}', E'\\x9723fd3d6cc4903c2e6622bed9b9973e3037dbbea7280d3f6fe229bfc135433f'),
('default', 'memory-46', E'{"content":"Memory 46: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.2,"memoryType":"semantic","metadata":{"nested":{"a b":4.6000000000000005},"number":46,"tags":["t2",null,true]},"privacy":"redacted"}', E'\\x40fa7f3ff2ef7cbfa1d5743fd2d467bf2530563f014240bfc47a263f835e09bf'),
('default', 'memory-47', E'{"content":"Memory 47: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.3,"memoryType":"working","metadata":{"nested":{"a b":4.7},"number":47,"tags":["t3",null,true]},"privacy":"local_only"}', NULL),
('default', 'memory-49', E'{"content":"Memory 49: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.5,"memoryType":"semantic","metadata":{"nested":{"a b":4.9},"number":49,"tags":["t1",null,true]},"privacy":"redacted"}', NULL),
('default', 'memory-50', E'{"content":"Memory 50: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.6,"memoryType":"working","metadata":{"nested":{"a b":5},"number":50,"tags":["t2",null,true]},"privacy":"local_only"}', E'\\x9f7c75bf8ac8683fb66b57bf19bf413fc33128bfa0460b3fb823d7bed96b933e'),
('default', 'memory-52', E'{"content":"Memory 52: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","expiresAt":"2999-01-01T00:00:00.000Z","importance":0.8,"memoryType":"semantic","metadata":{"nested":{"a b":5.2},"number":52,"tags":["t0",null,true]},"privacy":"redacted"}', E'\\x98fdd2be2d5b093fc37726bf653f403ffb2d56bf25d3673f7ad474bf56ef7c3f'),
('default', 'memory-53', E'{"content":"Memory 53: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.9,"memoryType":"working","metadata":{"nested":{"a b":5.300000000000001},"number":53,"tags":["t1",null,true]},"privacy":"local_only"}', NULL),
('default', 'memory-55', E'{"content":"Memory 55: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0,"memoryType":"semantic","metadata":{"nested":{"a b":5.5},"number":55,"tags":["t3",null,true]},"privacy":"redacted"}', NULL),
('default', 'memory-58', E'{"content":"Memory 58: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.3,"memoryType":"semantic","metadata":{"nested":{"a b":5.800000000000001},"number":58,"tags":["t2",null,true]},"privacy":"redacted"}', E'\\x9b952bbf700e0f3f8b54dfbee7139c3e15672bbe00c1d93c9a04eb3d50f181be'),
('default', 'memory-59', '{"content":"not in Redis yet","importance":0.4,"memoryType":"working","metadata":{"nested":{"a b":5.9},"number":59,"tags":["t3",null,true]},"privacy":"local_only"}', NULL),
('team.b', 'memory-00', E'{"content":"Memory 0: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","expiresAt":"2999-01-01T00:00:00.000Z","importance":0,"memoryType":"episodic","metadata":{"nested":{"a b":0},"number":0,"tags":["t0",null,true]},"privacy":"full"}', E'\\x00000000c381103e8c0f8fbe3201d33ed85c09bf4479263fb34040bf102f563f'),
('team.b', 'memory-03', '{"content":"changed, then killed","importance":0.3,"memoryType":"episodic","metadata":{"nested":{"a b":0.30000000000000004},"number":3,"tags":["t3",null,true]},"privacy":"full"}', NULL),
('team.b', 'memory-06', E'{"content":"Memory 6: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.6,"memoryType":"episodic","metadata":{"round":3},"privacy":"full"}', E'\\x28a16abfd0d4593f56ac44bf24942b3fcd0c0fbffd50df3e23109cbe4b5f2b3e'),
('team.b', 'memory-09', E'{"content":"Memory 9: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.9,"memoryType":"episodic","metadata":{"nested":{"a b":0.9},"number":9,"tags":["t1",null,true]},"privacy":"full"}', NULL),
('team.b', 'memory-15', E'{"content":"Memory 15: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.4,"memoryType":"episodic","metadata":{"nested":{"a b":1.5},"number":15,"tags":["t3",null,true]},"privacy":"full"}', NULL),
('team.b', 'memory-18', E'{"content":"Memory 18: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.7,"memoryType":"episodic","metadata":{"nested":{"a b":1.8},"number":18,"tags":["t2",null,true]},"privacy":"full"}', E'\\x8ff4a83ee41d46be2d6e593da4fab43d888669be99f1b93e2f67fbbe4fea1b3f'),
('team.b', 'memory-21', E'{"content":"Memory 21: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":1,"memoryType":"episodic","metadata":{"nested":{"a b":2.1},"number":21,"tags":["t1",null,true]},"privacy":"full"}', NULL),
('team.b', 'memory-24', E'{"content":"Memory 24: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.2,"memoryType":"episodic","metadata":{"nested":{"a b":2.4000000000000004},"number":24,"tags":["t0",null,true]},"privacy":"full"}', E'\\xc0467fbfdc017a3ff9bb6fbfb9a9603f57184dbf146c353f3e1e1abf7375f73e'),
('team.b', 'memory-27', E'{"content":"Memory 27: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.5,"memoryType":"episodic","metadata":{"nested":{"a b":2.7},"number":27,"tags":["t3",null,true]},"privacy":"full"}', NULL),
('team.b', 'memory-30', '{"content":"not in FAISS yet","embeddingModel":"model-1","importance":0.8,"memoryType":"episodic","metadata":{"nested":{"a b":3},"number":30,"tags":["t2",null,true]},"privacy":"full"}', E'\\xcd78ef3e237816bfe430323f9f584abf90735e3fb31a6ebfd3fd783f29e57ebf'),
('team.b', 'memory-33', E'{"content":"Memory 33: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0,"memoryType":"episodic","metadata":{"nested":{"a b":3.3000000000000003},"number":33,"tags":["t1",null,true]},"privacy":"full"}', NULL),
('team.b', 'memory-36', E'{"content":"Memory 36: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.3,"memoryType":"episodic","metadata":{"nested":{"a b":3.6},"number":36,"tags":["t0",null,true]},"privacy":"full"}', E'\\xba7d1f3fe2a201bf9a5fc23eff2a7bbeb21fd93d39de103d634534bec55ba03e'),
('team.b', 'memory-39', E'{"content":"Memory 39: “quotes”, ünïcode 記憶 🧠, and\\nanother line","expiresAt":"2999-01-01T00:00:00.000Z","importance":0.6,"memoryType":"episodic","metadata":{"nested":{"a b":3.9000000000000004},"number":39,"tags":["t3",null,true]},"privacy":"full"}', NULL),
('team.b', 'memory-42', E'{"content":"Memory 42: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.9,"memoryType":"episodic","metadata":{"nested":{"a b":4.2},"number":42,"tags":["t2",null,true]},"privacy":"full"}', E'\\xfc5277bfab2c7e3f00f07fbff3937c3fba2974bf74dc663f49f054bf0ec13e3f'),
('team.b', 'memory-45', E'{"content":"Memory 45: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.1,"memoryType":"episodic","metadata":{"nested":{"a b":4.5},"number":45,"tags":["t1",null,true]},"privacy":"full"}', NULL),
('team.b', 'memory-48', E'{"content":"Memory 48: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.4,"memoryType":"episodic","metadata":{"nested":{"a b":4.800000000000001},"number":48,"tags":["t0",null,true]},"privacy":"full"}', E'\\x9971193e486493be8c1cd73e4f430bbfc92e283f84bc41bf9369573fe5c668bf'),
('team.b', 'memory-51', E'{"content":"Memory 51: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.7,"memoryType":"episodic","metadata":{"nested":{"a b":5.1000000000000005},"number":51,"tags":["t3",null,true]},"privacy":"full"}', NULL),
('team.b', 'memory-54', E'{"content":"Memory 54: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":1,"memoryType":"episodic","metadata":{"nested":{"a b":5.4},"number":54,"tags":["t2",null,true]},"privacy":"full"}', E'\\xf4a2583f4f3843bf63e5293ff22b0dbf543edb3e65c197bec875223ed64291bc'),
('team.b', 'memory-57', E'{"content":"Memory 57: “quotes”, ünïcode 記憶 🧠, and\\nanother line","expiresAt":"2026-11-28T17:54:50.538Z","importance":0.2,"memoryType":"episodic","metadata":{"nested":{"a b":5.7},"number":57,"tags":["t1",null,true]},"privacy":"full"}', NULL);
insert into mnemosync.memory_history (namespace, memory_id, version, checksum, document, embedding, version_vector, modified_at, deleted_at, tx_id, replaced_at) overriding system value values
('default', 'memory-04', '10', 'ccbc44e535d69436ca35523837659d41b8f7331b10be405a5db7bbfe53d78864', E'{"content":"Memory 4: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.4,"memoryType":"semantic","metadata":{"round":9},"privacy":"redacted"}', E'\\x2ab48a3e06decebef771073feabe24bfbcbf3e3f31ef54bf9adb663f222974bf', '{"node-a": 10}', '2026-11-28 17:54:43.747+00', NULL, '01M8HMQ3D2X3VQHJC5T3M82XYK', '2026-11-28 17:54:43.788304+00'),
('default', 'memory-04', '11', 'e4d1158cdfd98ea4a535822cc2da6b7eb4adb14397294c93a5b82048e1888f60', E'{"content":"Memory 4: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.4,"memoryType":"semantic","metadata":{"round":10},"privacy":"redacted"}', E'\\x2ab48a3e06decebef771073feabe24bfbcbf3e3f31ef54bf9adb663f222974bf', '{"node-a": 11}', '2026-11-28 17:54:43.784+00', NULL, '01M8HMQ3E6NACDXPCM2NN870NY', '2026-11-28 17:54:43.81148+00'),
('default', 'memory-04', '12', '5fd6be3d3a6a27464eeaf242dd40ae4875773b3aa14b720b76b6ce189698b4a4', E'{"content":"Memory 4: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.4,"memoryType":"semantic","metadata":{"round":11},"privacy":"redacted"}', E'\\x2ab48a3e06decebef771073feabe24bfbcbf3e3f31ef54bf9adb663f222974bf', '{"node-a": 12}', '2026-11-28 17:54:43.809+00', NULL, '01M8HMQ3F0DNH2A9W1F80P71ES', '2026-11-28 17:54:43.829585+00'),
('default', 'memory-04', '13', 'a668851f2f38688fba5e79e00b92c97d027d21c7062c107e2a5490a6bb946cca', E'{"content":"Memory 4: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.4,"memoryType":"semantic","metadata":{"round":12},"privacy":"redacted"}', E'\\x2ab48a3e06decebef771073feabe24bfbcbf3e3f31ef54bf9adb663f222974bf', '{"node-a": 13}', '2026-11-28 17:54:43.822+00', NULL, '01M8HMQ3FEMRADPKX8PY3B3MZ5', '2026-11-28 17:54:43.851473+00'),
('default', 'memory-04', '14', 'b6da892382d149d229dce45200224f035bad9d12c9045a05c9fbf6711763385c', E'{"content":"Memory 4: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.4,"memoryType":"semantic","metadata":{"round":13},"privacy":"redacted"}', E'\\x2ab48a3e06decebef771073feabe24bfbcbf3e3f31ef54bf9adb663f222974bf', '{"node-a": 14}', '2026-11-28 17:54:43.847+00', NULL, '01M8HMQ3G591FK2TSA438P14KS', '2026-11-28 17:54:43.863521+00'),
('default', 'memory-04', '5', '8c17c4d968b566b9d95d16be3c9656514d7f47361ed53f14f687701c9839d22f', E'{"content":"Memory 4: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.4,"memoryType":"semantic","metadata":{"round":4},"privacy":"redacted"}', E'\\x2ab48a3e06decebef771073feabe24bfbcbf3e3f31ef54bf9adb663f222974bf', '{"node-a": 5}', '2026-11-28 17:54:43.621+00', NULL, '01M8HMQ3936G2VR503MV8E31GN', '2026-11-28 17:54:43.66088+00'),
('default', 'memory-04', '6', '777e0668b86a9cf4e92b59d10dfcfa811461d9ba8c5a23393e5b71866ec59b8f', E'{"content":"Memory 4: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.4,"memoryType":"semantic","metadata":{"round":5},"privacy":"redacted"}', E'\\x2ab48a3e06decebef771073feabe24bfbcbf3e3f31ef54bf9adb663f222974bf', '{"node-a": 6}', '2026-11-28 17:54:43.656+00', NULL, '01M8HMQ3A7G5N2QDG0PR3E7NE7', '2026-11-28 17:54:43.681389+00'),
('default', 'memory-04', '7', '89289493503908a57db2a0bedb8516f664d01435d5cda8c879ad9d339489f5d1', E'{"content":"Memory 4: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.4,"memoryType":"semantic","metadata":{"round":6},"privacy":"redacted"}', E'\\x2ab48a3e06decebef771073feabe24bfbcbf3e3f31ef54bf9adb663f222974bf', '{"node-a": 7}', '2026-11-28 17:54:43.679+00', NULL, '01M8HMQ3AW95RFKJ0GTQHVCJ93', '2026-11-28 17:54:43.717496+00'),
('default', 'memory-04', '8', 'eae21b72dd4cd1474a2c6c35ba3bf17b602c28afa9eb6ebbe768fb7ecc76195b', E'{"content":"Memory 4: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.4,"memoryType":"semantic","metadata":{"round":7},"privacy":"redacted"}', E'\\x2ab48a3e06decebef771073feabe24bfbcbf3e3f31ef54bf9adb663f222974bf', '{"node-a": 8}', '2026-11-28 17:54:43.715+00', NULL, '01M8HMQ3C1TZAAE857SMYEWRW1', '2026-11-28 17:54:43.733999+00'),
('default', 'memory-04', '9', '82db667610da30a92648bd3874276b5fdfa2b0c4b514066a39022c69eddb5c04', E'{"content":"Memory 4: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.4,"memoryType":"semantic","metadata":{"round":8},"privacy":"redacted"}', E'\\x2ab48a3e06decebef771073feabe24bfbcbf3e3f31ef54bf9adb663f222974bf', '{"node-a": 9}', '2026-11-28 17:54:43.731+00', NULL, '01M8HMQ3CJH8NSWP9ZT4H3ZDPJ', '2026-11-28 17:54:43.76018+00'),
('default', 'memory-05', '1', 'afe3f56b65c40eaacaa998bd7c5cd1fdc3c15879cf08f57d5dcd7979111a50a2', E'{"content":"Memory 5: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.5,"memoryType":"working","metadata":{"nested":{"a b":0.5},"number":5,"tags":["t1",null,true]},"privacy":"local_only"}', NULL, '{"node-a": 1}', '2026-11-28 17:54:43.444+00', NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '2026-11-28 17:54:43.545467+00'),
('default', 'memory-05', '2', '73b74ef7216a4ef5641a73d0b2c83942eef43c128be5672698ea0928a22190c6', E'{"content":"Memory 5: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.5,"memoryType":"working","metadata":{"round":1},"privacy":"local_only"}', NULL, '{"node-a": 2}', '2026-11-28 17:54:43.528+00', NULL, '01M8HMQ367RKBVPMVG8GHP5175', '2026-11-28 17:54:43.575177+00'),
('default', 'memory-05', '3', '88f2429a14eadf83d89446566c489d7d38235024d6e90bfd86ecd43f1f414fc4', E'{"content":"Memory 5: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.5,"memoryType":"working","metadata":{"round":2},"privacy":"local_only"}', NULL, '{"node-a": 3}', '2026-11-28 17:54:43.567+00', NULL, '01M8HMQ37CZBMJSQ33BRC75JQT', '2026-11-28 17:54:43.608122+00'),
('default', 'memory-05', '4', 'b8eb4c0b2fa54abc6a2a877e24567019f68f944b647b5f6ce9dd7066df99caa7', E'{"content":"Memory 5: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.5,"memoryType":"working","metadata":{"round":3},"privacy":"local_only"}', NULL, '{"node-a": 4}', '2026-11-28 17:54:43.6+00', NULL, '01M8HMQ38FMWK3BHKXR2KB7T77', '2026-11-28 17:54:43.882596+00'),
('default', 'memory-07', '1', 'aa3791c0196f055144d24c34f29855b683a27a624d1a464173949d2608b272a4', E'{"content":"Memory 7: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.7,"memoryType":"semantic","metadata":{"nested":{"a b":0.7000000000000001},"number":7,"tags":["t3",null,true]},"privacy":"redacted"}', NULL, '{"node-a": 1}', '2026-11-28 17:54:43.444+00', NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '2026-11-28 17:54:43.545472+00'),
('default', 'memory-07', '2', '6c1645b48359bc00409bec1743adbc5bca1842af9420203cc4fbedffac80e9db', E'{"content":"Memory 7: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.7,"memoryType":"semantic","metadata":{"round":1},"privacy":"redacted"}', NULL, '{"node-a": 2}', '2026-11-28 17:54:43.528+00', NULL, '01M8HMQ367RKBVPMVG8GHP5175', '2026-11-28 17:54:43.575181+00'),
('default', 'memory-07', '3', '0c7f6dbcbcc8635bd3d114f230aa3775adaf40d8ffb689827871084d7b91cf9b', E'{"content":"Memory 7: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.7,"memoryType":"semantic","metadata":{"round":2},"privacy":"redacted"}', NULL, '{"node-a": 3}', '2026-11-28 17:54:43.567+00', NULL, '01M8HMQ37CZBMJSQ33BRC75JQT', '2026-11-28 17:54:43.608126+00'),
('default', 'memory-08', '1', '6f57d571fec6b8e7bd46adb627821829f3544719d2cf5d54d2844f916e4deb24', E'{"content":"Memory 8: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.8,"memoryType":"working","metadata":{"nested":{"a b":0.8},"number":8,"tags":["t0",null,true]},"privacy":"local_only"}', E'\\x5e8405bf4301233ff23a3dbf0bab533f97de65bf5178733f8c327cbf8ee07f3f', '{"node-a": 1}', '2026-11-28 17:54:43.444+00', NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '2026-11-28 17:54:43.545476+00'),
('default', 'memory-08', '2', 'afec8dafc9afd8cf9df2db6c97ccac452c2a3a293e92139a99505a89e96bb212', E'{"content":"Memory 8: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.8,"memoryType":"working","metadata":{"round":1},"privacy":"local_only"}', E'\\x5e8405bf4301233ff23a3dbf0bab533f97de65bf5178733f8c327cbf8ee07f3f', '{"node-a": 2}', '2026-11-28 17:54:43.528+00', NULL, '01M8HMQ367RKBVPMVG8GHP5175', '2026-11-28 17:54:43.575185+00'),
('default', 'memory-08', '3', '587078b958a176b4469076537ab970b088ac566fe8d9b5b79ed23eb630e820db', E'{"content":"Memory 8: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.8,"memoryType":"working","metadata":{"round":2},"privacy":"local_only"}', E'\\x5e8405bf4301233ff23a3dbf0bab533f97de65bf5178733f8c327cbf8ee07f3f', '{"node-a": 3}', '2026-11-28 17:54:43.567+00', NULL, '01M8HMQ37CZBMJSQ33BRC75JQT', '2026-11-28 17:54:43.60813+00'),
('default', 'memory-10', '1', 'b556fcbd30c07d39889b249a069f02f475ad852d378cf085718e7d883f5e1a60', E'{"content":"Memory 10: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":1,"memoryType":"semantic","metadata":{"nested":{"a b":1},"number":10,"tags":["t2",null,true]},"privacy":"redacted"}', E'\\xb31d463fed402dbf6eec103fbc62e3be865fa03e2b4d34bed0fd103dfb0fd93d', '{"node-a": 1}', '2026-11-28 17:54:43.444+00', NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '2026-11-28 17:54:43.904477+00'),
('default', 'memory-11', '1', 'f6ae0c15380bd53e602b72618d72be0687d9e76a8aaaebb44534ce282b8d68cd', E'{"content":"Memory 11: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0,"memoryType":"working","metadata":{"nested":{"a b":1.1},"number":11,"tags":["t3",null,true]},"privacy":"local_only"}', NULL, '{"node-a": 1}', '2026-11-28 17:54:43.444+00', NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '2026-11-28 17:54:43.928687+00'),
('default', 'memory-14', '1', '55c8b7055c91c15d3be2c13cf127b801b9cd3834fc2e10ab745ae7b83e0a5fca', E'{"content":"Memory 14: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.3,"memoryType":"working","metadata":{"nested":{"a b":1.4000000000000001},"number":14,"tags":["t2",null,true]},"privacy":"local_only"}', E'\\x28c912bfed6fe73eb1aba4be6d373d3ecf3735bd4f07c7bd5d57723eae28bebe', '{"node-a": 1}', '2026-11-28 17:54:43.444+00', NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '2026-11-28 17:54:43.976387+00'),
('default', 'memory-14', '2', NULL, NULL, NULL, '{"node-a": 2}', '2026-11-28 17:54:43.973+00', '2026-11-28 17:54:43.973+00', '01M8HMQ3M31RHZZB6Q8X110VYF', '2026-11-28 17:54:43.99361+00'),
('default', 'memory-31', '1', '20917b4fffe7cd7618dd6086e1b1921efd16925b6c256b4c0d5b1c97266b7f1b', E'{"content":"Memory 31: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.9,"memoryType":"semantic","metadata":{"nested":{"a b":3.1},"number":31,"tags":["t3",null,true]},"privacy":"redacted"}', NULL, '{"node-a": 1}', '2026-11-28 17:54:43.444+00', NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '2026-11-28 17:54:54.816372+00'),
('default', 'memory-56', '1', '4f97840f3a5ae284bc388cb24aa562bb49a4fef46196562eac9272e66a0ef503', E'{"content":"Memory 56: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","expiresAt":"2026-11-28T17:54:44.380Z","importance":0.1,"memoryType":"working","metadata":{"nested":{"a b":5.6000000000000005},"number":56,"tags":["t0",null,true]},"privacy":"local_only"}', E'\\x67bd243f6bbe3ebf18ee543fbfda66bf8a28743f4e937cbfe9ef7f3f232d7ebf', '{"node-a": 1}', '2026-11-28 17:54:44.08+00', NULL, '01M8HMQ3QGQ0FHAKVP08FQJZDN', '2026-11-28 17:54:44.443813+00'),
('team.b', 'memory-03', '1', 'ddf99c8bcd39d9f0aab242d671af2cef6147cb3d1e6cafb36b3922862ccbf197', E'{"content":"Memory 3: “quotes”, ünïcode 記憶 🧠, and\\nanother line","importance":0.3,"memoryType":"episodic","metadata":{"nested":{"a b":0.30000000000000004},"number":3,"tags":["t3",null,true]},"privacy":"full"}', NULL, '{"node-a": 1}', '2026-11-28 17:54:43.444+00', NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '2026-11-28 17:54:48.272955+00'),
('team.b', 'memory-06', '1', 'e739e8b4bc1f767183206da2c3c658eebc9a0f8a6c60836dd59bb46b2b9b9e4b', E'{"content":"Memory 6: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.6,"memoryType":"episodic","metadata":{"nested":{"a b":0.6000000000000001},"number":6,"tags":["t2",null,true]},"privacy":"full"}', E'\\x28a16abfd0d4593f56ac44bf24942b3fcd0c0fbffd50df3e23109cbe4b5f2b3e', '{"node-a": 1}', '2026-11-28 17:54:43.444+00', NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '2026-11-28 17:54:43.54548+00'),
('team.b', 'memory-06', '2', '1dcab6c21064733b9c3d203e06eb8c834c87e07f393d3b085915ecfb7902a9fe', E'{"content":"Memory 6: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.6,"memoryType":"episodic","metadata":{"round":1},"privacy":"full"}', E'\\x28a16abfd0d4593f56ac44bf24942b3fcd0c0fbffd50df3e23109cbe4b5f2b3e', '{"node-a": 2}', '2026-11-28 17:54:43.528+00', NULL, '01M8HMQ367RKBVPMVG8GHP5175', '2026-11-28 17:54:43.575189+00'),
('team.b', 'memory-06', '3', '7a035778f5d605bf9050f5337173ab6aecf31e3d6f6686dda9ef8f07217c65b8', E'{"content":"Memory 6: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.6,"memoryType":"episodic","metadata":{"round":2},"privacy":"full"}', E'\\x28a16abfd0d4593f56ac44bf24942b3fcd0c0fbffd50df3e23109cbe4b5f2b3e', '{"node-a": 3}', '2026-11-28 17:54:43.567+00', NULL, '01M8HMQ37CZBMJSQ33BRC75JQT', '2026-11-28 17:54:43.608134+00'),
('team.b', 'memory-12', '1', '2528595c49f66f5b777b6abe64eacf087f1e59cbeb1fe7ee1e7da3e6ffa963b7', E'{"content":"Memory 12: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.1,"memoryType":"episodic","metadata":{"nested":{"a b":1.2000000000000002},"number":12,"tags":["t0",null,true]},"privacy":"full"}', E'\\x5cb23b3fa76252bff7dc643f9ec272bf68cc7b3f05cc7fbff8ac7e3f007578bf', '{"node-a": 1}', '2026-11-28 17:54:43.444+00', NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '2026-11-28 17:54:43.948926+00'),
('team.b', 'memory-30', '1', '08cde0def5b47a80ac420127fd72ef06a50030c620d1f8160828332b8c10dc08', E'{"content":"Memory 30: “quotes”, ünïcode 記憶 🧠, and\\nanother line","embeddingModel":"model-1","importance":0.8,"memoryType":"episodic","metadata":{"nested":{"a b":3},"number":30,"tags":["t2",null,true]},"privacy":"full"}', E'\\xcd78ef3e237816bfe430323f9f584abf90735e3fb31a6ebfd3fd783f29e57ebf', '{"node-a": 1}', '2026-11-28 17:54:43.444+00', NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '2026-11-28 17:54:50.469134+00');
insert into mnemosync.memory_versions (namespace, memory_id, version, checksum, digest, bucket, version_vector, redis_version, faiss_version, modified_at, deleted_at, expires_at, tx_id, xid, seq) overriding system value values
('default', 'memory-01', '1', '23d2d63fc7585ecb8a41f3259cb09a6d0e896604cc70bca36079b0cc9b41e875', '-8225947053343414350', '39183', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '1'),
('default', 'memory-02', '1', 'a00521fa2e0bbe897592424af50940c585b6019b35d26fccf313c1707430e02b', '8898938949407887900', '34928', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '2'),
('default', 'memory-04', '15', '6f87c33c0b8a189b42401f38842d7bf34b7f472bdf22cc9f6ff5e58e4b6bd83e', '-5430857251413853111', '59403', '{"node-a": 15}', '15', '15', '2026-11-28 17:54:43.858+00', NULL, NULL, '01M8HMQ3GJV09AFVDAYRQ1KA1B', '791', '76'),
('default', 'memory-05', '5', '73b74ef7216a4ef5641a73d0b2c83942eef43c128be5672698ea0928a22190c6', '-6589966537656664391', '22769', '{"node-a": 5}', '5', NULL, '2026-11-28 17:54:43.88+00', NULL, NULL, '01M8HMQ3H7ZSCD2Z2FY6RQ0PGM', '794', '77'),
('default', 'memory-07', '4', '82e159e6e342d2ce7300ff817344f90cd8e16844281fd202a2ca51bb1138d4fa', '-7047045632277851579', '13487', '{"node-a": 4}', '4', NULL, '2026-11-28 17:54:43.6+00', NULL, NULL, '01M8HMQ38FMWK3BHKXR2KB7T77', '767', '63'),
('default', 'memory-08', '4', '98b6557105ad239cf82f9a1c27f6990c28c4fcb80a9bae83a77a90bc31d99c4a', '-535287156285830621', '27418', '{"node-a": 4}', '4', '4', '2026-11-28 17:54:43.6+00', NULL, NULL, '01M8HMQ38FMWK3BHKXR2KB7T77', '767', '64'),
('default', 'memory-10', '2', NULL, NULL, '47616', '{"node-a": 2}', '2', '2', '2026-11-28 17:54:43.897+00', '2026-11-28 17:54:43.897+00', NULL, '01M8HMQ3HRZQ71W39BGTC9W6CN', '796', '78'),
('default', 'memory-11', '2', NULL, NULL, '60634', '{"node-a": 2}', '2', NULL, '2026-11-28 17:54:43.925+00', '2026-11-28 17:54:43.925+00', NULL, '01M8HMQ3JK4VVP8J3ZM56985V6', '798', '79'),
('default', 'memory-13', '1', '877f406c600e898c73c24c7f0086bf35b10013bf095c1f8989e0321fcb65006c', '716812263285631039', '58116', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, '2999-01-01 00:00:00+00', '01M8HMQ333VHHBWP62X99TJRYZ', '760', '9'),
('default', 'memory-14', '3', '1fb5a560368a3753aeae1e1f493a07c48f254498af300a0c23d1027991a73d9b', '-2973553477977982749', '52454', '{"node-a": 3}', '3', '3', '2026-11-28 17:54:43.988+00', NULL, NULL, '01M8HMQ3MKTKYTMGBQ4Y6E89YN', '805', '82'),
('default', 'memory-16', '1', '57f4fdd33d1f80b049ba79bb105d8cdba2df015e318c191bceffa822e8edcbff', '-910642492961313657', '54963', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '11'),
('default', 'memory-17', '1', '91b896cec2850f30da01ff0b387ab13f29eec199b51591f52bc42abe9d0ce170', '1430582601216880188', '24035', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '12'),
('default', 'memory-19', '1', 'e2b33ca079de0917daaffdb2524090034ffa020db3e7d340ba546c0da46e0ff4', '145121008456321863', '40557', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '13'),
('default', 'memory-20', '1', 'c708fb63aecdc12b91d11616515f81c72fcdbc1a298e5f935cb4261b8fc7330d', '-3019554834980553102', '17792', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '14'),
('default', 'memory-22', '1', '6cc1d2ea38fdd4144c1cae85b0a919fa9275c473d778aa909a06040083cd8100', '-8389626657353077319', '57808', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '15'),
('default', 'memory-23', '1', '0d9c614b6e07aef6ad21b609f3d1ce7adb5d2a2c4352e6f281aa156e8f032662', '-117272300546446599', '8094', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '16'),
('default', 'memory-25', '1', '76158f3d030a78f62c0a31615db4ce9d090ff1108c76f5a72a8a7bd616b7ad0f', '3204328031716735138', '49657', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '17'),
('default', 'memory-26', '1', '652b4e34f1276dfe3529decf4fbb96c702b9c6014fa019829e3ff8a2b4d0602c', '4118891072511726496', '49666', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, '2999-01-01 00:00:00+00', '01M8HMQ333VHHBWP62X99TJRYZ', '760', '18'),
('default', 'memory-28', '1', '0cff1956088dfefe47471d6263c8e2ecffbb55c7cb6b741528b5b24b976803cb', '7055842429372016163', '31220', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '19'),
('default', 'memory-29', '1', 'eba4a90186cdff2b8527278f341fe0536fd32f6a0a5f7facb870e9bf7772a829', '6513519724041771810', '55490', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '20'),
('default', 'memory-31', '2', '2683ad350ef9c4091b8ff349f954a85ce6cb04a88d483fa50e7e008c0d009ca7', '-5141406117115475209', '1451', '{"node-a": 2}', '2', NULL, '2026-11-28 17:54:54.814+00', NULL, NULL, '01M8HMQE6TSZG91GWYV2GPGHFP', '866', '103'),
('default', 'memory-32', '1', '9087813910612aec669953d6417aa68ce7bc9a8b59338971b7987f2869e6fa9c', '3858362158958530162', '13706', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '22'),
('default', 'memory-34', '1', '8daa838afda60be22206ba7c192cc0a785464879a868d2267f0b706771f9dae1', '5180337624229678704', '39663', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '23'),
('default', 'memory-35', '1', '1fb780887d37d279bc924f0c4c077e56dc46d83ef2396fc47978c77ebffe03c4', '4588264114042904855', '36671', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '24'),
('default', 'memory-37', '1', '5de7c1fed02024d8bcb1049fbed12ff8c86803204b69f05fabca44fe4314815f', '1980674479768118857', '8459', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '25'),
('default', 'memory-38', '1', '189befa932780e7694a134aef10cd8acf63eb465d06e2f7858c547e11912fd9c', '3949601616416739218', '22315', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '26'),
('default', 'memory-40', '1', '9f4f40cb488dbd0677346b9e1fcc4d4fc6b77e0a578fb6ea066fbe4abd5e27da', '-6934896602279704402', '61562', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '27'),
('default', 'memory-41', '1', 'd12f17e43565a6ca82b75db72f1fb88a0bf2180fec058c502244dd29e52c76dd', '-4991808015920144629', '38779', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '28'),
('default', 'memory-43', '1', 'b092e5dcad9f915d7c20cf2dd3e403c8cce7ed502187ef13c0422d00c469e94f', '6878075308091349466', '7285', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '29'),
('default', 'memory-44', '1', '05682edec6c9f3399a4db27e83498efe7b53e5fc289f6f8ed3732523eb3f64bf', '-2485531353467118476', '61107', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '30'),
('default', 'memory-46', '1', 'c785e025bf11c3c897d4a738824188d27fa534e198cfe308b0cf368fcdbe8b11', '-2524796738807164087', '47355', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '31'),
('default', 'memory-47', '1', '021ebcf2e8552937eafc5c0282889c9fe4c928592ad9de758e0766bf30ecdc1c', '5581417140628269154', '26806', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '32'),
('default', 'memory-49', '1', 'cf77254d311b42078b52722cf7a54672b0d22320b5e1a0b59a649ef9622304a9', '2264008985293246521', '362', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '33'),
('default', 'memory-50', '1', 'dd5f432f2bdac0f9e646518fc5dc04310c9423a46dc57852ad9f561a393c87fb', '4933622378021850476', '46895', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:48.236+00', NULL, NULL, '01M8HMQ7S2Y9R4P3TDQS1YG4A6', '851', '88'),
('default', 'memory-52', '1', 'f0aa2f8d09d8f9937d128914a5dad0270b6fa784bb2982342d268c7c0a4a1e2e', '-5949472248486275736', '37297', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:48.236+00', NULL, '2999-01-01 00:00:00+00', '01M8HMQ7S2Y9R4P3TDQS1YG4A6', '851', '89'),
('default', 'memory-53', '1', 'ca6f72db46ce95ca792a5c4d7682b75cf13f17332acea6497eea572af5d5bfec', '-6505518312840384597', '55599', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:44.02+00', NULL, NULL, '01M8HMQ3NJFMSJ5TX86XK53E64', '807', '83'),
('default', 'memory-55', '1', '77c1b74e7a5ed56cc2465f7f51dc55332e5f5e70e67c1faf4c8c2964bd67fafa', '-7987707632024696557', '41453', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:44.043+00', NULL, NULL, '01M8HMQ3P3R2874BA0XVAH23Y6', '809', '84'),
('default', 'memory-56', '2', NULL, NULL, '57933', '{"node-a": 2}', '2', '2', '2026-11-28 17:54:44.435+00', '2026-11-28 17:54:44.435+00', NULL, '01M8HMQ42J651DMRTKP0J73ZXQ', '820', '87'),
('default', 'memory-58', '1', '52d1f15a870538939edc989e215f91f6c361d845736f4fe1b21727dd46cdb2ae', '9028466585649513391', '14237', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:50.323+00', NULL, NULL, '01M8HMQ9TC5Z7Q7M07DKQRT1J6', '855', '93'),
('default', 'memory-59', '1', 'd6f02bd731e17c142cbac117620288eae2c099539bc1e2a6404920bb54af0267', '956510796134058019', '7570', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:54.814+00', NULL, NULL, '01M8HMQE6TSZG91GWYV2GPGHFP', '866', '104'),
('team.b', 'memory-00', '1', '9b5a1ad4a5e71c9a8b38618fd2d27bd4261ee4a09eb61b97a42dd282add65995', '5955739681538627457', '42206', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, '2999-01-01 00:00:00+00', '01M8HMQ333VHHBWP62X99TJRYZ', '760', '34'),
('team.b', 'memory-03', '2', 'ec74d2f9d288408d221b2bf0acf8f310391c702f4d4b673769e9413b9396c108', '3268696807145073679', '30286', '{"node-a": 2}', '2', NULL, '2026-11-28 17:54:48.236+00', NULL, NULL, '01M8HMQ7S2Y9R4P3TDQS1YG4A6', '851', '90'),
('team.b', 'memory-06', '4', 'b3ffbb1ff787cd3d48121e2539e13fa9ce40de5cb157c3d6c430fa26e6a67ac3', '-254691395614643391', '65045', '{"node-a": 4}', '4', '4', '2026-11-28 17:54:43.6+00', NULL, NULL, '01M8HMQ38FMWK3BHKXR2KB7T77', '767', '65'),
('team.b', 'memory-09', '1', '062b00ec8e96f106fec54b8b95658001e6f9f6e800af72aae07f352d2a3fb802', '-6258818040821456788', '52487', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '37'),
('team.b', 'memory-12', '2', NULL, NULL, '37680', '{"node-a": 2}', '2', '2', '2026-11-28 17:54:43.935+00', '2026-11-28 17:54:43.935+00', NULL, '01M8HMQ3JZZXMSR74869NEVXY4', '800', '80'),
('team.b', 'memory-15', '1', 'a57db2375022f1469d62c8d95bd2414f378287db29a81169382be680357395fa', '-5951829001423877522', '58047', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '39'),
('team.b', 'memory-18', '1', '6bfdb8022c8e98a98bffe0be693b7920c3bd18a35f446c94086829dd35a2cbd0', '-647003734214743809', '7790', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '40'),
('team.b', 'memory-21', '1', '219ffdac879c2da65720efd1a54e8a7202c62d42d8e2eb6885f160441ef41c72', '7857479092319412294', '23311', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '41'),
('team.b', 'memory-24', '1', '636d296bd97b6b3767bcc724274ce6dbf28ca1038b46887e7e5ddef706a08bd3', '6411475182400385411', '49939', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '42'),
('team.b', 'memory-27', '1', '58d060a19fac75cf4ffcf255babce48e451417318ce4144bd0d0c5db8e61a9ee', '-825111237920667283', '28412', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '43'),
('team.b', 'memory-30', '2', '1b6f5e5f565050eef720a54980a0b8dd6819de407ad78608c9abfc38efc03cf6', '7813552145751165207', '2123', '{"node-a": 2}', '2', '2', '2026-11-28 17:54:50.462+00', NULL, NULL, '01M8HMQ9YMB1XVNG3WRWVPEN83', '858', '95'),
('team.b', 'memory-33', '1', 'd7aa3e36016a68ce439176a5c86125abdcabfbdb769f05a35218c0817fdbda2d', '-6064436064787300163', '17295', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '45'),
('team.b', 'memory-36', '1', '0538f55310defbaa6dc8d9079a461a734bd80a8b2151f1223243d119b1a70d90', '-6841960748277134558', '19301', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '46'),
('team.b', 'memory-39', '1', '71c733789a398f9968795bfaec557a9fa0988357f55573abbc8a39cd066566d9', '-8125803457325641194', '31760', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, '2999-01-01 00:00:00+00', '01M8HMQ333VHHBWP62X99TJRYZ', '760', '47'),
('team.b', 'memory-42', '1', '3416dce9c11f808ea5b3d89b8c9988fc87b8357fd7bb717dbba51aea120db861', '990754644284784474', '2780', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '48'),
('team.b', 'memory-45', '1', '1379d8de73025d2a69a79293a926b7f90ea2119ee52ec5b98c4d6a770eed6f7b', '8607152183225922394', '58168', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '49'),
('team.b', 'memory-48', '1', '7a814aaaf9409f3975f7268e007fac827d37f52012dc5c9963d80acd89b0f72e', '-8492617206454425951', '62204', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:43.444+00', NULL, NULL, '01M8HMQ333VHHBWP62X99TJRYZ', '760', '50'),
('team.b', 'memory-51', '1', 'bcfec01e57ae3b482bd764f0f8ab51b3155f8e5926966d48b20d454283e669d2', '-8156530137053898527', '4508', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:48.236+00', NULL, NULL, '01M8HMQ7S2Y9R4P3TDQS1YG4A6', '851', '91'),
('team.b', 'memory-54', '1', 'a9e55a34d94c825306dfb11b4e2b7de4cb804e8fe7c55ff961196bcb46b76d47', '-6338709606107518090', '50379', '{"node-a": 1}', '1', '1', '2026-11-28 17:54:44.043+00', NULL, NULL, '01M8HMQ3P3R2874BA0XVAH23Y6', '809', '85'),
('team.b', 'memory-57', '1', '79496ab9e9da7ebb63f570175aef15bf328980ea0f4b76664d646a55134df066', '3736387839970473162', '40655', '{"node-a": 1}', '1', NULL, '2026-11-28 17:54:50.255+00', NULL, '2026-11-28 17:54:50.538+00', '01M8HMQ9R2G50D3SRGD1WXMMM1', '852', '92');
insert into mnemosync.schema_migrations (number, name, sha256, applied_at) overriding system value values
('1', '0001_memories.sql', 'ffa548ff25568fc0cfc2d2726a58dc047b86c1fda4f27ad883eabcd51d6399aa', '2026-11-28 17:54:43.03929+00'),
('2', '0002_transactions.sql', '6f59095cec8d3100c732473e88692de262b6fbad4573bf92fcd2688bc17667fb', '2026-11-28 17:54:43.093268+00'),
('3', '0003_conflicts_and_checks.sql', '968e39a123307fe37e40236751b4f2ba7e7156af044145264f9072b7328033a8', '2026-11-28 17:54:43.10437+00'),
('4', '0004_status.sql', '735aaad2bbbaf17adbdfc106abe9f40c115836e42f03f57e2a76d83c403c88c9', '2026-11-28 17:54:43.115152+00'),
('5', '0005_checks_and_conflicts.sql', '5cb12ec8a9f0c3fb756c3386fa4a5ec05c3a84a1187c7ae2d6fd6ec1eb1a5e17', '2026-11-28 17:54:43.145937+00'),
('7', '0007_import_conflicts.sql', 'c545d980a22d5990b2dbbb13c09d477fc7b794a7e4a99567238b0f369a7f56f1', '2026-11-28 17:54:43.195234+00'),
('8', '0008_copy_defaults.sql', 'fcd77a78f7342f3a2132a54375e80a383a1f5e7491ee055b00117a492fb7c8f7', '2026-11-28 17:54:43.207271+00');
insert into mnemosync.sync_meta (name, value) overriding system value values
('store_epoch', '1529cf31-4c14-4ac5-be04-3809ca4b70ed');
insert into mnemosync.sync_queue (store, node_id, namespace, memory_id, seq, enqueued_at, attempts, next_attempt_at, claimed_until, claimed_by, last_error, dead_at) overriding system value values
('faiss', 'node-a', 'default', 'memory-58', '94', '2026-11-28 17:54:50.355651+00', '10', '2026-11-28 17:54:50.355651+00', NULL, NULL, 'refused', '2026-11-28 17:55:01.240778+00'),
('faiss', 'node-a', 'team.b', 'memory-30', '96', '2026-11-28 17:54:50.487515+00', '0', '2026-11-28 17:54:50.487515+00', NULL, NULL, 'faiss is unavailable: away by the test', NULL),
('redis', '', 'default', 'memory-31', '105', '2026-11-28 17:54:54.843076+00', '1', '2026-11-28 17:54:54.843076+00', '2026-11-28 17:55:01.243581+00', 'gone', 'redis is unavailable: left out of the call, since it failed last with: redis is unavailable: no answer before the deadline', NULL),
('redis', '', 'default', 'memory-59', '106', '2026-11-28 17:54:54.84316+00', '10', '2026-11-28 17:54:54.84316+00', NULL, NULL, 'refused', '2026-11-28 17:55:01.240838+00');
insert into mnemosync.sync_transactions (tx_id, xid, state, node_id, namespaces, memory_ids, versions, created_at, published_at, reason, idempotency_key, outcomes) overriding system value values
('01M8HMQ333VHHBWP62X99TJRYZ', '760', 'published', 'node-a', '{default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,default,team.b,team.b,team.b,team.b,team.b,team.b,team.b,team.b,team.b,team.b,team.b,team.b,team.b,team.b,team.b,team.b,team.b}', '{memory-01,memory-02,memory-04,memory-05,memory-07,memory-08,memory-10,memory-11,memory-13,memory-14,memory-16,memory-17,memory-19,memory-20,memory-22,memory-23,memory-25,memory-26,memory-28,memory-29,memory-31,memory-32,memory-34,memory-35,memory-37,memory-38,memory-40,memory-41,memory-43,memory-44,memory-46,memory-47,memory-49,memory-00,memory-03,memory-06,memory-09,memory-12,memory-15,memory-18,memory-21,memory-24,memory-27,memory-30,memory-33,memory-36,memory-39,memory-42,memory-45,memory-48}', '{1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1}', '2026-11-28 17:54:43.474625+00', '2026-11-28 17:54:43.525691+00', NULL, NULL, NULL),
('01M8HMQ367RKBVPMVG8GHP5175', '763', 'published', 'node-a', '{default,default,default,default,team.b}', '{memory-04,memory-05,memory-07,memory-08,memory-06}', '{2,2,2,2,2}', '2026-11-28 17:54:43.545255+00', '2026-11-28 17:54:43.563864+00', NULL, NULL, NULL),
('01M8HMQ37CZBMJSQ33BRC75JQT', '765', 'published', 'node-a', '{default,default,default,default,team.b}', '{memory-04,memory-05,memory-07,memory-08,memory-06}', '{3,3,3,3,3}', '2026-11-28 17:54:43.575058+00', '2026-11-28 17:54:43.593053+00', NULL, NULL, NULL),
('01M8HMQ38FMWK3BHKXR2KB7T77', '767', 'published', 'node-a', '{default,default,default,default,team.b}', '{memory-04,memory-05,memory-07,memory-08,memory-06}', '{4,4,4,4,4}', '2026-11-28 17:54:43.60801+00', '2026-11-28 17:54:43.619039+00', NULL, NULL, NULL),
('01M8HMQ3936G2VR503MV8E31GN', '769', 'published', 'node-a', '{default}', '{memory-04}', '{5}', '2026-11-28 17:54:43.632476+00', '2026-11-28 17:54:43.647469+00', NULL, NULL, NULL),
('01M8HMQ3A7G5N2QDG0PR3E7NE7', '772', 'published', 'node-a', '{default}', '{memory-04}', '{6}', '2026-11-28 17:54:43.660798+00', '2026-11-28 17:54:43.675279+00', NULL, NULL, NULL),
('01M8HMQ3AW95RFKJ0GTQHVCJ93', '774', 'published', 'node-a', '{default}', '{memory-04}', '{7}', '2026-11-28 17:54:43.681307+00', '2026-11-28 17:54:43.712986+00', NULL, NULL, NULL),
('01M8HMQ3C1TZAAE857SMYEWRW1', '776', 'published', 'node-a', '{default}', '{memory-04}', '{8}', '2026-11-28 17:54:43.717418+00', '2026-11-28 17:54:43.729764+00', NULL, NULL, NULL),
('01M8HMQ3CJH8NSWP9ZT4H3ZDPJ', '778', 'published', 'node-a', '{default}', '{memory-04}', '{9}', '2026-11-28 17:54:43.733915+00', '2026-11-28 17:54:43.744928+00', NULL, NULL, NULL),
('01M8HMQ3D2X3VQHJC5T3M82XYK', '780', 'published', 'node-a', '{default}', '{memory-04}', '{10}', '2026-11-28 17:54:43.760087+00', '2026-11-28 17:54:43.779142+00', NULL, NULL, NULL),
('01M8HMQ3E6NACDXPCM2NN870NY', '783', 'published', 'node-a', '{default}', '{memory-04}', '{11}', '2026-11-28 17:54:43.788207+00', '2026-11-28 17:54:43.807741+00', NULL, NULL, NULL),
('01M8HMQ3F0DNH2A9W1F80P71ES', '785', 'published', 'node-a', '{default}', '{memory-04}', '{12}', '2026-11-28 17:54:43.811384+00', '2026-11-28 17:54:43.821201+00', NULL, NULL, NULL),
('01M8HMQ3FEMRADPKX8PY3B3MZ5', '787', 'published', 'node-a', '{default}', '{memory-04}', '{13}', '2026-11-28 17:54:43.829472+00', '2026-11-28 17:54:43.837464+00', NULL, NULL, NULL),
('01M8HMQ3G591FK2TSA438P14KS', '789', 'published', 'node-a', '{default}', '{memory-04}', '{14}', '2026-11-28 17:54:43.85137+00', '2026-11-28 17:54:43.857507+00', NULL, NULL, NULL),
('01M8HMQ3GJV09AFVDAYRQ1KA1B', '791', 'published', 'node-a', '{default}', '{memory-04}', '{15}', '2026-11-28 17:54:43.863416+00', '2026-11-28 17:54:43.871321+00', NULL, NULL, NULL),
('01M8HMQ3H7ZSCD2Z2FY6RQ0PGM', '794', 'published', 'node-a', '{default}', '{memory-05}', '{5}', '2026-11-28 17:54:43.882489+00', '2026-11-28 17:54:43.895561+00', NULL, NULL, NULL),
('01M8HMQ3HRZQ71W39BGTC9W6CN', '796', 'published', 'node-a', '{default}', '{memory-10}', '{2}', '2026-11-28 17:54:43.904369+00', '2026-11-28 17:54:43.922229+00', NULL, NULL, NULL),
('01M8HMQ3JK4VVP8J3ZM56985V6', '798', 'published', 'node-a', '{default}', '{memory-11}', '{2}', '2026-11-28 17:54:43.928607+00', '2026-11-28 17:54:43.934753+00', NULL, NULL, NULL),
('01M8HMQ3JZZXMSR74869NEVXY4', '800', 'published', 'node-a', '{team.b}', '{memory-12}', '{2}', '2026-11-28 17:54:43.94884+00', '2026-11-28 17:54:43.967598+00', NULL, NULL, NULL),
('01M8HMQ3M31RHZZB6Q8X110VYF', '803', 'published', 'node-a', '{default}', '{memory-14}', '{2}', '2026-11-28 17:54:43.976295+00', '2026-11-28 17:54:43.987275+00', NULL, NULL, NULL),
('01M8HMQ3MKTKYTMGBQ4Y6E89YN', '805', 'published', 'node-a', '{default}', '{memory-14}', '{3}', '2026-11-28 17:54:43.993513+00', '2026-11-28 17:54:44.016723+00', NULL, NULL, NULL),
('01M8HMQ3NJFMSJ5TX86XK53E64', '807', 'published', 'node-a', '{default}', '{memory-53}', '{1}', '2026-11-28 17:54:44.027515+00', '2026-11-28 17:54:44.03269+00', NULL, '01KB000000000000000000KEY1', '[{"faiss": false, "action": "write", "version": 1, "checksum": "ca6f72db46ce95ca792a5c4d7682b75cf13f17332acea6497eea572af5d5bfec"}]'),
('01M8HMQ3P3R2874BA0XVAH23Y6', '809', 'published', 'node-a', '{default,team.b}', '{memory-55,memory-54}', '{1,1}', '2026-11-28 17:54:44.046126+00', '2026-11-28 17:54:44.079698+00', NULL, '01KB000000000000000000KEY2', '[{"faiss": true, "action": "write", "version": 1, "checksum": "a9e55a34d94c825306dfb11b4e2b7de4cb804e8fe7c55ff961196bcb46b76d47"}, {"faiss": false, "action": "write", "version": 1, "checksum": "77c1b74e7a5ed56cc2465f7f51dc55332e5f5e70e67c1faf4c8c2964bd67fafa"}]'),
('01M8HMQ3QGQ0FHAKVP08FQJZDN', '812', 'published', 'node-a', '{default}', '{memory-56}', '{1}', '2026-11-28 17:54:44.082258+00', '2026-11-28 17:54:44.089427+00', NULL, NULL, NULL),
('01M8HMQ42J651DMRTKP0J73ZXQ', '820', 'published', 'node-a', '{default}', '{memory-56}', '{2}', '2026-11-28 17:54:44.443696+00', '2026-11-28 17:54:44.522538+00', NULL, NULL, NULL),
('01M8HMQ7S2Y9R4P3TDQS1YG4A6', '851', 'committed', 'node-a', '{default,default,team.b,team.b}', '{memory-50,memory-52,memory-03,memory-51}', '{1,1,2,1}', '2026-11-28 17:54:48.272746+00', NULL, NULL, NULL, NULL),
('01M8HMQ9R2G50D3SRGD1WXMMM1', '852', 'published', 'node-a', '{team.b}', '{memory-57}', '{1}', '2026-11-28 17:54:50.265574+00', '2026-11-28 17:54:50.309952+00', NULL, NULL, NULL),
('01M8HMQ9TC5Z7Q7M07DKQRT1J6', '855', 'published', 'node-a', '{default}', '{memory-58}', '{1}', '2026-11-28 17:54:50.329676+00', '2026-11-28 17:54:50.357592+00', NULL, NULL, NULL),
('01M8HMQ9YMB1XVNG3WRWVPEN83', '858', 'published', 'node-a', '{team.b}', '{memory-30}', '{2}', '2026-11-28 17:54:50.469028+00', '2026-11-28 17:54:50.492768+00', NULL, NULL, NULL),
('01M8HMQA0HQSWFGAWWZC7F4YTX', '861', 'rolled_back', 'node-a', '{default,default}', '{memory-31,memory-59}', '{}', '2026-11-28 17:54:52.565845+00', NULL, 'redis is unavailable: no answer before the deadline', NULL, NULL),
('01M8HMQC2C7ECNBM61P3H3V2F9', '863', 'rolled_back', 'node-a', '{default,default}', '{memory-31,memory-59}', '{}', '2026-11-28 17:54:52.697197+00', NULL, 'redis is unavailable: Reached the max retries per request limit (which is 20). Refer to "maxRetriesPerRequest" option for details.', NULL, NULL),
('01M8HMQC618ZVYKQKTY9Z4BT1A', '865', 'rolled_back', 'node-a', '{default,default}', '{memory-31,memory-59}', '{}', '2026-11-28 17:54:54.7814+00', NULL, 'redis is unavailable: no answer before the deadline', NULL, NULL),
('01M8HMQE6TSZG91GWYV2GPGHFP', '866', 'published', 'node-a', '{default,default}', '{memory-31,memory-59}', '{2,1}', '2026-11-28 17:54:54.816275+00', '2026-11-28 17:54:54.843569+00', NULL, NULL, NULL),
('01M8HMQE8674GZ713FTGWMPHXT', '870', 'rolled_back', 'node-a', '{default,default}', '{memory-31,memory-59}', '{}', '2026-11-28 17:54:56.907143+00', NULL, 'redis is unavailable: no answer before the deadline', NULL, NULL),
('01M8HMQGA0C4AKZHX4Y68V8DMB', '872', 'rolled_back', 'node-a', '{default,default}', '{memory-31,memory-59}', '{}', '2026-11-28 17:54:59.012505+00', NULL, 'redis is unavailable: no answer before the deadline', NULL, NULL),
('01M8HMQJCS73X3Q0KN0P8JNKFQ', '874', 'rolled_back', 'node-a', '{default,default}', '{memory-31,memory-59}', '{}', '2026-11-28 17:55:01.155431+00', NULL, 'redis is unavailable: no answer before the deadline', NULL, NULL);
select pg_catalog.setval('mnemosync.change_seq', 112);
select pg_catalog.setval('mnemosync.conflict_resolutions_id_seq', 4);
