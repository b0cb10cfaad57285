-- name: AuditInsert :exec
-- Logs an act on keys, secrets, sessions or money, in the transaction of the act.
insert into audit_log (id, user_id, action, target, ip_address, user_agent, details)
values (@id, @user_id, @action, @target, @ip_address, @user_agent, @details);

-- name: AuditList :many
-- A page of what was done to a user's things, newest first. Absent filters match everything.
select * from audit_log
where user_id = @user_id
  and (sqlc.narg('action')::text is null or action = sqlc.narg('action'))
  and (sqlc.narg('action_prefix')::text is null or starts_with(action, sqlc.narg('action_prefix')))
  and (sqlc.narg('target')::text is null or target = sqlc.narg('target'))
  and (sqlc.narg('created_after')::timestamptz is null or created_at > sqlc.narg('created_after'))
  and (sqlc.narg('created_before')::timestamptz is null or created_at < sqlc.narg('created_before'))
order by created_at desc, id desc
limit sqlc.arg('row_limit')::int offset sqlc.arg('row_offset')::bigint;

-- name: AuditCount :one
-- How many acts AuditList would give without paging.
select count(*) from audit_log
where user_id = @user_id
  and (sqlc.narg('action')::text is null or action = sqlc.narg('action'))
  and (sqlc.narg('action_prefix')::text is null or starts_with(action, sqlc.narg('action_prefix')))
  and (sqlc.narg('target')::text is null or target = sqlc.narg('target'))
  and (sqlc.narg('created_after')::timestamptz is null or created_at > sqlc.narg('created_after'))
  and (sqlc.narg('created_before')::timestamptz is null or created_at < sqlc.narg('created_before'));
