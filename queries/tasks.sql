-- name: TaskGet :one
-- One task of a user with the paths of its files, in order.
select sqlc.embed(t),
  coalesce((select array_agg(o.path order by o.image) from outputs o where o.task_id = t.id), '{}')::text[] as paths
from tasks t
where t.id = @id and t.user_id = @user_id and t.environment = @environment;

-- name: TaskGetSet :many
-- TaskGet for many at once: lists of equal length, and a row for each triple that is a task.
select sqlc.embed(t),
  coalesce((select array_agg(o.path order by o.image) from outputs o where o.task_id = t.id), '{}')::text[] as paths
from (select unnest(@ids::text[]) as id, unnest(@user_ids::text[]) as user_id, unnest(@environments::text[]) as environment) n
join tasks t on t.id = n.id and t.user_id = n.user_id and t.environment = n.environment
where t.id = any (@ids::text[]);

-- name: TaskList :many
-- A page of a user's tasks, newest first. Absent filters match everything. For one kind of tasks, unless they are also few
-- by their status, see TaskListOfKind.
select sqlc.embed(t),
  coalesce((select array_agg(o.path order by o.image) from outputs o where o.task_id = t.id), '{}')::text[] as paths
from (
  select p.id from tasks p
  where p.user_id = @user_id and p.environment = @environment
    -- What the partial indexes say of a status; of failed ones not both, or the planner takes them for far fewer than they are.
    and (coalesce(sqlc.narg('status')::text, 'failed') = 'failed' or p.status = sqlc.narg('status'))
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
    and (coalesce(sqlc.narg('status')::text, 'failed') = 'failed' or t.status = sqlc.narg('status'))
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

-- name: TaskLeaseSetAnyOwner :batchmany
-- Takes or renews the sole right to work on open tasks; no row for one that has ended or that another worker holds. The tasks
-- are locked in the order of TaskLockSetAnyOwner.
with locked as materialized (
  select id from tasks where id = any (@ids::text[]) and status in ('pending', 'processing') order by id for no key update
)
update tasks t
set lease_owner = n.lease_owner, lease_until = now() + sqlc.arg('lease_seconds')::int * interval '1 second',
    status = 'processing', started_at = coalesce(t.started_at, now())
from locked join (select unnest(@ids::text[]) as id, unnest(@lease_owners::text[]) as lease_owner) n on n.id = locked.id
where t.id = locked.id and t.status in ('pending', 'processing')
  and (t.lease_until is null or t.lease_until <= now() or t.lease_owner = n.lease_owner)
returning t.*;

-- name: TaskLeaseReleaseAnyOwner :execrows
-- Gives the right to work on a task back, so that the next job need not wait for it to run out.
update tasks set lease_until = null
where id = @id and lease_owner = @lease_owner::text;

-- name: TaskLockSetAnyOwner :batchmany
-- Locks open tasks for their end, in one order whoever asks; no row for one that has ended.
select * from tasks where id = any (@ids::text[]) and status in ('pending', 'processing') order by id for no key update;

-- name: TaskEndSetAnyOwner :batchexec
-- Ends open tasks. What a completed one has none of is empty in its list.
update tasks t
set status = n.status, cost_micros = n.cost_micros, error = case when n.status = 'failed' then n.error end,
    failure_code = case when n.status = 'failed' then n.failure_code end,
    failure_retryable = case when n.status = 'failed' then n.failure_retryable end,
    completed_at = now(), lease_until = null, started_at = coalesce(t.started_at, now())
from (select unnest(@ids::text[]) as id, unnest(@statuses::text[]) as status, unnest(@costs_micros::bigint[]) as cost_micros,
  unnest(@errors::text[]) as error, unnest(@failure_codes::text[]) as failure_code, unnest(@failure_retryables::boolean[]) as failure_retryable) n
where t.id = n.id and t.status in ('pending', 'processing');

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

-- name: AttemptListSet :batchmany
-- Every call made for some tasks, oldest first.
select * from attempts where task_id = any (@task_ids::text[]) order by id;

-- name: AttemptInsertSetAnyOwner :batchmany
-- Notes calls to providers before they are made, and tells which may be: a worker that lost its task makes none.
insert into attempts (id, task_id, route_id, provider, upstream_model, images, lease_owner)
select n.id, n.task_id, n.route_id, n.provider, n.upstream_model, n.images::int[], n.lease_owner
from (select unnest(@ids::text[]) as id, unnest(@task_ids::text[]) as task_id, unnest(@route_ids::text[]) as route_id,
  unnest(@providers::text[]) as provider, unnest(@upstream_models::text[]) as upstream_model, unnest(@images::text[]) as images,
  unnest(@lease_owners::text[]) as lease_owner) n
where exists (select 1 from tasks t where t.id = n.task_id and t.lease_owner = n.lease_owner and t.status = 'processing')
returning id;

-- name: AttemptRunning :execrows
-- Keeps the provider's reference, from which the call can be resumed.
update attempts set state = 'running', ref = @ref where id = @id and state = 'submitting';

-- name: AttemptSucceedSet :batchexec
-- Ends calls that gave images.
update attempts a set state = 'succeeded', cost_micros = n.cost_micros, finished_at = now()
from (select unnest(@ids::text[]) as id, unnest(@costs_micros::bigint[]) as cost_micros) n
where a.id = n.id and a.state in ('submitting', 'running');

-- name: AttemptFail :execrows
-- Ends a call that gave none.
update attempts
set state = 'failed', class = @class::text, http_status = @http_status, error_code = @error_code, detail = @detail,
    retry_after_ms = @retry_after_ms, maybe_charged = @maybe_charged, finished_at = now()
where id = @id and state in ('submitting', 'running');

-- name: OutputInsertSetAnyOwner :batchexec
-- Adds stored files to open tasks. Nothing is added to a task that has ended, or has the image already.
insert into outputs (task_id, user_id, image, attempt_id, path, mime, size_bytes, width, height)
select t.id, t.user_id, n.image, n.attempt_id, n.path, n.mime, n.size_bytes, n.width, n.height
from (select unnest(@task_ids::text[]) as task_id, unnest(@images::int[]) as image, unnest(@attempt_ids::text[]) as attempt_id,
  unnest(@paths::text[]) as path, unnest(@mimes::text[]) as mime, unnest(@sizes_bytes::bigint[]) as size_bytes,
  unnest(@widths::int[]) as width, unnest(@heights::int[]) as height) n
join tasks t on t.id = n.task_id and t.status = 'processing'
on conflict on constraint outputs_pkey do nothing;

-- name: OutputListSetAnyOwner :batchmany
-- The files of some tasks, those of each in order.
select * from outputs where task_id = any (@task_ids::text[]) order by task_id, image;
