-- Webhooks: who is told of what, and what waits for a receiver. Creates only; takes no lock on data, and adds nothing to a write.
-- The place of a subscription in the change feed is the cursor webhook/<id> in feed_cursors, whose lease says which process delivers.
create table mnemosync.webhook_subscriptions (
    id                    text        collate "C" not null,  -- ULID
    owner                 text        collate "C" not null,  -- the caller whose quota it counts to
    url                   text        not null,
    description           text        not null,
    topics                text[]      not null,
    namespaces            text[],                            -- null: all
    where_filter          json,                              -- null: every memory
    embeddings            boolean     not null,
    secret                bytea       not null,              -- encrypted by the program: see docs/webhooks.md
    previous_secret       bytea,                             -- encrypted; signs beside the other one until its time
    previous_secret_until timestamptz,
    state                 text        not null default 'active',
    paused_reason         text,
    head                  text        collate "C",           -- the message that failed last, and how often in a row
    failures              integer     not null default 0,
    next_attempt_at       timestamptz,                       -- null: at once
    last_error            text,
    last_failure_at       timestamptz,
    last_success_at       timestamptz,
    delivered             bigint      not null default 0,
    events_lost           bigint      not null default 0,    -- events that found the queue full
    created_at            timestamptz not null default clock_timestamp(),
    updated_at            timestamptz not null default clock_timestamp(),
    constraint webhook_subscriptions_pkey primary key (id),
    constraint webhook_subscriptions_state check (state in ('active', 'paused')),
    constraint webhook_subscriptions_paused check ((state = 'paused') = (paused_reason is not null)),
    constraint webhook_subscriptions_previous check ((previous_secret is null) = (previous_secret_until is null)),
    constraint webhook_subscriptions_failures check (failures >= 0 and (head is not null or failures = 0))
);
-- The quota of an owner.
create index webhook_subscriptions_owner_index on mnemosync.webhook_subscriptions (owner);

-- Events that wait for their receiver, and dead letters. A change of a memory is kept by its key and its place in the feed
-- alone, and is read anew when it is sent: so an erased memory leaves no content here.
create table mnemosync.webhook_messages (
    subscription_id text        collate "C" not null,
    id              text        collate "C" not null,  -- the webhook-id, the same in every attempt
    number          bigint      generated always as identity,
    topic           text        not null,
    state           text        not null,
    payload         json,                              -- of an event; null: a change
    namespace       text        collate "C",
    memory_id       text        collate "C",
    version         bigint,
    epoch           text,
    xid             xid8,
    seq             bigint,
    attempts        integer     not null default 0,
    last_error      text,
    created_at      timestamptz not null default clock_timestamp(),
    constraint webhook_messages_pkey primary key (subscription_id, id),
    constraint webhook_messages_subscription foreign key (subscription_id)
        references mnemosync.webhook_subscriptions (id) on delete cascade,
    constraint webhook_messages_state check (state in ('pending', 'dead')),
    constraint webhook_messages_kind check (
        (payload is null) = (namespace is not null and memory_id is not null and version is not null
                             and epoch is not null and xid is not null and seq is not null))
);
-- The oldest messages of a subscription, by state.
create index webhook_messages_state_index on mnemosync.webhook_messages (subscription_id, state, number);
