-- How many memories an erasure covered, and ended, once it is through: a memory that is erased again, or revived, leaves the list of
-- the earlier erasure, whose receipt must not change for that. Adds columns without a default: no row is rewritten, and writers wait
-- for a moment only. Null: not through yet, or from before; the list is counted then.
alter table mnemosync.erasures
    add column memories bigint,
    add column erased   bigint;
