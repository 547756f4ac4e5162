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
