-- What an import brings may stand against the ledger as well, and wait for somebody to decide.
-- Takes a short exclusive lock on `conflict_resolutions`; its rows are few.
alter table mnemosync.conflict_resolutions
    drop constraint conflict_resolutions_store,
    add constraint conflict_resolutions_store check (store in ('postgres', 'redis', 'faiss', 'import'));
