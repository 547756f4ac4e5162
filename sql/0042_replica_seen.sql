-- The transaction of the last version that the replica was told of, at its place: a primary that lacks it went back. Adds a column
-- that is null; takes a lock on a table of one row for a moment.
alter table mnemosync.replica_cursor add column seen_tx text collate "C";
