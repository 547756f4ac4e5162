-- Versions and counters end at 2^48. Near 2^53 a number of JavaScript no longer grows by one, so that a memory which came in
-- with such a version had no next one, and no index could be filled from its ledger.
-- Holds an exclusive lock on both tables for a look at each row. A row from before that is beyond the caps stays as it is,
-- and no later statement can write it anew: `mnemosync doctor` counts such rows, and docs/operations.md says how to renumber
-- them. Where there is none, which is usual, the constraints count as validated.
alter table mnemosync.memory_versions
    add constraint memory_versions_version_max check (version <= 281474976710656) not valid,
    add constraint memory_versions_vector_counters check (
        jsonb_typeof(version_vector) = 'object'
        and not jsonb_path_exists(version_vector, '$.* ? (@.type() != "number" || @ < 0 || @ > 281474976710656)')
    ) not valid;
alter table mnemosync.memory_history
    add constraint memory_history_version_max check (version <= 281474976710656) not valid;

do $$
declare
    unvalidated record;
begin
    for unvalidated in
        select conrelid::regclass as rows, conname as name from pg_constraint
        where connamespace = 'mnemosync'::regnamespace and not convalidated
          and conname in ('memory_versions_version_max', 'memory_versions_vector_counters', 'memory_history_version_max')
    loop
        begin
            execute format('alter table %s validate constraint %I', unvalidated.rows, unvalidated.name);
        exception when check_violation then
            null; -- A row from before is beyond the cap: see above.
        end;
    end loop;
end
$$;
