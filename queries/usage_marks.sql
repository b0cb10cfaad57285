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
