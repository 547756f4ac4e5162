-- Edges: devices that push changes and read them, and what the hub keeps of them. Creates only; takes no lock on data, and adds
-- nothing to a write that comes from elsewhere.

-- A row per device. A device has keys, it is none: `owner` is that of the key that it used last.
create table mnemosync.hub_devices (
    device          text        collate "C" not null,
    owner           text        collate "C" not null,
    name            text,                              -- what people call it
    settled_through text        collate "C",           -- keys up to it are refused, and their claims are gone; null: none
    cursor_epoch    text        collate "C",           -- where it reads on, as it said last; null: it has not read yet
    xid             xid8,
    seq             bigint,
    cursor          text        collate "C",           -- as it was given
    read_at         timestamptz,                       -- when it read last
    first_seen_at   timestamptz not null default clock_timestamp(),
    last_seen_at    timestamptz not null default clock_timestamp(),
    revoked_at      timestamptz,
    constraint hub_devices_pkey primary key (device),
    constraint hub_devices_cursor check (num_nonnulls(cursor_epoch, xid, seq, cursor, read_at) in (0, 5))
);
-- The quota of an owner.
create index hub_devices_owner_index on mnemosync.hub_devices (owner);
-- The device that is furthest behind: it holds the retention of tombstones.
create index hub_devices_place_index on mnemosync.hub_devices (xid, seq) where xid is not null and revoked_at is null;

-- Changes that were applied, by their key: a repeat gets the version of then. Written by the transaction that applies the change,
-- and pruned only once the device calls the key settled, never by age.
create table mnemosync.hub_claims (
    device      text   collate "C" not null,
    key         text   collate "C" not null,           -- ULID; grows with each change of a device
    fingerprint text   collate "C",                    -- of the change; null once its memory was erased or withdrawn
    namespace   text   collate "C" not null,
    memory_id   text   collate "C" not null,
    version     bigint not null,                       -- of the answer; 0: there was nothing to end
    constraint hub_claims_pkey primary key (device, key)
);
-- Erasures and withdrawals look for the claims of a memory: a fingerprint confirms a guess at a content.
create index hub_claims_memory_index on mnemosync.hub_claims (namespace, memory_id);

-- The device that wrote a memory last. Counts only while `version` is the memory's own: others write it too.
create table mnemosync.hub_memories (
    namespace text   collate "C" not null,
    memory_id text   collate "C" not null,
    version   bigint not null,
    device    text   collate "C" not null,
    key       text   collate "C" not null,
    holder    text   collate "C",                      -- the device that holds the content which the hub does not have
    constraint hub_memories_pkey primary key (namespace, memory_id)
);

-- The place in the feed of the newest tombstone that was pruned: a reader behind it was not told of all deletions.
create table mnemosync.tombstones_pruned (
    only_row boolean not null default true,
    xid      xid8    not null,
    seq      bigint  not null,
    constraint tombstones_pruned_pkey primary key (only_row),
    constraint tombstones_pruned_only_row check (only_row)
);
