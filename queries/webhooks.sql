-- name: WebhookSecretGet :one
-- A user's sealed signing secret.
select * from webhook_secrets where user_id = @user_id;

-- name: WebhookSecretPut :one
-- Sets or replaces a user's signing secret.
insert into webhook_secrets (user_id, key_id, ciphertext) values (@user_id, @key_id, @ciphertext)
on conflict on constraint webhook_secrets_pkey do update
set key_id = excluded.key_id, ciphertext = excluded.ciphertext, created_at = now()
returning *;

-- name: WebhookSecretPutFirst :execrows
-- Sets a user's signing secret unless there is one.
insert into webhook_secrets (user_id, key_id, ciphertext) values (@user_id, @key_id, @ciphertext)
on conflict on constraint webhook_secrets_pkey do nothing;

-- name: WebhookSecretDelete :execrows
-- Removes a user's signing secret.
delete from webhook_secrets where user_id = @user_id;

-- name: WebhookEventInsertSet :batchexec
-- Adds events to the outbox, each with the River job that will deliver it.
with jobs as (
  insert into river_job (args, kind, queue, max_attempts)
  select jsonb_build_object('event_id', n.id), @job_kind::text, @job_queue::text, @job_max_attempts::smallint
  from unnest(@ids::text[]) as n(id)
  returning id, args ->> 'event_id' as event_id
)
insert into webhook_events (id, user_id, environment, task_id, type, url, payload, job_id, next_attempt_at)
select n.id, n.user_id, n.environment, n.task_id, n.type, n.url, n.payload, j.id, n.next_attempt_at
from (select unnest(@ids::text[]) as id, unnest(@user_ids::text[]) as user_id, unnest(@environments::text[]) as environment,
  unnest(@task_ids::text[]) as task_id, unnest(@types::text[]) as type, unnest(@urls::text[]) as url,
  unnest(@payloads::text[]) as payload, unnest(@next_attempt_ats::timestamptz[]) as next_attempt_at) n
join jobs j on j.event_id = n.id;

-- name: WebhookEventGetAnyOwner :one
-- An event to deliver.
select * from webhook_events where id = @id;

-- name: WebhookEventLockAnyOwner :one
-- Locks a pending event to note how a try went; gives the tries before it. No row when the event has ended.
select attempts from webhook_events where id = @id and status = 'pending' for no key update;

-- name: WebhookEventEndAnyOwner :execrows
-- Notes the last word on an event: delivered or exhausted.
update webhook_events set status = @status, attempts = @attempts, ended_at = now() where id = @id and status = 'pending';

-- name: WebhookEventAttemptedAnyOwner :execrows
-- Notes a try that will be followed by another.
update webhook_events set attempts = @attempts, next_attempt_at = @next_attempt_at where id = @id and status = 'pending';

-- name: WebhookEventLockLostAnyOwner :many
-- Locks pending events that nobody is going to deliver: a try is overdue, yet their job is gone, finished, or runs
-- for longer than any may, since its worker has died.
select e.id from webhook_events e left join river_job j on j.id = e.job_id
where e.status = 'pending' and e.next_attempt_at < @overdue_since
  and (j.id is null or j.state in ('completed', 'discarded', 'cancelled')
    or (j.state = 'running' and j.attempted_at < @overdue_since))
order by e.next_attempt_at limit sqlc.arg('row_limit')::int
for no key update of e skip locked;

-- name: WebhookEventSetJobsAnyOwner :exec
-- Notes which jobs will deliver some events; two lists of equal length. The new time is also what keeps a
-- concurrent WebhookEventLockLostAnyOwner, whose snapshot knows no new job, from taking them once more.
update webhook_events e set job_id = n.job_id, next_attempt_at = @next_attempt_at
from (select unnest(@ids::text[]) as id, unnest(@jobs::bigint[]) as job_id) n
where e.id = n.id;

-- name: WebhookDeliveryInsert :exec
-- Logs one try.
insert into webhook_deliveries (id, event_id, user_id, attempt, http_status, error_code, response_body, duration_ms)
values (@id, @event_id, @user_id, @attempt, @http_status, @error_code, @response_body, @duration_ms);

-- name: WebhookEventForgetAnyOwner :execrows
-- Removes events that ended before a time, with the log of their tries, a bounded number at a time.
with old as materialized (
  select id from webhook_events where ended_at < @ended_before::timestamptz
  order by ended_at limit @max_rows::int for update skip locked
), tries as (
  delete from webhook_deliveries d using old where d.event_id = old.id
)
delete from webhook_events e using old where e.id = old.id;
