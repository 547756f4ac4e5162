-- The data that a named place belongs to, for a consumer whose data can begin from nothing again (a store in memory, a
-- volume that was replaced): then the place is worthless, though the epoch is the same. Null: the consumer names none.
alter table mnemosync.feed_cursors add column contents text;
