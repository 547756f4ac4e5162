-- Records of conflicts that were settled, by the time of their settling: the retention of evidence reads them in that order.
-- Reads the table once; repairs wait meanwhile. Each settled conflict costs an entry.
create index conflict_resolutions_settled_index on mnemosync.conflict_resolutions (resolved_at) where state <> 'pending';
