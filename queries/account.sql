-- name: AccountGet :one
-- A user's profile and balance.
select u."id", u."name", u."email", u."emailVerified", u."createdAt", a.balance_micros, a.held_micros
from accounts a join "user" u on u."id" = a.user_id
where a.user_id = @user_id;

-- name: LedgerEntryList :many
-- A page of a user's ledger, newest first. The array is taken to be of a size that does not hang on the limit, which is
-- not known when a plan for any limit is made: so that plan is kept, and not made anew at each call.
select l.* from ledger_entries l
where l.id = any (array(
  select p.id from ledger_entries p where p.user_id = @user_id::text
  order by p.id desc limit sqlc.arg('row_limit')::int offset sqlc.arg('row_offset')::bigint
))
order by l.id desc;

-- name: LedgerEntryCount :one
-- How many entries LedgerEntryList would give without paging, from an id on.
select count(*) from ledger_entries where user_id = @user_id::text and id >= @since_id;

-- name: AccountLockSet :batchmany
-- Locks accounts, in one order whoever asks, and tells what is available of each.
select user_id, (balance_micros - held_micros)::bigint as available_micros
from accounts where user_id = any (@user_ids::text[]) order by user_id for no key update;

-- name: AccountLockOfTasksSetAnyOwner :batchmany
-- Locks the accounts that pay for some tasks, in the order of AccountLockSet, and tells what is available of each.
select a.user_id, (a.balance_micros - a.held_micros)::bigint as available_micros
from accounts a
where a.user_id = any (array(select t.user_id from tasks t where t.id = any (@task_ids::text[]) and t.environment = 'live'))
order by a.user_id for no key update of a;

-- name: AccountHoldSet :batchexec
-- Sets amounts aside, one sum an account. A CHECK fails it when they are not there, which was seen to under the lock.
update accounts a set held_micros = a.held_micros + n.amount_micros
from (select unnest(@user_ids::text[]) as user_id, unnest(@amounts_micros::bigint[]) as amount_micros) n
where a.user_id = n.user_id;

-- name: AccountSettleSet :batchexec
-- Releases holds and takes what was used of them, one sum an account.
update accounts a
set held_micros = a.held_micros - n.held_micros, balance_micros = a.balance_micros - n.charged_micros
from (select unnest(@user_ids::text[]) as user_id, unnest(@helds_micros::bigint[]) as held_micros,
  unnest(@chargeds_micros::bigint[]) as charged_micros) n
where a.user_id = n.user_id;

-- name: AccountCredit :execrows
-- Adds to a balance; a negative amount takes from it, down to what is held.
update accounts set balance_micros = balance_micros + @amount_micros::bigint where user_id = @user_id;

-- name: HoldInsertSet :batchexec
-- Notes for which tasks amounts are set aside.
insert into holds (task_id, user_id, amount_micros)
select unnest(@task_ids::text[]), unnest(@user_ids::text[]), unnest(@amounts_micros::bigint[]);

-- name: HoldLockSetAnyOwner :batchmany
-- Locks the open holds of tasks. No row for one that was resolved already or never existed.
select task_id, user_id, amount_micros from holds
where task_id = any (@task_ids::text[]) and state = 'held' order by task_id for no key update;

-- name: HoldResolveSet :batchexec
-- Settles holds for what was used of them, and voids those of which nothing was.
update holds h
set state = case when n.settled_micros > 0 then 'settled' else 'voided' end, settled_micros = n.settled_micros, resolved_at = now()
from (select unnest(@task_ids::text[]) as task_id, unnest(@user_ids::text[]) as user_id, unnest(@settleds_micros::bigint[]) as settled_micros) n
where h.task_id = n.task_id and h.user_id = n.user_id and h.state = 'held';

-- name: LedgerEntryInsert :exec
-- Adds one side of a transaction.
insert into ledger_entries (transaction_id, ledger_account, user_id, kind, amount_micros, task_id, reference)
values (@transaction_id, @ledger_account, sqlc.narg('user_id'), @kind, @amount_micros, @task_id, @reference);

-- name: LedgerSettleSet :batchexec
-- Charges for tasks: both sides of a transaction each, the user's and the house's revenue.
insert into ledger_entries (transaction_id, ledger_account, user_id, kind, amount_micros, task_id)
select n.transaction_id, side.ledger_account, side.user_id, 'settle', side.amount_micros, n.task_id
from (select unnest(@transaction_ids::text[]) as transaction_id, unnest(@user_ids::text[]) as user_id,
  unnest(@task_ids::text[]) as task_id, unnest(@charges_micros::bigint[]) as charge_micros) n
cross join lateral (values
  ('user:' || n.user_id, n.user_id, -n.charge_micros),
  (@revenue_account::text, null, n.charge_micros)) as side (ledger_account, user_id, amount_micros);

-- name: LedgerCheckTransactionsAnyOwner :many
-- Transactions whose sides do not sum to zero.
select transaction_id as subject, coalesce(sum(amount_micros), 0)::bigint as amount_micros
from ledger_entries group by transaction_id having sum(amount_micros) <> 0 order by 1 limit 100;

-- name: LedgerCheckBalancesAnyOwner :many
-- Accounts whose cached balance is not the sum of their entries.
select a.user_id as subject, (a.balance_micros - coalesce(sum(e.amount_micros), 0))::bigint as amount_micros
from accounts a left join ledger_entries e on e.user_id = a.user_id
group by a.user_id, a.balance_micros having a.balance_micros <> coalesce(sum(e.amount_micros), 0) order by 1 limit 100;

-- name: LedgerCheckHeldAnyOwner :many
-- Accounts whose cached held amount is not the sum of their open holds.
select a.user_id as subject, (a.held_micros - coalesce(sum(h.amount_micros), 0))::bigint as amount_micros
from accounts a left join holds h on h.user_id = a.user_id and h.state = 'held'
group by a.user_id, a.held_micros having a.held_micros <> coalesce(sum(h.amount_micros), 0) order by 1 limit 100;

-- name: LedgerCheckEndedAnyOwner :many
-- Ended live tasks whose hold is missing, still open, or settled for another amount than the task cost.
select t.id as subject, t.cost_micros as amount_micros
from tasks t left join holds h on h.task_id = t.id
where t.environment = 'live' and t.status in ('completed', 'failed')
  and (h.task_id is null or h.state = 'held' or h.settled_micros <> t.cost_micros) order by 1 limit 100;

-- name: LedgerCheckChargesAnyOwner :many
-- Tasks whose ledger charge is not what they cost.
select t.id as subject, (t.cost_micros + coalesce(sum(e.amount_micros), 0))::bigint as amount_micros
from tasks t left join ledger_entries e on e.task_id = t.id and e.kind = 'settle' and e.user_id is not null
group by t.id, t.cost_micros having t.cost_micros <> -coalesce(sum(e.amount_micros), 0) order by 1 limit 100;

-- name: LedgerCheckUsageAnyOwner :many
-- Completed tasks whose usage record is missing or differs, and usage of tasks that did not complete.
select t.id as subject, (t.cost_micros - coalesce(u.cost_micros, 0))::bigint as amount_micros
from tasks t left join usage_records u on u.task_id = t.id
where (t.status = 'completed') <> (u.task_id is not null)
  or (u.task_id is not null and u.cost_micros <> t.cost_micros) order by 1 limit 100;

-- name: LedgerCheckOutputsAnyOwner :many
-- Completed tasks charged for another number of images than they delivered.
select t.id as subject, (select count(*) from outputs o where o.task_id = t.id)::bigint as amount_micros
from tasks t join usage_records u on u.task_id = t.id
where t.status = 'completed' and u.units <> (select count(*) from outputs o where o.task_id = t.id) order by 1 limit 100;
