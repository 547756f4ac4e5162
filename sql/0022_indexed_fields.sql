-- What an index of fields holds of a memory: all fields of its document but the content, and its namespace, so that a filter of
-- one tenant does not read the entries of the others. A function only: the index is optional (setting indexes.fields) and made
-- by the program, so a ledger that wants none pays nothing.
create function mnemosync.indexed_fields(namespace text, document json)
returns jsonb
language sql immutable parallel safe
as $$
    select (document::jsonb - 'content') || jsonb_build_object('namespace', namespace)
$$;
