-- Words for full-text search. Functions only: the index over them is optional (setting indexes.text) and made by the program,
-- so a ledger that wants none pays nothing.

-- The words of a memory's content, and one more that names its namespace: a search finds the words of one tenant without
-- reading the others' entries. Words come without the control character that begins the namespace's. A tsvector ends at
-- 1 MiB and refuses what is longer, so the content counts up to its 65,536th character. Words of more than 2,047 bytes are
-- left out, and the notices about them are not sent: a client that prints notices would print one for each write.
create function mnemosync.search_words(language regconfig, namespace text, document json)
returns tsvector
language plpgsql immutable parallel safe
set client_min_messages = warning
as $$
begin
    return array_to_tsvector(array[e'\x01' || namespace]) || to_tsvector(language, left(document ->> 'content', 65536));
end
$$;

-- Asks for one word, as `search_words` has it.
create function mnemosync.word_query(word text)
returns tsquery
language sql immutable parallel safe
as $$
    select ('''' || replace(replace(word, e'\\', e'\\\\'), '''', '''''') || '''')::tsquery
$$;
