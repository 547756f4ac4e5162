-- How a webhook subscription reads the change feed: of each memory the latest versions (`changes`), or each version (`versions`).
-- Adds a column with a constant default and a constraint: no row is rewritten, and a look at each subscription (1,000 at most)
-- is taken while none can be changed.
alter table mnemosync.webhook_subscriptions
    add column reading text collate "C" not null default 'changes',
    add constraint webhook_subscriptions_reading check (reading in ('changes', 'versions'));
