-- New memories are sent before the ledger's clock is known: COPY leaves their times out, and they get the time at which their
-- transaction began, in whole milliseconds as all stores keep it. The reader of the clock is the same transaction.
--
-- Sets defaults only: no row is read or written, and exclusive locks on both tables are held for a moment. A program from
-- before this migration names the columns, so nothing changes for it.
alter table mnemosync.memory_versions
    alter column created_at set default date_trunc('milliseconds', now()),
    alter column modified_at set default date_trunc('milliseconds', now());
alter table mnemosync.memory_bodies
    alter column modified_at set default date_trunc('milliseconds', now());
