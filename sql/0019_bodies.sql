-- Bodies are written once: each version of a memory, document and embedding included, is one row of `memory_bodies`, from the
-- moment in which it is committed. A change inserts a body and moves the narrow row on; nothing is copied.
--
-- Creates, renames, and adds columns without a default: no row is read or written, and exclusive locks on `memory_versions`,
-- `memories` and `memory_history` are held for a moment. Rows from before this migration stay where they are, in
-- `unmoved_documents` and `unmoved_history`, until a write of their memory or the job `move_bodies` moves them; readers know
-- both places. A program from before this migration refuses the database afterwards, and one that still runs cannot write:
-- the triggers below say why.

-- Every version that is kept, the current ones included. Rows are inserted and pruned, and never changed but by repairs.
create table mnemosync.memory_bodies (
    namespace      text        collate "C" not null,
    memory_id      text        collate "C" not null,
    version        bigint      not null,
    checksum       text        collate "C",           -- null: an ending, which has neither document nor embedding
    version_vector jsonb       not null,
    modified_at    timestamptz not null,
    ended_by       text        collate "C",           -- null: the version is alive
    expires_at     timestamptz,                       -- null also where the version has no place in the change feed
    tx_id          text        collate "C" not null,
    -- The place in the change feed. Null: the version was replaced before this migration, or came as history by an import.
    xid            xid8        default pg_current_xact_id(),
    seq            bigint      default nextval('mnemosync.change_seq'),
    document       json,                              -- json keeps the canonical text as it was checksummed
    embedding      bytea,                             -- float32, little-endian
    constraint memory_bodies_pkey primary key (namespace, memory_id, version),
    constraint memory_bodies_version_positive check (version > 0),
    constraint memory_bodies_ending check ((ended_by is null) = (checksum is not null)),
    constraint memory_bodies_ended_by check (ended_by in ('expired', 'deleted', 'withdrawn', 'erased'))
);
-- Random floats don't compress: trying costs more than it saves.
alter table mnemosync.memory_bodies alter column embedding set storage external;
-- The change feed: every version that stands behind a cursor.
create unique index memory_bodies_feed_index on mnemosync.memory_bodies (xid, seq);

-- Up to which place in the feed replaced versions beyond `historyVersionsMax` are pruned: "epoch xid seq"; empty: none.
insert into mnemosync.sync_meta (name, value) values ('history_pruned_through', '');

-- Numbers up to which versions were given out to memories whose tombstones were pruned, by bucket. A new memory starts above
-- the floor of its bucket, so no version number is given twice. Empty until the first tombstone is pruned.
create table mnemosync.version_floors (
    bucket    integer     not null,
    floor     bigint      not null,
    raised_at timestamptz not null default clock_timestamp(),
    constraint version_floors_pkey primary key (bucket),
    constraint version_floors_bucket_range check (bucket between 0 and 65535),
    constraint version_floors_floor_range check (floor between 1 and 281474976710656)
);

alter table mnemosync.memory_versions
    -- When the memory was created: kept over its versions, begun anew after an ending. Null: the row is not moved yet.
    add column created_at timestamptz,
    -- Why a tombstone is one. Null: the memory is alive, or was deleted before this migration.
    add column ended_by text collate "C",
    add constraint memory_versions_ended_by check (ended_by in ('expired', 'deleted', 'withdrawn', 'erased')) not valid,
    -- The place in the feed stands on the body. Not null here: the row is not moved yet, and this is its place.
    alter column xid drop not null,
    alter column xid drop default,
    alter column seq drop not null,
    alter column seq drop default;

alter table mnemosync.memories rename to unmoved_documents;
alter table mnemosync.unmoved_documents rename constraint memories_pkey to unmoved_documents_pkey;
alter table mnemosync.memory_history rename to unmoved_history;
alter table mnemosync.unmoved_history rename constraint memory_history_pkey to unmoved_history_pkey;

-- In a new database there is nothing to move, so the narrow table has no index that a change must keep. In another one the
-- job replaces the index at its end.
do $$
begin
    if not exists (select from mnemosync.memory_versions) then
        drop index mnemosync.memory_versions_feed_index;
        create unique index memory_versions_unmoved_index on mnemosync.memory_versions (xid, seq) where xid is not null;
    end if;
end
$$;

-- What memories say now, for readers of the ledger: as the table of this name was.
create view mnemosync.memories as
select v.namespace, v.memory_id, b.document, b.embedding
from mnemosync.memory_versions v
join mnemosync.memory_bodies b using (namespace, memory_id, version)
where b.document is not null
union all
select namespace, memory_id, document, embedding from mnemosync.unmoved_documents;

-- Replaced versions, for readers of the ledger: as the table of this name was, without `replaced_at`.
create view mnemosync.memory_history as
select b.namespace, b.memory_id, b.version, b.checksum, b.document, b.embedding, b.version_vector, b.modified_at,
       case when b.checksum is null then b.modified_at end as deleted_at, b.ended_by, b.tx_id
from mnemosync.memory_bodies b
join mnemosync.memory_versions v using (namespace, memory_id)
where b.version < v.version
union all
select namespace, memory_id, version, checksum, document, embedding, version_vector, modified_at, deleted_at,
       case when checksum is null then 'deleted' end, tx_id
from mnemosync.unmoved_history;

create function mnemosync.refuse_older_program()
returns trigger
language plpgsql
as $$
begin
    raise exception 'this program is older than its database: since migration 19 memories are written to memory_bodies'
        using errcode = 'feature_not_supported', hint = 'Stop this program and start the newer one.';
end
$$;
create trigger memories_refuse_older_program instead of insert or update or delete on mnemosync.memories
    for each row execute function mnemosync.refuse_older_program();
create trigger memory_history_refuse_older_program instead of insert or update or delete on mnemosync.memory_history
    for each row execute function mnemosync.refuse_older_program();

-- As before, counted without a look at any body: each moved memory has one body that is current.
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
        greatest(0, (select count(*) from mnemosync.memory_bodies)
                    - (select count(*) from mnemosync.memory_versions where xid is null)
                    + (select count(*) from mnemosync.unmoved_history)),
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
