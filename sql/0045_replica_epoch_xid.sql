-- The replica's own transaction in which it began to read an epoch of its primary: what was written here since is of that epoch, so a
-- primary that lacks it went back, also while older rows are still compared. Adds a column with a constant; takes a lock on a table of
-- one row for a moment.
alter table mnemosync.replica_cursor add column epoch_xid xid8 not null default '0'::xid8;
-- A comparison that is under way does not tell where its epoch began: of its rows none from before this moment is asked for.
update mnemosync.replica_cursor set epoch_xid = pg_current_xact_id() where compares is not null;
