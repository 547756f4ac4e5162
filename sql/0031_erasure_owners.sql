-- Who has an erasure open, and which namespaces the texts of an ended job may quote. Adds columns without a default: no row is
-- rewritten, and writers wait for a moment only.

-- Whose limit of open erasures it counts to; null: a program's or the command line's, which have none of their own.
alter table mnemosync.erasures add column owner text collate "C";

-- Namespaces of the memories that the job's result quotes: an erasure reads the results of its own namespace, and no other one's.
-- Null: the job is open, or an older program ended it; the first erasure then looks, and fills it in. Without an index: some
-- hundred ended jobs are kept.
alter table mnemosync.jobs add column quoted_namespaces text[] collate "C";
