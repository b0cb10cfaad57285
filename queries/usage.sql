-- name: UsageInsertSet :batchexec
-- Records what tasks used. Once per task. An absent key is an empty text in its list.
insert into usage_records (id, user_id, environment, task_id, api_key_id, model, type, units, cost_micros)
select unnest(@ids::text[]), unnest(@user_ids::text[]), unnest(@environments::text[]), unnest(@task_ids::text[]),
  nullif(unnest(@api_key_ids::text[]), ''), unnest(@models::text[]), unnest(@types::text[]), unnest(@units::int[]), unnest(@costs_micros::bigint[]);

-- name: UsageList :many
-- A page of a user's usage, newest first. Absent filters match everything.
select u.* from (
  select p.id from usage_records p
  where p.user_id = @user_id and p.environment = @environment
    and (sqlc.narg('model')::text is null or p.model = sqlc.narg('model'))
    and (sqlc.narg('created_after')::timestamptz is null or p.created_at > sqlc.narg('created_after'))
    and (sqlc.narg('created_before')::timestamptz is null or p.created_at < sqlc.narg('created_before'))
  order by p.created_at desc, p.id desc
  limit sqlc.arg('row_limit')::int offset sqlc.arg('row_offset')::bigint
) page join usage_records u on u.id = page.id
order by u.created_at desc, u.id desc;

-- name: UsageSummary :many
-- A user's usage per model, less what two marks count: from marked_from, or from the beginning, until marked_until.
select u.model, coalesce(sum(u.units), 0)::bigint as total_units,
  coalesce(sum(u.cost_micros), 0)::bigint as total_cost_micros, count(*) as request_count
from (
  select r.model, r.units, r.cost_micros from usage_records r
  where r.user_id = @user_id and r.environment = @environment
    and (sqlc.narg('model')::text is null or r.model = sqlc.narg('model'))
    and (sqlc.narg('created_after')::timestamptz is null or r.created_at > sqlc.narg('created_after'))
    and (sqlc.narg('created_before')::timestamptz is null or r.created_at < sqlc.narg('created_before'))
    and (sqlc.narg('marked_until')::timestamptz is null or r.created_at >= sqlc.narg('marked_until'))
  union all
  select r.model, r.units, r.cost_micros from usage_records r
  where r.user_id = @user_id and r.environment = @environment
    and (sqlc.narg('model')::text is null or r.model = sqlc.narg('model'))
    and r.created_at > sqlc.narg('created_after') and r.created_at < sqlc.narg('marked_from')::timestamptz
) u
group by u.model order by u.model limit 1000;
