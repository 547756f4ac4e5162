-- A ledger that was promoted from a replica has versions without their transactions, which stayed in the former primary: a reader that
-- had seen one of them took the ledger for one that went back, again and again. From now on a promotion says so itself; this says it of
-- ledgers that were promoted before. Reads each version of such a ledger once, without a lock; reads nothing of any other.
insert into mnemosync.sync_meta as m (name, value)
select 'transactions_pruned_through', p.newest
from (
    select max(b.tx_id) as newest
    from mnemosync.memory_bodies b
    where exists (select from mnemosync.epochs e where e.reason = 'promoted')
      and not exists (select from mnemosync.sync_transactions t where t.tx_id = b.tx_id)
) p
where p.newest is not null
on conflict (name) do update set value = greatest(m.value collate "C", excluded.value collate "C");
