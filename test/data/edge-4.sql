pragma application_id = 1835951469;
pragma user_version = 4;
CREATE TABLE facts (name text primary key, value text not null) strict, without rowid;
CREATE TABLE memories (
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
CREATE VIRTUAL TABLE memory_text using fts5 (content, content = 'memories', content_rowid = 'row',
    tokenize = "unicode61 remove_diacritics 2");
CREATE TABLE outbox (
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
CREATE TABLE inbox (
    seq integer primary key,
    namespace text not null,
    memory_id text not null,
    version integer not null,
    change text,                             -- JSON; null: applied
    status text not null,                    -- applied, stale, conflict, waiting (for the answer to a sent change)
    received_at integer not null
  ) strict;
CREATE TABLE conflicts (
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
CREATE TABLE file_removals (name text primary key) strict, without rowid;
CREATE TABLE erased (
    namespace text not null, memory_id text not null, at integer not null,
    constraint erased_pkey primary key (namespace, memory_id)
  ) strict, without rowid;
CREATE TABLE lease (
    id integer primary key constraint lease_single check (id = 1),
    holder text, host text, pid integer, expires_at integer not null default 0,
    requested integer not null default 0, served integer not null default 0, report text
  ) strict;
CREATE TABLE counters (
    day text not null, name text not null, value integer not null,
    constraint counters_pkey primary key (day, name)
  ) strict, without rowid;
CREATE TABLE unindexed (row integer primary key) strict;
CREATE TABLE connectors (
    id text primary key,
    definition text,                         -- JSON; null: it runs without being defined here
    cursor integer,                          -- milliseconds since 1970 behind which the next run reads; null: it reads all
    holder text,                             -- the run that goes on; null: none
    owner text,                              -- JSON of the identity of its process
    touched_at integer not null default 0
  ) strict, without rowid;
CREATE TABLE connector_items (
    connector text not null,
    id text not null,                        -- the service's
    memory_id text not null,
    hash text not null,
    seen_in text not null,                   -- the run that saw it last
    state text not null,                     -- imported, erased, refused, deleted
    constraint connector_items_pkey primary key (connector, id)
  ) strict, without rowid;
CREATE TABLE connector_runs (
    seq integer primary key,
    connector text not null,
    id text not null,
    state text not null,
    record text not null,                    -- JSON
    constraint connector_runs_id_unique unique (connector, id)
  ) strict;
CREATE TABLE connector_letters (
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
insert into facts (name, value) values ('clock_offset_ms', '0');
insert into facts (name, value) values ('contact', '{"at":1767268803000,"state":"offline","code":"SYNC_CONNECTION","message":"lost"}');
insert into facts (name, value) values ('cursor', '["epoch-1",16]');
insert into facts (name, value) values ('device', 'vm-01KDWPVNG0S0M72JB0VAWHZ2R6');
insert into facts (name, value) values ('epoch', 'epoch-1');
insert into facts (name, value) values ('indexed_through', '0');
insert into facts (name, value) values ('lag_ms', '1000');
insert into facts (name, value) values ('last_key', '01KDWPVQEGBKAT3SB05F2R635A');
insert into facts (name, value) values ('last_pull_at', '1767268803000');
insert into facts (name, value) values ('last_push_at', '1767268803000');
insert into facts (name, value) values ('settled_floor', '01KDWPVQEGBKAT3SB05F2R6357');
insert into memories (row, namespace, memory_id, deleted, content, memory_type, importance, metadata, privacy, embedding_model, expires_at, embedding, withheld, created_at, modified_at, version, epoch, hub_key, own_key, own_parent_key, sent_privacy, withdrew, base_json, base_embedding, seen) values (1, 'default', 'synced', 1, NULL, 'note', 0.25, NULL, 'full', NULL, NULL, NULL, 0, 1767268800000, 1767268803000, 1, 'epoch-1', '01KDWPVNG00NB7S86FFP9H0QSH', '01KDWPVNG00NB7S86FFP9H0QSH', NULL, 'full', 0, '{"document":{"content":"in sync","memoryType":"note","importance":0.25,"metadata":{"tags":["ü",1,null]},"privacy":"full"},"withheld":false}', X'0000003F000080BF', 0);
insert into memories (row, namespace, memory_id, deleted, content, memory_type, importance, metadata, privacy, embedding_model, expires_at, embedding, withheld, created_at, modified_at, version, epoch, hub_key, own_key, own_parent_key, sent_privacy, withdrew, base_json, base_embedding, seen) values (2, 'default', 'expiring', 0, 'until 2099', 'note', 0.5, '{}', 'full', NULL, 4070908800000, NULL, 0, 1767268800000, 1767268800000, 1, 'epoch-1', '01KDWPVNG00NB7S86FFP9H0QSJ', '01KDWPVNG00NB7S86FFP9H0QSJ', NULL, 'full', 0, NULL, NULL, 0);
insert into memories (row, namespace, memory_id, deleted, content, memory_type, importance, metadata, privacy, embedding_model, expires_at, embedding, withheld, created_at, modified_at, version, epoch, hub_key, own_key, own_parent_key, sent_privacy, withdrew, base_json, base_embedding, seen) values (5, 'default', 'said', 0, 'base of said', 'note', 0.5, '{}', 'redacted', NULL, NULL, NULL, 0, 1767268800000, 1767268802000, 3, 'epoch-1', '01KDWPVQEGBKAT3SB05F2R6357', '01KDWPVQEGBKAT3SB05F2R6357', '01KDWPVQEGBKAT3SB05F2R6356', 'redacted', 1, NULL, NULL, 0);
insert into memories (row, namespace, memory_id, deleted, content, memory_type, importance, metadata, privacy, embedding_model, expires_at, embedding, withheld, created_at, modified_at, version, epoch, hub_key, own_key, own_parent_key, sent_privacy, withdrew, base_json, base_embedding, seen) values (6, 'default', 'held', 0, 'held here', 'note', 0.5, '{}', 'full', NULL, NULL, NULL, 0, 1767268800000, 1767268802000, 1, 'epoch-1', '01KDWPVNG00NB7S86FFP9H0QSP', '01KDWPVNG00NB7S86FFP9H0QSP', NULL, 'full', 0, '{"document":{"content":"base of held","memoryType":"note","importance":0.5,"metadata":{},"privacy":"full"},"withheld":false}', NULL, 0);
insert into memories (row, namespace, memory_id, deleted, content, memory_type, importance, metadata, privacy, embedding_model, expires_at, embedding, withheld, created_at, modified_at, version, epoch, hub_key, own_key, own_parent_key, sent_privacy, withdrew, base_json, base_embedding, seen) values (7, 'default', 'decided', 0, 'decided here', 'note', 0.5, '{}', 'full', NULL, NULL, NULL, 0, 1767268800000, 1767268802000, 3, 'epoch-1', '01KDWPVQEGBKAT3SB05F2R635A', '01KDWPVQEGBKAT3SB05F2R635A', NULL, 'full', 0, NULL, NULL, 0);
insert into memories (row, namespace, memory_id, deleted, content, memory_type, importance, metadata, privacy, embedding_model, expires_at, embedding, withheld, created_at, modified_at, version, epoch, hub_key, own_key, own_parent_key, sent_privacy, withdrew, base_json, base_embedding, seen) values (8, 'default', 'redacted', 0, 'withheld from the hub', 'note', 0.5, '{}', 'redacted', NULL, NULL, NULL, 0, 1767268800000, 1767268800000, 1, 'epoch-1', '01KDWPVNG00NB7S86FFP9H0QSR', '01KDWPVNG00NB7S86FFP9H0QSR', NULL, 'redacted', 0, NULL, NULL, 0);
insert into memories (row, namespace, memory_id, deleted, content, memory_type, importance, metadata, privacy, embedding_model, expires_at, embedding, withheld, created_at, modified_at, version, epoch, hub_key, own_key, own_parent_key, sent_privacy, withdrew, base_json, base_embedding, seen) values (9, 'default', 'private', 0, 'never leaves', 'note', 0.5, '{}', 'local_only', NULL, NULL, NULL, 0, 1767268800000, 1767268800000, 0, NULL, NULL, NULL, NULL, 'nothing', 0, NULL, NULL, 0);
insert into memories (row, namespace, memory_id, deleted, content, memory_type, importance, metadata, privacy, embedding_model, expires_at, embedding, withheld, created_at, modified_at, version, epoch, hub_key, own_key, own_parent_key, sent_privacy, withdrew, base_json, base_embedding, seen) values (10, 'default', 'from the hub', 0, 'written at the hub', 'note', 0.5, '{}', 'full', NULL, NULL, NULL, 0, 1767268801000, 1767268801000, 1, 'epoch-1', NULL, NULL, NULL, 'full', 0, NULL, NULL, 0);
insert into memories (row, namespace, memory_id, deleted, content, memory_type, importance, metadata, privacy, embedding_model, expires_at, embedding, withheld, created_at, modified_at, version, epoch, hub_key, own_key, own_parent_key, sent_privacy, withdrew, base_json, base_embedding, seen) values (11, 'default', 'refused', 0, 'over a limit', 'note', 0.5, '{}', 'full', NULL, NULL, NULL, 0, 1767268803000, 1767268803000, 0, NULL, NULL, NULL, NULL, 'full', 0, NULL, NULL, 0);
insert into memories (row, namespace, memory_id, deleted, content, memory_type, importance, metadata, privacy, embedding_model, expires_at, embedding, withheld, created_at, modified_at, version, epoch, hub_key, own_key, own_parent_key, sent_privacy, withdrew, base_json, base_embedding, seen) values (12, 'default', 'later', 0, 'the hub asked for patience', 'note', 0.5, '{}', 'full', NULL, NULL, NULL, 0, 1767268803000, 1767268803000, 0, NULL, NULL, NULL, NULL, 'full', 0, NULL, NULL, 0);
insert into memories (row, namespace, memory_id, deleted, content, memory_type, importance, metadata, privacy, embedding_model, expires_at, embedding, withheld, created_at, modified_at, version, epoch, hub_key, own_key, own_parent_key, sent_privacy, withdrew, base_json, base_embedding, seen) values (13, 'default', 'sent', 0, 'a later edit behind it', 'note', 0.5, '{}', 'full', NULL, NULL, NULL, 0, 1767268803000, 1767268803000, 0, NULL, NULL, NULL, NULL, 'full', 0, NULL, NULL, 0);
insert into memories (row, namespace, memory_id, deleted, content, memory_type, importance, metadata, privacy, embedding_model, expires_at, embedding, withheld, created_at, modified_at, version, epoch, hub_key, own_key, own_parent_key, sent_privacy, withdrew, base_json, base_embedding, seen) values (14, 'default', 'unsent', 0, 'not sent yet', 'note', 0.5, '{}', 'full', NULL, NULL, NULL, 0, 1767268803000, 1767268803000, 0, NULL, NULL, NULL, NULL, 'nothing', 0, NULL, NULL, 0);
insert into outbox (seq, key, namespace, memory_id, op, base_version, parent_key, modified_at, payload, bytes, status, frozen, attempts, next_attempt_at, error_code, error, created_at, sent_at) values (3, '01KDWPVQEGBKAT3SB05F2R6358', 'default', 'held', 'put', 1, '01KDWPVNG00NB7S86FFP9H0QSP', 1767268802000, '{"privacy":"full","content":"held here","memoryType":"note","importance":0.5,"metadata":{},"embedding":null}', 369, 'held', 1, 0, 0, NULL, NULL, 1767268802000, 1767268802000);
insert into outbox (seq, key, namespace, memory_id, op, base_version, parent_key, modified_at, payload, bytes, status, frozen, attempts, next_attempt_at, error_code, error, created_at, sent_at) values (5, '01KDWPVRDR2QS8CCV1QCKVDVBB', 'default', 'refused', 'put', 0, NULL, 1767268803000, '{"privacy":"full","content":"over a limit","memoryType":"note","importance":0.5,"metadata":{},"embedding":null}', 375, 'failed', 1, 0, 0, 'VALIDATION', 'content is too long', 1767268803000, 1767268803000);
insert into outbox (seq, key, namespace, memory_id, op, base_version, parent_key, modified_at, payload, bytes, status, frozen, attempts, next_attempt_at, error_code, error, created_at, sent_at) values (6, '01KDWPVRDR2QS8CCV1QCKVDVBC', 'default', 'later', 'put', 0, NULL, 1767268803000, '{"privacy":"full","content":"the hub asked for patience","memoryType":"note","importance":0.5,"metadata":{},"embedding":null}', 387, 'pending', 1, 1, 1767268863000, 'QUOTA_CHANGES', 'slow down', 1767268803000, 1767268803000);
insert into outbox (seq, key, namespace, memory_id, op, base_version, parent_key, modified_at, payload, bytes, status, frozen, attempts, next_attempt_at, error_code, error, created_at, sent_at) values (7, '01KDWPVRDR2QS8CCV1QCKVDVBD', 'default', 'sent', 'put', 0, NULL, 1767268803000, '{"privacy":"full","content":"applied, and its answer was lost","memoryType":"note","importance":0.5,"metadata":{},"embedding":null}', 392, 'sent', 1, 0, 0, NULL, NULL, 1767268803000, 1767268803000);
insert into outbox (seq, key, namespace, memory_id, op, base_version, parent_key, modified_at, payload, bytes, status, frozen, attempts, next_attempt_at, error_code, error, created_at, sent_at) values (8, '01KDWPVRDR2QS8CCV1QCKVDVBE', 'default', 'sent', 'put', NULL, NULL, 1767268803000, '{"privacy":"full","content":"a later edit behind it","memoryType":"note","importance":0.5,"metadata":{},"embedding":null}', 382, 'pending', 0, 0, 0, NULL, NULL, 1767268803000, NULL);
insert into outbox (seq, key, namespace, memory_id, op, base_version, parent_key, modified_at, payload, bytes, status, frozen, attempts, next_attempt_at, error_code, error, created_at, sent_at) values (9, '01KDWPVRDR2QS8CCV1QCKVDVBF', 'default', 'unsent', 'put', 0, NULL, 1767268803000, '{"privacy":"full","content":"not sent yet","memoryType":"note","importance":0.5,"metadata":{},"embedding":null}', 374, 'pending', 0, 0, 0, NULL, NULL, 1767268803000, NULL);
insert into outbox (seq, key, namespace, memory_id, op, base_version, parent_key, modified_at, payload, bytes, status, frozen, attempts, next_attempt_at, error_code, error, created_at, sent_at) values (10, '01KDWPVRDR2QS8CCV1QCKVDVBG', 'default', 'synced', 'delete', 1, '01KDWPVNG00NB7S86FFP9H0QSH', 1767268803000, NULL, 263, 'pending', 0, 0, 0, NULL, NULL, 1767268803000, NULL);
insert into inbox (seq, namespace, memory_id, version, change, status, received_at) values (1, 'default', 'synced', 1, NULL, 'stale', 1767268800000);
insert into inbox (seq, namespace, memory_id, version, change, status, received_at) values (2, 'default', 'expiring', 1, NULL, 'stale', 1767268800000);
insert into inbox (seq, namespace, memory_id, version, change, status, received_at) values (3, 'default', 'gone', 1, NULL, 'stale', 1767268800000);
insert into inbox (seq, namespace, memory_id, version, change, status, received_at) values (4, 'default', 'erased', 1, NULL, 'stale', 1767268800000);
insert into inbox (seq, namespace, memory_id, version, change, status, received_at) values (5, 'default', 'said', 1, NULL, 'stale', 1767268800000);
insert into inbox (seq, namespace, memory_id, version, change, status, received_at) values (6, 'default', 'held', 1, NULL, 'stale', 1767268800000);
insert into inbox (seq, namespace, memory_id, version, change, status, received_at) values (7, 'default', 'decided', 1, NULL, 'stale', 1767268800000);
insert into inbox (seq, namespace, memory_id, version, change, status, received_at) values (8, 'default', 'redacted', 1, NULL, 'stale', 1767268800000);
insert into inbox (seq, namespace, memory_id, version, change, status, received_at) values (9, 'default', 'from the hub', 1, NULL, 'applied', 1767268802000);
insert into inbox (seq, namespace, memory_id, version, change, status, received_at) values (10, 'default', 'held', 2, NULL, 'conflict', 1767268802000);
insert into inbox (seq, namespace, memory_id, version, change, status, received_at) values (11, 'default', 'decided', 2, NULL, 'conflict', 1767268802000);
insert into inbox (seq, namespace, memory_id, version, change, status, received_at) values (12, 'default', 'gone', 2, NULL, 'applied', 1767268802000);
insert into inbox (seq, namespace, memory_id, version, change, status, received_at) values (13, 'default', 'erased', 2, NULL, 'applied', 1767268802000);
insert into inbox (seq, namespace, memory_id, version, change, status, received_at) values (14, 'default', 'said', 3, NULL, 'stale', 1767268802000);
insert into inbox (seq, namespace, memory_id, version, change, status, received_at) values (15, 'default', 'decided', 3, NULL, 'stale', 1767268803000);
insert into conflicts (id, namespace, memory_id, state, policy, resolution, reason, detected_at, resolved_at, base_version, base_json, base_embedding, local_json, local_embedding, local_modified_at, remote_version, remote_json, remote_modified_at, file) values ('01KDWPVQEGFP52CMQXP1WFWE18', 'default', 'decided', 'resolved', 'manual', 'local', 'decided by hand: local', 1767268802000, 1767268802000, 1, '{"document":{"content":"base of decided","memoryType":"note","importance":0.5,"metadata":{},"privacy":"full"},"withheld":false}', NULL, '{"document":{"content":"decided here","memoryType":"note","importance":0.5,"metadata":{},"privacy":"full"},"withheld":false}', NULL, 1767268802000, 2, '{"namespace":"default","memoryId":"decided","version":2,"versionVector":{},"modifiedAt":1767268801000,"device":null,"key":null,"kind":"put","checksum":"2a4e43dddd407467ec478747f341f021fc05d3026afa7f57fb905b2da9e2870b","holder":false,"memory":{"memoryType":"note","importance":0.5,"metadata":{},"embedding":null,"privacy":"full","content":"changed at the hub too"}}', 1767268801000, 'decided_v2.json');
insert into conflicts (id, namespace, memory_id, state, policy, resolution, reason, detected_at, resolved_at, base_version, base_json, base_embedding, local_json, local_embedding, local_modified_at, remote_version, remote_json, remote_modified_at, file) values ('01KDWPVQEGQRV8CZQHZK2V1N8F', 'default', 'held', 'pending', 'manual', NULL, 'the policy is manual', 1767268802000, NULL, 1, '{"document":{"content":"base of held","memoryType":"note","importance":0.5,"metadata":{},"privacy":"full"},"withheld":false}', NULL, '{"document":{"content":"held here","memoryType":"note","importance":0.5,"metadata":{},"privacy":"full"},"withheld":false}', NULL, 1767268802000, 2, '{"namespace":"default","memoryId":"held","version":2,"versionVector":{},"modifiedAt":1767268801000,"device":null,"key":null,"kind":"put","checksum":"8ceabeb3ab9fe93cd8d97f1ab9bf301850110b15a39e1cc94a76d45839c8378c","holder":false,"memory":{"memoryType":"note","importance":0.5,"metadata":{},"embedding":null,"privacy":"full","content":"changed at the hub"}}', 1767268801000, NULL);
insert into erased (namespace, memory_id, at) values ('default', 'erased', 1767268802000);
insert into lease (id, holder, host, pid, expires_at, requested, served, report) values (1, NULL, 'vm', 23098, 0, 0, 0, NULL);
insert into counters (day, name, value) values ('2026-01-01', 'downloaded', 15);
insert into counters (day, name, value) values ('2026-01-01', 'synced', 11);
insert into memory_text (memory_text, rank) values ('secure-delete', 1);
insert into memory_text (rowid, content) select row, content from memories
  where content is not null and row not in (select row from unindexed)
    and row <= (select cast(value as integer) from facts where name = 'indexed_through');
CREATE INDEX memories_expiry on memories (expires_at) where expires_at is not null;
CREATE INDEX memories_withdrew on memories (row) where withdrew = 1;
CREATE INDEX outbox_memory on outbox (namespace, memory_id, seq);
CREATE INDEX outbox_sent on outbox (seq) where status = 'sent';
CREATE INDEX outbox_failed on outbox (seq) where status = 'failed';
CREATE INDEX inbox_waiting on inbox (namespace, memory_id) where status = 'waiting';
CREATE INDEX conflicts_memory on conflicts (namespace, memory_id);
CREATE INDEX conflicts_pending on conflicts (detected_at) where state = 'pending';
CREATE INDEX conflicts_unwritten on conflicts (id) where file is null;
CREATE INDEX connector_letters_memory on connector_letters (memory_id);
CREATE TRIGGER memories_text_insert after insert on memories when new.content is not null
    and new.row <= (select cast(value as integer) from facts where name = 'indexed_through') begin
    insert into unindexed (row) values (new.row); -- The last row had been removed, and its number is used again.
  end;
CREATE TRIGGER memories_text_update after update of content on memories when old.content is not new.content
    and old.row <= (select cast(value as integer) from facts where name = 'indexed_through') begin
    insert into memory_text (memory_text, rowid, content) select 'delete', old.row, old.content
      where old.content is not null and not exists (select 1 from unindexed where row = old.row);
    delete from unindexed where row = old.row;
    insert into unindexed (row) select new.row where new.content is not null;
  end;
CREATE TRIGGER memories_text_delete after delete on memories when old.content is not null
    and old.row <= (select cast(value as integer) from facts where name = 'indexed_through') begin
    insert into memory_text (memory_text, rowid, content) select 'delete', old.row, old.content
      where not exists (select 1 from unindexed where row = old.row);
    delete from unindexed where row = old.row;
  end;
CREATE TRIGGER outbox_last_key after delete on outbox
    when old.key > coalesce((select value from facts where name = 'last_key'), '') begin
    insert or replace into facts (name, value) values ('last_key', old.key);
  end;
