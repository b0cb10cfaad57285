-- name: AccountGet :one
-- A user's profile and balance.
select u."id", u."name", u."email", u."emailVerified", u."createdAt", a.balance_micros, a.held_micros
from accounts a join "user" u on u."id" = a.user_id
where a.user_id = @user_id;

-- name: LedgerEntryList :many
-- A page of a user's ledger, newest first.
select l.* from (
  select p.id from ledger_entries p where p.user_id = @user_id::text
  order by p.id desc limit sqlc.arg('row_limit')::int offset sqlc.arg('row_offset')::bigint
) page join ledger_entries l on l.id = page.id
order by l.id desc;

-- name: LedgerEntryCount :one
-- How many entries LedgerEntryList would give without paging, from an id on.
select count(*) from ledger_entries where user_id = @user_id::text and id >= @since_id;

-- name: AccountHold :execrows
-- Sets an amount aside. 0 rows when what is available does not cover it.
update accounts set held_micros = held_micros + @amount_micros::bigint
where user_id = @user_id and balance_micros - held_micros >= @amount_micros;

-- name: AccountSettle :execrows
-- Releases a hold and takes what was used of it.
update accounts
set held_micros = held_micros - @held_micros::bigint, balance_micros = balance_micros - @charged_micros::bigint
where user_id = @user_id;

-- name: AccountCredit :execrows
-- Adds to a balance; a negative amount takes from it, down to what is held.
update accounts set balance_micros = balance_micros + @amount_micros::bigint where user_id = @user_id;

-- name: HoldInsert :exec
-- Notes for which task an amount is set aside.
insert into holds (task_id, user_id, amount_micros) values (@task_id, @user_id, @amount_micros);

-- name: HoldResolve :one
-- Settles or voids a hold. No row when it was resolved already or never existed.
update holds set state = @state, settled_micros = @settled_micros, resolved_at = now()
where task_id = @task_id and user_id = @user_id and state = 'held'
returning amount_micros;

-- name: LedgerEntryInsert :exec
-- Adds one side of a transaction.
insert into ledger_entries (transaction_id, ledger_account, user_id, kind, amount_micros, task_id, reference)
values (@transaction_id, @ledger_account, sqlc.narg('user_id'), @kind, @amount_micros, @task_id, @reference);

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
