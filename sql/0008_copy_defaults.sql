-- New memories may be written by COPY, which takes no expressions: what only the server knows comes by itself.
-- Changes no row; the lock is held for a moment.
alter table mnemosync.memory_versions
    alter column xid set default pg_current_xact_id(),
    alter column seq set default nextval('mnemosync.change_seq');
