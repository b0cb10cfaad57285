-- name: QueueReady :one
-- Whether the queue's table can be read; the answer itself does not matter.
select exists (select 1 from river_job)::boolean as has_jobs;

-- name: QueueWake :exec
-- Tells River's workers of some queues, wherever they are, to look for jobs, in River's own words. Nothing is kept of it, so
-- its commit does not wait for the disk.
select set_config('synchronous_commit', 'off', true),
  pg_notify(current_schema() || '.river_insert', jsonb_build_object('queue', q.queue)::text)
from unnest(@queues::text[]) as q(queue);
