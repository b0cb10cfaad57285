-- name: ModelQuote :one
-- The model and its price in force now for a resolution. No row: the model is unknown, off, or not sold so.
select sqlc.embed(m), p.id as price_id, p.unit_micros
from models m
join lateral (
  select id, unit_micros from prices
  where prices.model = m.id and prices.resolution = coalesce(sqlc.narg('resolution')::text, m.default_resolution)
    and prices.valid_from <= now()
  order by prices.valid_from desc limit 1
) p on true
where m.id = @model and m.enabled;

-- name: IdempotencyClaim :execrows
-- Takes the key for a new task; 0 rows when a live claim exists. Waits for a claim in flight.
insert into idempotency_keys as k (user_id, environment, key, fingerprint, task_id, expires_at)
values (@user_id, @environment, @key, @fingerprint, @task_id, now() + interval '24 hours')
on conflict on constraint idempotency_keys_pkey do update
set fingerprint = excluded.fingerprint, task_id = excluded.task_id, expires_at = excluded.expires_at
where k.expires_at <= now();

-- name: IdempotencyGet :one
-- The live claim on a key with the task it made.
select k.fingerprint, sqlc.embed(t)
from idempotency_keys k join tasks t on t.id = k.task_id
where k.user_id = @user_id and k.environment = @environment and k.key = @key and k.expires_at > now();

-- name: IdempotencySweepAnyOwner :execrows
-- Forgets claims that have run out, a bounded number at a time, the oldest first.
delete from idempotency_keys k
where k.ctid = any (array(
  select e.ctid from idempotency_keys e where e.expires_at <= now() order by e.expires_at limit @max_rows::int));

-- name: TaskInsert :exec
-- Stores an accepted task.
insert into tasks (
  id, user_id, environment, api_key_id, model, type, prompt, negative_prompt, aspect_ratio, resolution,
  num_outputs, duration_seconds, image_urls, webhook_url, price_id, unit_price_micros, job_id, deadline_at, created_at
) values (
  @id, @user_id, @environment, @api_key_id, @model, @type, @prompt, @negative_prompt, @aspect_ratio, @resolution,
  @num_outputs, @duration_seconds, @image_urls, @webhook_url, @price_id, @unit_price_micros, @job_id, @deadline_at, @created_at
);
