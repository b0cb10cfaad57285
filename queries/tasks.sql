-- name: TaskGet :one
-- One task of a user with the paths of its files, in order.
select sqlc.embed(t),
  coalesce((select array_agg(o.path order by o.image) from outputs o where o.task_id = t.id), '{}')::text[] as paths
from tasks t
where t.id = @id and t.user_id = @user_id and t.environment = @environment;

-- name: TaskList :many
-- A page of a user's tasks, newest first. Absent filters match everything. For one kind of tasks, unless they are also few
-- by their status, see TaskListOfKind.
select sqlc.embed(t),
  coalesce((select array_agg(o.path order by o.image) from outputs o where o.task_id = t.id), '{}')::text[] as paths
from (
  select p.id from tasks p
  where p.user_id = @user_id and p.environment = @environment
    and (sqlc.narg('status')::text is null or p.status = sqlc.narg('status'))
    -- What the partial indexes say of a status.
    and (coalesce(sqlc.narg('status'), '') not in ('pending', 'processing') or p.completed_at is null)
    and (coalesce(sqlc.narg('status'), '') <> 'failed' or p.error is not null)
    and (sqlc.narg('model')::text is null or p.model = sqlc.narg('model'))
    and (sqlc.narg('type')::text is null or p.type = sqlc.narg('type'))
    and (sqlc.narg('created_after')::timestamptz is null or p.created_at > sqlc.narg('created_after'))
    and (sqlc.narg('created_before')::timestamptz is null or p.created_at < sqlc.narg('created_before'))
  order by p.created_at desc, p.id desc
  limit sqlc.arg('row_limit')::int offset sqlc.arg('row_offset')::bigint
) page join tasks t on t.id = page.id
order by t.created_at desc, t.id desc;

-- name: TaskListOfKind :many
-- TaskList of one model, one type or both: the newest of each kind that matches, merged.
select sqlc.embed(t),
  coalesce((select array_agg(o.path order by o.image) from outputs o where o.task_id = t.id), '{}')::text[] as paths
from (
  select n.id, n.created_at from models m
  cross join unnest(array['image_generate', 'image_edit']) k (type)
  cross join lateral (
    select p.id, p.created_at from tasks p
    where p.user_id = @user_id and p.environment = @environment and p.model = m.id and p.type = k.type
      and (sqlc.narg('status')::text is null or p.status = sqlc.narg('status'))
      and (sqlc.narg('created_after')::timestamptz is null or p.created_at > sqlc.narg('created_after'))
      and (sqlc.narg('created_before')::timestamptz is null or p.created_at < sqlc.narg('created_before'))
    order by p.created_at desc, p.id desc
    limit sqlc.arg('row_limit')::int + sqlc.arg('row_offset')::bigint
  ) n
  where (sqlc.narg('model')::text is null or m.id = sqlc.narg('model'))
    and (sqlc.narg('type')::text is null or k.type = sqlc.narg('type'))
  order by n.created_at desc, n.id desc
  limit sqlc.arg('row_limit')::int offset sqlc.arg('row_offset')::bigint
) page join tasks t on t.id = page.id
order by t.created_at desc, t.id desc;

-- name: TaskCount :one
-- How many tasks TaskList would give without paging, less those that two marks count: the ones from marked_from, or from the
-- beginning, until marked_until.
select ((
  select count(*) from tasks t
  where t.user_id = @user_id and t.environment = @environment
    and (sqlc.narg('status')::text is null or t.status = sqlc.narg('status'))
    and (coalesce(sqlc.narg('status'), '') not in ('pending', 'processing') or t.completed_at is null)
    and (coalesce(sqlc.narg('status'), '') <> 'failed' or t.error is not null)
    and (sqlc.narg('model')::text is null or t.model = sqlc.narg('model'))
    and (sqlc.narg('type')::text is null or t.type = sqlc.narg('type'))
    and (sqlc.narg('created_after')::timestamptz is null or t.created_at > sqlc.narg('created_after'))
    and (sqlc.narg('created_before')::timestamptz is null or t.created_at < sqlc.narg('created_before'))
    and (sqlc.narg('marked_until')::timestamptz is null or t.created_at >= sqlc.narg('marked_until'))
) + (
  select count(*) from tasks t
  where t.user_id = @user_id and t.environment = @environment
    and (sqlc.narg('status')::text is null or t.status = sqlc.narg('status'))
    and (sqlc.narg('model')::text is null or t.model = sqlc.narg('model'))
    and (sqlc.narg('type')::text is null or t.type = sqlc.narg('type'))
    and t.created_at > sqlc.narg('created_after') and t.created_at < sqlc.narg('marked_from')::timestamptz
))::bigint as count;

-- name: TaskLeaseAnyOwner :one
-- Takes or renews the sole right to work on an open task; no row when it has ended or another worker holds it.
update tasks
set lease_owner = @lease_owner::text, lease_until = now() + sqlc.arg('lease_seconds')::int * interval '1 second',
    status = 'processing', started_at = coalesce(started_at, now())
where id = @id and status in ('pending', 'processing')
  and (lease_until is null or lease_until <= now() or lease_owner = @lease_owner)
returning *;

-- name: TaskLeaseReleaseAnyOwner :execrows
-- Gives the right to work on a task back, so that the next job need not wait for it to run out.
update tasks set lease_until = null
where id = @id and lease_owner = @lease_owner::text;

-- name: TaskLockAnyOwner :one
-- Locks an open task for its end; no row when it has ended.
select * from tasks where id = @id and status in ('pending', 'processing') for no key update;

-- name: TaskEndAnyOwner :execrows
-- Ends an open task. 0 rows when it had ended already.
update tasks
set status = @status, cost_micros = @cost_micros, error = @error, failure_code = @failure_code,
    failure_retryable = @failure_retryable, completed_at = now(), lease_until = null,
    started_at = coalesce(started_at, now())
where id = @id and status in ('pending', 'processing');

-- name: TaskSetJobAnyOwner :exec
-- Notes which job will next advance the task.
update tasks set job_id = @job_id::bigint where id = @id;

-- name: TaskSweepLostAnyOwner :many
-- Open tasks nobody is going to advance: their job is gone or finished, or its worker stopped renewing the lease.
select t.id, coalesce(j.state = 'discarded', false)::boolean as discarded from tasks t left join river_job j on j.id = t.job_id
where t.completed_at is null and t.deadline_at > now()
  and t.created_at < now() - interval '5 seconds'
  and (t.lease_until is null or t.lease_until < now())
  and (j.id is null or j.state in ('completed', 'discarded', 'cancelled')
    or (j.state = 'running' and j.attempted_at < now() - sqlc.arg('lease_seconds')::int * interval '1 second'))
order by t.deadline_at limit sqlc.arg('row_limit')::int;

-- name: TaskSweepLateAnyOwner :many
-- Open tasks past their deadline.
select t.id from tasks t
where t.completed_at is null and t.deadline_at <= now()
order by t.deadline_at limit sqlc.arg('row_limit')::int;

-- name: RouteList :many
-- The enabled routes of a model, first choice first.
select * from routes where model = @model and enabled order by priority, id limit 100;

-- name: AttemptList :many
-- Every call made for a task, oldest first.
select * from attempts where task_id = @task_id order by id limit 1000;

-- name: AttemptInsert :exec
-- Notes a call to a provider before it is made.
insert into attempts (id, task_id, route_id, provider, upstream_model, images, lease_owner)
values (@id, @task_id, @route_id, @provider, @upstream_model, @images, @lease_owner);

-- name: AttemptRunning :execrows
-- Keeps the provider's reference, from which the call can be resumed.
update attempts set state = 'running', ref = @ref where id = @id and state = 'submitting';

-- name: AttemptSucceed :execrows
-- Ends a call that gave images.
update attempts set state = 'succeeded', cost_micros = @cost_micros, finished_at = now()
where id = @id and state in ('submitting', 'running');

-- name: AttemptFail :execrows
-- Ends a call that gave none.
update attempts
set state = 'failed', class = @class::text, http_status = @http_status, error_code = @error_code, detail = @detail,
    retry_after_ms = @retry_after_ms, maybe_charged = @maybe_charged, finished_at = now()
where id = @id and state in ('submitting', 'running');

-- name: OutputInsertAnyOwner :execrows
-- Adds a stored file to an open task. 0 rows when the task has ended or has the image already.
insert into outputs (task_id, user_id, image, attempt_id, path, mime, size_bytes, width, height)
select t.id, t.user_id, @image, @attempt_id, @path, @mime, @size_bytes, @width, @height
from tasks t where t.id = @task_id and t.status = 'processing' for share
on conflict on constraint outputs_pkey do nothing;

-- name: OutputListAnyOwner :many
-- The files of a task, in order; at most four.
select * from outputs where task_id = @task_id order by image limit 16;
