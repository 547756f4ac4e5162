-- Replication to a second database. Creates only; takes no lock on data and adds nothing to a write. A replica has this very
-- schema: `replica_cursor` and `diverged` are filled there, `replica_dead_letters` in the primary.

-- The place in the primary's feed that the replica has reached: one row, in the replica, moved by the transaction that writes
-- the data before it.
create table mnemosync.replica_cursor (
    only_row         boolean     not null default true,
    ledger_id        text        collate "C" not null,  -- of the primary: sync_meta.ledger_id there
    feed_epoch       text        collate "C" not null,  -- the epoch of the primary that is read
    epoch            text        collate "C",           -- the one of which all before the place is here; null: not known yet
    xid              xid8        not null,
    seq              bigint      not null,
    -- The newest tombstone that the primary had pruned when reading began at the start. Null: none.
    pruned_xid       xid8,
    pruned_seq       bigint,
    -- Why rows of before are compared with the primary once the feed's end is reached: it is another `epoch`, or tombstones were
    -- `pruned` that the replica was not told of. Null: they need not be. And the last row that was.
    compares         text,
    compared_bucket  integer,
    compared_key     text[]      collate "C",
    writer           text        collate "C",           -- the one process that may write
    mark             text        collate "C",           -- of the primary: one that it lacks later proves that it went back
    began_at         timestamptz not null default clock_timestamp(),
    moved_at         timestamptz not null default clock_timestamp(),
    constraint replica_cursor_pkey primary key (only_row),
    constraint replica_cursor_only_row check (only_row),
    constraint replica_cursor_epoch check (epoch is null or epoch = feed_epoch),
    constraint replica_cursor_pruned check ((pruned_xid is null) = (pruned_seq is null)),
    constraint replica_cursor_compares check (compares in ('epoch', 'pruned')),
    constraint replica_cursor_compared check ((compared_bucket is null) = (compared_key is null))
);

-- Versions that the replica had and the primary no longer has: it was put back. Kept, and never shown.
create table mnemosync.diverged (
    namespace      text        collate "C" not null,
    memory_id      text        collate "C" not null,
    version        bigint      not null,
    tx_id          text        collate "C" not null,
    checksum       text        collate "C",           -- null: an ending
    version_vector jsonb       not null,
    modified_at    timestamptz not null,
    ended_by       text        collate "C",
    document       json,
    embedding      bytea,
    found_epoch    text        collate "C" not null,  -- the epoch of the primary that lacks it
    found_at       timestamptz not null default clock_timestamp(),
    constraint diverged_pkey primary key (namespace, memory_id, version, tx_id)
);
alter table mnemosync.diverged alter column embedding set storage external;

-- Memories that the replica refused: one row each, tried again until `dead_at`. It holds no content: the ledger does.
create table mnemosync.replica_dead_letters (
    id              text        collate "C" not null,   -- ULID
    store           text        collate "C" not null,   -- the replica's name
    operation       text        not null,               -- of the change that was refused last
    namespace       text        collate "C" not null,
    memory_id       text        collate "C" not null,
    data            json        not null,               -- version, transaction and times of that change
    at              timestamptz not null default clock_timestamp(),
    attempts        integer     not null default 1,
    last_error      text        not null,
    next_attempt_at timestamptz not null,
    dead_at         timestamptz,                        -- null: it is tried again by itself
    constraint replica_dead_letters_pkey primary key (id),
    constraint replica_dead_letters_memory unique (namespace, memory_id, store),
    constraint replica_dead_letters_operation check (operation in ('put', 'delete', 'withdraw', 'erase')),
    constraint replica_dead_letters_attempts check (attempts >= 0)
);
create index replica_dead_letters_due_index on mnemosync.replica_dead_letters (next_attempt_at) where dead_at is null;
