-- Records of conflicts that are pending, by memory: a repair looks for the record that an interrupted run kept of the same finding, and
-- the status of a memory for a conflict that waits. By `conflict_resolutions_memory_index` alone they read all settled records of the
-- memory too. Takes the place of the index by time, which no statement reads. Reads the table once; repairs wait meanwhile.
create index conflict_resolutions_open_index on mnemosync.conflict_resolutions (namespace, memory_id) where state = 'pending';
drop index mnemosync.conflict_resolutions_pending_index;
