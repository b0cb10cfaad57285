-- name: TaskMarkBefore :one
-- The last mark of a user's tasks that is not after a moment.
select * from task_marks
where user_id = @user_id and environment = @environment and until <= @created_before::timestamptz
order by until desc limit 1;

-- name: TaskMarkAfter :one
-- The first mark of a user's tasks after a moment.
select * from task_marks
where user_id = @user_id and environment = @environment and until > @created_after::timestamptz
order by until limit 1;

-- name: TaskMarkDueAnyOwner :many
-- Which of some users have this many tasks after their last mark.
select a.user_id, e.environment::text as environment
from accounts a cross join unnest(array['live', 'test']) e (environment)
where a.user_id = any (@user_ids::text[]) and exists (
  select from tasks t
  where t.user_id = a.user_id and t.environment = e.environment
    and t.created_at >= coalesce((select max(m.until) from task_marks m
      where m.user_id = a.user_id and m.environment = e.environment), '-infinity')
  order by t.created_at offset sqlc.arg('mark_rows')::int limit 1);

-- name: TaskMarkAdd :execrows
-- Sets the next mark of a user's tasks: this many tasks further, before every task that may still end, and so long before
-- every open transaction that no clock of ours puts a task there any more. 0 rows when there is no such place.
with last as materialized (
  select * from task_marks where user_id = @user_id and environment = @environment order by until desc limit 1
), since as materialized (
  select coalesce((select last.until from last), '-infinity')::timestamptz as at
), calm as materialized (
  select least(
    calm_moment(sqlc.arg('calm_seconds')::int),
    (select t.created_at from tasks t where t.user_id = @user_id and t.environment = @environment and t.completed_at is null
      order by t.created_at, t.id limit 1)) as at
), step as materialized (
  select t.created_at as at from tasks t
  where t.user_id = @user_id and t.environment = @environment
    and t.created_at >= (select since.at from since) and t.created_at < (select calm.at from calm)
  order by t.created_at, t.id offset sqlc.arg('mark_rows')::int limit 1
), next as materialized (
  -- Many of one moment are not torn apart: then the mark comes after all of them.
  select case when step.at > since.at then step.at else (
    select t.created_at from tasks t
    where t.user_id = @user_id and t.environment = @environment
      and t.created_at > (select since.at from since) and t.created_at < (select calm.at from calm)
    order by t.created_at, t.id limit 1) end as at
  from step, since
), kinds as (
  select k.model, k.type, k.status, sum(k.n)::bigint as n from (
    select unnest(last.models) as model, unnest(last.types) as type, unnest(last.statuses) as status, unnest(last.counts) as n from last
    union all
    select t.model, t.type, t.status, count(*) from tasks t
    where t.user_id = @user_id and t.environment = @environment
      and t.created_at >= (select since.at from since) and t.created_at < (select next.at from next)
    group by t.model, t.type, t.status
  ) k group by k.model, k.type, k.status
)
insert into task_marks (user_id, environment, until, total, models, types, statuses, counts)
select @user_id, @environment, next.at, sum(kinds.n), array_agg(kinds.model), array_agg(kinds.type), array_agg(kinds.status), array_agg(kinds.n)
from next, kinds where next.at is not null group by next.at
on conflict on constraint task_marks_pkey do nothing;

-- name: UsageMarkBefore :one
-- The last mark of a user's usage that is not after a moment.
select * from usage_marks
where user_id = @user_id and environment = @environment and until <= @created_before::timestamptz
order by until desc limit 1;

-- name: UsageMarkAfter :one
-- The first mark of a user's usage after a moment.
select * from usage_marks
where user_id = @user_id and environment = @environment and until > @created_after::timestamptz
order by until limit 1;

-- name: UsageMarkDueAnyOwner :many
-- Which of some users have this much usage after their last mark.
select a.user_id, e.environment::text as environment
from accounts a cross join unnest(array['live', 'test']) e (environment)
where a.user_id = any (@user_ids::text[]) and exists (
  select from usage_records u
  where u.user_id = a.user_id and u.environment = e.environment
    and u.created_at >= coalesce((select max(m.until) from usage_marks m
      where m.user_id = a.user_id and m.environment = e.environment), '-infinity')
  order by u.created_at offset sqlc.arg('mark_rows')::int limit 1);

-- name: UsageMarkAdd :execrows
-- Sets the next mark of a user's usage, as TaskMarkAdd does for tasks.
with last as materialized (
  select * from usage_marks where user_id = @user_id and environment = @environment order by until desc limit 1
), since as materialized (
  select coalesce((select last.until from last), '-infinity')::timestamptz as at
), calm as materialized (
  select calm_moment(sqlc.arg('calm_seconds')::int) as at
), step as materialized (
  select u.created_at as at from usage_records u
  where u.user_id = @user_id and u.environment = @environment
    and u.created_at >= (select since.at from since) and u.created_at < (select calm.at from calm)
  order by u.created_at, u.id offset sqlc.arg('mark_rows')::int limit 1
), next as materialized (
  select case when step.at > since.at then step.at else (
    select u.created_at from usage_records u
    where u.user_id = @user_id and u.environment = @environment
      and u.created_at > (select since.at from since) and u.created_at < (select calm.at from calm)
    order by u.created_at, u.id limit 1) end as at
  from step, since
), sums as (
  select k.model, sum(k.n)::bigint as n, sum(k.units)::bigint as units, sum(k.cost)::bigint as cost from (
    select unnest(last.models) as model, unnest(last.counts) as n, unnest(last.units) as units, unnest(last.costs) as cost from last
    union all
    select u.model, count(*), sum(u.units), sum(u.cost_micros) from usage_records u
    where u.user_id = @user_id and u.environment = @environment
      and u.created_at >= (select since.at from since) and u.created_at < (select next.at from next)
    group by u.model
  ) k group by k.model
)
insert into usage_marks (user_id, environment, until, total, models, counts, units, costs)
select @user_id, @environment, next.at, sum(sums.n), array_agg(sums.model), array_agg(sums.n), array_agg(sums.units), array_agg(sums.cost)
from next, sums where next.at is not null group by next.at
on conflict on constraint usage_marks_pkey do nothing;

-- name: LedgerMarkDueAnyOwner :many
-- Which of some users have this many entries after their last mark.
select a.user_id
from accounts a
where a.user_id = any (@user_ids::text[]) and exists (
  select from ledger_entries l
  where l.user_id = a.user_id and l.id >= coalesce((select max(m.until_id) from ledger_marks m where m.user_id = a.user_id), 0)
  order by l.id offset sqlc.arg('mark_rows')::int limit 1);

-- name: LedgerMarkAdd :execrows
-- Sets the next mark of a user's entries: this many further, and no later than what was written before every open
-- transaction began. 0 rows when there are not so many.
insert into ledger_marks (user_id, until_id, total)
select @user_id, step.id, s.total + sqlc.arg('mark_rows')::int
from (
  select coalesce(max(m.until_id), 0) as until_id, coalesce(max(m.total), 0) as total from ledger_marks m where m.user_id = @user_id
) s
cross join lateral (
  select l.id, l.created_at from ledger_entries l where l.user_id = @user_id and l.id >= s.until_id
  order by l.id offset sqlc.arg('mark_rows')::int limit 1
) step
where step.created_at < calm_moment(sqlc.arg('calm_seconds')::int)
on conflict on constraint ledger_marks_pkey do nothing;

-- name: LedgerMarkLast :one
-- The last mark of a user's entries.
select * from ledger_marks where user_id = @user_id order by until_id desc limit 1;

-- name: AccountSliceAnyOwner :many
-- Some accounts, in the order of their ids, after one.
select user_id from accounts where user_id > @after_user::text order by user_id limit sqlc.arg('row_limit')::int;
