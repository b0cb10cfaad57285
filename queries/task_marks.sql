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

-- name: AccountSliceAnyOwner :many
-- Some accounts, in the order of their ids, after one.
select user_id from accounts where user_id > @after_user::text order by user_id limit sqlc.arg('row_limit')::int;
