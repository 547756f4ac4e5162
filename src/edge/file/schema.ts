import { EdgeFileError } from "../errors.ts";
import type { SqlFile } from "./sql-file.ts";

/** "mnem", so that a database of another program is not taken for ours. */
const APPLICATION_ID = 0x6d6e656d;

/**
 * Versions of the file's schema, the oldest first. A landed one is never changed: a change is a further one. Each runs in one
 * transaction with the version's number.
 */
const MIGRATIONS: readonly string[] = [
  `
  -- Facts of the file, e.g. device, epoch, cursor, last key.
  create table facts (name text primary key, value text not null) strict, without rowid;

  create table memories (
    row integer primary key,
    namespace text not null,
    memory_id text not null,
    deleted integer not null default 0,      -- 1: ended here; the row is kept for its version
    content text,                            -- null: ended, or withheld
    memory_type text not null,
    importance real not null,
    metadata text,                           -- JSON; null as content is
    privacy text not null,
    embedding_model text,
    expires_at integer,                      -- milliseconds since 1970
    embedding blob,                          -- float32, little-endian
    withheld integer not null default 0,     -- 1: seen redacted: content, metadata and embedding are not known here
    created_at integer not null,
    modified_at integer not null,            -- milliseconds since 1970 by the hub's clock
    version integer not null default 0,      -- the hub's version that the row, or its base, is; 0: the hub has none
    epoch text,                              -- of version
    hub_key text,                            -- of the change that wrote that version; null: not known
    own_key text,                            -- of the last edit from here that the hub acknowledged, while it is the head
    own_parent_key text,                     -- of the version that it was made on
    sent_privacy text not null default 'nothing', -- what the hub was sent, and has not been told to forget
    withdrew integer not null default 0,     -- 1: this device withdrew it, and has not put it in full since
    base_json text,                          -- the hub's side while an unsent edit differs from it; null: the row is that
    base_embedding blob,
    seen integer not null default 0,         -- the last resync that met it
    constraint memories_key_unique unique (namespace, memory_id)
  ) strict;
  create index memories_expiry on memories (expires_at) where expires_at is not null;
  create index memories_withdrew on memories (row) where withdrew = 1;

  -- External content: the words alone are kept twice. Its own secure-delete takes words of erased memories out of the index.
  create virtual table memory_text using fts5 (content, content = 'memories', content_rowid = 'row',
    tokenize = "unicode61 remove_diacritics 2");
  insert into memory_text (memory_text, rank) values ('secure-delete', 1);
  create trigger memories_text_insert after insert on memories when new.content is not null begin
    insert into memory_text (rowid, content) values (new.row, new.content);
  end;
  create trigger memories_text_update after update of content on memories when old.content is not new.content begin
    insert into memory_text (memory_text, rowid, content) select 'delete', old.row, old.content where old.content is not null;
    insert into memory_text (rowid, content) select new.row, new.content where new.content is not null;
  end;
  create trigger memories_text_delete after delete on memories when old.content is not null begin
    insert into memory_text (memory_text, rowid, content) values ('delete', old.row, old.content);
  end;

  create table outbox (
    seq integer primary key,                 -- the order of changes of one memory
    key text not null,                       -- ULID, greater than every key before
    namespace text not null,
    memory_id text not null,
    op text not null,                        -- put, delete, withdraw
    base_version integer,                    -- null: of another epoch, or the change before it is not answered yet
    parent_key text,                         -- of the version that it was made on
    modified_at integer not null,            -- milliseconds since 1970 by this machine's clock
    payload text,                            -- JSON of what leaves; null without
    bytes integer not null,
    status text not null,                    -- pending, sent (not answered), held (awaits a decision), failed
    frozen integer not null default 0,       -- 1: was sent under its key: it never changes any more
    attempts integer not null default 0,     -- times that the hub answered "retry"
    next_attempt_at integer not null default 0,
    error_code text,
    error text,
    created_at integer not null,
    sent_at integer,
    constraint outbox_key_unique unique (key)
  ) strict;
  create index outbox_memory on outbox (namespace, memory_id, seq);
  create index outbox_sent on outbox (seq) where status = 'sent';
  create index outbox_failed on outbox (seq) where status = 'failed';

  -- Pulled changes. Applied ones are a record without content, of the last page or so.
  create table inbox (
    seq integer primary key,
    namespace text not null,
    memory_id text not null,
    version integer not null,
    change text,                             -- JSON; null: applied
    status text not null,                    -- applied, stale, conflict, waiting (for the answer to a sent change)
    received_at integer not null
  ) strict;
  create index inbox_waiting on inbox (namespace, memory_id) where status = 'waiting';

  create table conflicts (
    id text primary key,
    namespace text not null,
    memory_id text not null,
    state text not null,                     -- pending, resolved
    policy text not null,
    resolution text,                         -- local, remote, merged
    reason text not null,
    detected_at integer not null,
    resolved_at integer,
    base_version integer not null,
    base_json text,
    base_embedding blob,
    local_json text not null,
    local_embedding blob,
    local_modified_at integer not null,
    remote_version integer not null,
    remote_json text not null,               -- the hub's change
    remote_modified_at integer not null,
    file text,                               -- name of the original's file; null: not written yet
    constraint conflicts_state_known check (state in ('pending', 'resolved'))
  ) strict, without rowid;
  create index conflicts_memory on conflicts (namespace, memory_id);
  create index conflicts_pending on conflicts (detected_at) where state = 'pending';
  create index conflicts_unwritten on conflicts (id) where file is null;

  -- Files to remove after an erasure. Kept until they are gone, whatever dies in between.
  create table file_removals (name text primary key) strict, without rowid;

  create table erased (
    namespace text not null, memory_id text not null, at integer not null,
    constraint erased_pkey primary key (namespace, memory_id)
  ) strict, without rowid;

  create table lease (
    id integer primary key constraint lease_single check (id = 1),
    holder text, host text, pid integer, expires_at integer not null default 0,
    requested integer not null default 0, served integer not null default 0, report text
  ) strict;
  insert into lease (id) values (1);

  create table counters (
    day text not null, name text not null, value integer not null,
    constraint counters_pkey primary key (day, name)
  ) strict, without rowid;
  `,
  `
  -- Memories whose words are not in the index yet. See words.ts.
  create table unindexed (row integer primary key) strict;
  drop trigger memories_text_insert;
  drop trigger memories_text_update;
  drop trigger memories_text_delete;
  create trigger memories_text_insert after insert on memories when new.content is not null begin
    insert into unindexed (row) values (new.row);
  end;
  create trigger memories_text_update after update of content on memories when old.content is not new.content begin
    insert into memory_text (memory_text, rowid, content) select 'delete', old.row, old.content
      where old.content is not null and not exists (select 1 from unindexed where row = old.row);
    delete from unindexed where row = old.row;
    insert into unindexed (row) select new.row where new.content is not null;
  end;
  create trigger memories_text_delete after delete on memories when old.content is not null begin
    insert into memory_text (memory_text, rowid, content) select 'delete', old.row, old.content
      where not exists (select 1 from unindexed where row = old.row);
    delete from unindexed where row = old.row;
  end;
  `,
  `
  -- Other services that memories come from, and what is known of their items. See connector-rows.ts.
  create table connectors (
    id text primary key,
    definition text,                         -- JSON; null: it runs without being defined here
    cursor integer,                          -- milliseconds since 1970 behind which the next run reads; null: it reads all
    holder text,                             -- the run that goes on; null: none
    owner text,                              -- JSON of the identity of its process
    touched_at integer not null default 0
  ) strict, without rowid;
  create table connector_items (
    connector text not null,
    id text not null,                        -- the service's
    memory_id text not null,
    hash text not null,
    seen_in text not null,                   -- the run that saw it last
    state text not null,                     -- imported, erased, refused, deleted
    constraint connector_items_pkey primary key (connector, id)
  ) strict, without rowid;
  create table connector_runs (
    seq integer primary key,
    connector text not null,
    id text not null,
    state text not null,
    record text not null,                    -- JSON
    constraint connector_runs_id_unique unique (connector, id)
  ) strict;
  create table connector_letters (
    connector text not null,
    item_id text not null,
    memory_id text not null,
    code text not null,
    reason text not null,
    attempts integer not null,
    at integer not null,
    payload text not null,                   -- JSON of the memory
    constraint connector_letters_pkey primary key (connector, item_id)
  ) strict, without rowid;
  create index connector_letters_memory on connector_letters (memory_id);
  `,
  `
  -- A new memory has a row behind this one, and waits for the index of words without a note: see words.ts.
  insert or replace into facts (name, value) select 'indexed_through', cast(coalesce(max(row), 0) as text) from memories;
  drop trigger memories_text_insert;
  drop trigger memories_text_update;
  drop trigger memories_text_delete;
  create trigger memories_text_insert after insert on memories when new.content is not null
    and new.row <= (select cast(value as integer) from facts where name = 'indexed_through') begin
    insert into unindexed (row) values (new.row); -- The last row had been removed, and its number is used again.
  end;
  create trigger memories_text_update after update of content on memories when old.content is not new.content
    and old.row <= (select cast(value as integer) from facts where name = 'indexed_through') begin
    insert into memory_text (memory_text, rowid, content) select 'delete', old.row, old.content
      where old.content is not null and not exists (select 1 from unindexed where row = old.row);
    delete from unindexed where row = old.row;
    insert into unindexed (row) select new.row where new.content is not null;
  end;
  create trigger memories_text_delete after delete on memories when old.content is not null
    and old.row <= (select cast(value as integer) from facts where name = 'indexed_through') begin
    insert into memory_text (memory_text, rowid, content) select 'delete', old.row, old.content
      where not exists (select 1 from unindexed where row = old.row);
    delete from unindexed where row = old.row;
  end;

  -- The greatest key that left the outbox: with those in it, what a new key must be above. See facts.ts.
  create trigger outbox_last_key after delete on outbox
    when old.key > coalesce((select value from facts where name = 'last_key'), '') begin
    insert or replace into facts (name, value) values ('last_key', old.key);
  end;
  `,
];

export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Brings the file to this program's schema. A new file gets it, and so does an older one.
 * @throws {EdgeFileError} `newer` or `foreign`: the file was not touched.
 */
export function migrate(file: SqlFile): void {
  refuseForeign(file);
  if (pragma(file, "user_version") === SCHEMA_VERSION) return;
  file.transaction(() => {
    refuseForeign(file); // Another process may have been first.
    for (let version = pragma(file, "user_version"); version < SCHEMA_VERSION; version++) {
      file.exec(MIGRATIONS[version] as string);
    }
    file.exec(`pragma application_id = ${APPLICATION_ID}; pragma user_version = ${SCHEMA_VERSION}`);
  });
}

/** @throws {EdgeFileError} `newer` or `foreign`. */
export function refuseForeign(file: SqlFile): void {
  const version = pragma(file, "user_version");
  const application = pragma(file, "application_id");
  const tables = file.get<{ n: number }>("select count(*) as n from sqlite_master")?.n ?? 0;
  if (application !== APPLICATION_ID && (tables > 0 || version > 0)) {
    throw new EdgeFileError(
      "foreign",
      `${file.path} is a database of another program: give the edge a path of its own`,
    );
  }
  if (version > SCHEMA_VERSION) {
    throw new EdgeFileError(
      "newer",
      `${file.path} has version ${version} of the edge's schema, and this program knows ${SCHEMA_VERSION}: use the newer program`,
    );
  }
}

function pragma(file: SqlFile, name: string): number {
  return file.get<Record<string, number>>(`pragma ${name}`)?.[name] ?? 0;
}
