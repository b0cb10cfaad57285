-- What one POST /v1/generate costs when each request has a transaction of its own, every value in its place.
-- The variables task and customer are drawn anew each time. Literals hold no colon, which older pgbench takes for a variable.
select m.id, m.name, m.types, m.aspect_ratios, m.resolutions, m.default_resolution, m.max_outputs, m.max_image_urls, m.enabled, m.position, p.id as price_id, p.unit_micros
from models m
join lateral (
  select id, unit_micros from prices
  where prices.model = m.id and prices.resolution = coalesce('1k', m.default_resolution)
    and prices.valid_from <= now()
  order by prices.valid_from desc limit 1
) p on true
where m.id = 'nanobanana' and m.enabled;

begin;

with raw_job_data as (
  select unnest('{0}'::bigint[]) as id,
    unnest(array[('{"task_id": "' || :task::text || '"}')::jsonb]) as args,
    unnest(array[now()]) as created_at,
    unnest('{task.advance}'::text[]) as kind,
    unnest('{5}'::smallint[]) as max_attempts,
    unnest('{"{}"}'::jsonb[]) as metadata,
    unnest('{1}'::smallint[]) as priority,
    unnest('{tasks}'::text[]) as queue,
    unnest(array[now()]) as scheduled_at,
    unnest('{available}'::text[]) as state,
    unnest('{""}'::text[]) as tags,
    unnest('{null}'::bytea[]) as unique_key,
    unnest('{0}'::integer[]) as unique_states
)
insert into river_job (id, args, created_at, kind, max_attempts, metadata, priority, queue, scheduled_at, state, tags, unique_key, unique_states)
select coalesce(nullif(id, 0), nextval('river_job_id_seq'::regclass)), args,
  coalesce(nullif(created_at, '0001-01-01 UTC'), now()), kind, max_attempts, coalesce(metadata, '{}'::jsonb), priority, queue,
  coalesce(nullif(scheduled_at, '0001-01-01 UTC'), now()), state::river_job_state,
  string_to_array(tags, ',')::varchar(255)[], nullif(unique_key, '')::bytea, nullif(unique_states::integer, 0)::bit(8)
from raw_job_data
on conflict (unique_key)
  where unique_key is not null and unique_states is not null and river_job_state_in_bitmask(unique_states, state)
  do update set kind = river_job.kind
returning id, args, attempt, attempted_at, attempted_by, created_at, errors, finalized_at, kind, max_attempts, metadata, priority, queue,
  state, scheduled_at, tags, unique_key, unique_states, (xmax != 0) as unique_skipped_as_duplicate;

insert into tasks (id, user_id, environment, api_key_id, model, type, prompt, negative_prompt, aspect_ratio, resolution,
  num_outputs, duration_seconds, image_urls, webhook_url, price_id, unit_price_micros, job_id, deadline_at, created_at)
values (:task::text, :customer::text, 'live', 'key_01m893c8ffzd7qfc5h83erck9b', 'nanobanana', 'image_generate',
  'A lighthouse made of eggshell at dawn, seen from a small boat', null, E'16\x3A9', '1k',
  1, null, '{}', null, 1, 10000, currval('river_job_id_seq'), now() + interval '5 minutes', now());

insert into holds (task_id, user_id, amount_micros) values (:task::text, :customer::text, 10000);

update accounts set held_micros = held_micros + 10000
where user_id = :customer::text and balance_micros - held_micros >= 10000;

commit;
