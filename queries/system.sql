-- name: QueueReady :one
-- Whether the queue's table can be read; the answer itself does not matter.
select exists (select 1 from river_job)::boolean as has_jobs;
