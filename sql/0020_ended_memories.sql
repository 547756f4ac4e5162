-- Memories that ended, oldest first: what the pruning of tombstones asks for, where `tombstoneRetentionMs` asks for pruning.
-- Reads each row of `memory_versions` once, while writers wait (about 0.3 s for a million rows); has no entry of a live memory.
create index memory_versions_ended_index on mnemosync.memory_versions (deleted_at)
    where deleted_at is not null and ended_by is distinct from 'erased';

-- A version of 384 numbers with its facts and a usual document is a little larger than the 2 KB at which PostgreSQL takes values
-- out of a row: a second table and its index for each write, a tenth more log. So rows up to half a page stay whole. New rows
-- only; changes nothing that is there.
alter table mnemosync.memory_bodies set (toast_tuple_target = 4080);
