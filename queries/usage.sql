-- name: UsageInsertSet :batchexec
-- Records what tasks used. Once per task. An absent key is an empty text in its list.
insert into usage_records (id, user_id, environment, task_id, api_key_id, model, type, units, cost_micros)
select unnest(@ids::text[]), unnest(@user_ids::text[]), unnest(@environments::text[]), unnest(@task_ids::text[]),
  nullif(unnest(@api_key_ids::text[]), ''), unnest(@models::text[]), unnest(@types::text[]), unnest(@units::int[]), unnest(@costs_micros::bigint[]);

-- name: UsageList :many
-- A page of a user's usage, newest first. Absent filters match everything.
select * from usage_records u
where u.user_id = @user_id and u.environment = @environment
  and (sqlc.narg('model')::text is null or u.model = sqlc.narg('model'))
  and (sqlc.narg('created_after')::timestamptz is null or u.created_at > sqlc.narg('created_after'))
  and (sqlc.narg('created_before')::timestamptz is null or u.created_at < sqlc.narg('created_before'))
order by u.created_at desc, u.id desc
limit sqlc.arg('row_limit')::int offset sqlc.arg('row_offset')::bigint;

-- name: UsageCount :one
-- How many records UsageList would give without paging.
select count(*) from usage_records u
where u.user_id = @user_id and u.environment = @environment
  and (sqlc.narg('model')::text is null or u.model = sqlc.narg('model'))
  and (sqlc.narg('created_after')::timestamptz is null or u.created_at > sqlc.narg('created_after'))
  and (sqlc.narg('created_before')::timestamptz is null or u.created_at < sqlc.narg('created_before'));

-- name: UsageSummary :many
-- A user's usage per model.
select u.model, coalesce(sum(u.units), 0)::bigint as total_units,
  coalesce(sum(u.cost_micros), 0)::bigint as total_cost_micros, count(*) as request_count
from usage_records u
where u.user_id = @user_id and u.environment = @environment
  and (sqlc.narg('model')::text is null or u.model = sqlc.narg('model'))
  and (sqlc.narg('created_after')::timestamptz is null or u.created_at > sqlc.narg('created_after'))
  and (sqlc.narg('created_before')::timestamptz is null or u.created_at < sqlc.narg('created_before'))
group by u.model order by u.model limit 1000;
