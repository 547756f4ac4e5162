-- Named places in the change feed, for consumers that keep none of their own. Creates only.
create table mnemosync.feed_cursors (
    name             text        collate "C" not null,
    epoch            text        not null,  -- the history that the place belongs to: sync_meta.store_epoch
    xid              xid8        not null,
    seq              bigint      not null,
    filter           json        not null default '{}',
    holder           text        collate "C",  -- the process that reads on from here; null: none
    lease_expires_at timestamptz,
    retention_ms     bigint,                -- for how long history should be kept for this consumer; null: no wish
    created_at       timestamptz not null default clock_timestamp(),
    updated_at       timestamptz not null default clock_timestamp(),
    constraint feed_cursors_pkey primary key (name),
    constraint feed_cursors_seq check (seq >= 0),
    constraint feed_cursors_lease check ((holder is null) = (lease_expires_at is null)),
    constraint feed_cursors_retention check (retention_ms > 0)
);
