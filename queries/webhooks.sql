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

-- name: WebhookEventGetSetAnyOwner :many
-- Events to deliver, each with its owner's sealed secret if there is one.
select sqlc.embed(e), s.key_id, s.ciphertext
from webhook_events e left join webhook_secrets s on s.user_id = e.user_id
where e.id = any (@ids::text[]);

-- name: WebhookEventLockSetAnyOwner :batchmany
-- Locks pending events to note how tries went, in one order whoever asks; gives the tries before. No row when an event has ended.
select id, attempts from webhook_events where id = any (@ids::text[]) and status = 'pending' order by id for no key update;

-- name: WebhookEventNoteSetAnyOwner :batchexec
-- Notes how many tries events have had, and either when the next is made or how they ended. The next try of one that ended
-- has no meaning.
update webhook_events e
set status = n.status, attempts = n.attempts, ended_at = case when n.status <> 'pending' then now() end,
    next_attempt_at = case when n.status = 'pending' then n.next_attempt_at else e.next_attempt_at end
from (select unnest(@ids::text[]) as id, unnest(@statuses::text[]) as status, unnest(@attempts::int[]) as attempts,
  unnest(@next_attempt_ats::timestamptz[]) as next_attempt_at) n
where e.id = n.id and e.status = 'pending';

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

-- name: WebhookDeliveryInsertSet :batchexec
-- Logs tries. Without an answer a status is 0 in its list, with one an error code is empty.
insert into webhook_deliveries (id, event_id, user_id, attempt, http_status, error_code, response_body, duration_ms)
select unnest(@ids::text[]), unnest(@event_ids::text[]), unnest(@user_ids::text[]), unnest(@attempts::int[]),
  nullif(unnest(@http_statuses::int[]), 0), nullif(unnest(@error_codes::text[]), ''), unnest(@response_bodies::text[]),
  unnest(@durations_ms::int[]);

-- name: WebhookEventForgetAnyOwner :execrows
-- Removes events that ended before a time, with the log of their tries, a bounded number at a time.
with old as materialized (
  select id from webhook_events where ended_at < @ended_before::timestamptz
  order by ended_at limit @max_rows::int for update skip locked
), tries as (
  delete from webhook_deliveries d using old where d.event_id = old.id
)
delete from webhook_events e using old where e.id = old.id;
