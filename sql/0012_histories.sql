-- Proof of this ledger's history. A name in a table proves nothing: every copy, failover and dump carries it.
-- Creates, and adds columns to the small table `stores`; takes no lock on data.

-- Names this ledger for good. Shared stores keep it, so that another ledger's data is refused and never adopted.
insert into mnemosync.sync_meta (name, value) values ('ledger_id', gen_random_uuid()::text) on conflict (name) do nothing;

-- The histories that this ledger had. A new one begins when the database is found to have gone back: what stores and
-- cursors hold of the one before is compared, or read anew.
create table mnemosync.epochs (
    epoch             text        collate "C" not null,  -- sync_meta.store_epoch names the current one
    began_at          timestamptz not null default clock_timestamp(),
    reason            text        not null,
    system_identifier text,                              -- of the cluster; null where this user may not read it
    timeline          integer,                           -- rises with each promotion of a standby
    constraint epochs_pkey primary key (epoch)
);
insert into mnemosync.epochs (epoch, reason)
select value, 'created' from mnemosync.sync_meta where name = 'store_epoch';

-- Random marks. Each stands in a snapshot or in a shared store too: one that is found there and not here was made in a
-- history that this database does not have.
create table mnemosync.marks (
    number  bigint      generated always as identity,
    token   text        collate "C" not null default gen_random_uuid()::text,
    made_at timestamptz not null default clock_timestamp(),
    constraint marks_pkey primary key (number)
);

alter table mnemosync.stores
    add column confirmed_life text,           -- the life of the store's servers in which it was compared as a whole
    add column confirmed_mark text,           -- the mark that the leader left in it last
    add column compared_at    timestamptz;    -- null: never

-- Gives rows whose transaction id this server has not given out yet (they came by a dump) ids of this server. Until it
-- reaches the old ones, no reader of the feed would see them. Every table with a place in the feed, whatever its name.
create function mnemosync.stamp_rows_of_the_future()
returns bigint
language plpgsql
as $$
declare
    horizon xid8 := pg_snapshot_xmax(pg_current_snapshot());
    place   record;
    stamped bigint := 0;
    rows    bigint;
begin
    for place in
        select c.oid::regclass as name
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'mnemosync' and c.relkind = 'r'
          and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'xid'
                      and a.atttypid = 'xid8'::regtype and not a.attisdropped)
          and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'seq' and not a.attisdropped)
          and c.relname <> 'feed_cursors'
        order by 1
    loop
        execute format('update %s set xid = pg_current_xact_id(), seq = nextval(%L) where xid >= $1',
                       place.name, 'mnemosync.change_seq') using horizon;
        get diagnostics rows = row_count;
        stamped := stamped + rows;
    end loop;
    return stamped;
end
$$;
