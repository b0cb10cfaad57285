-- Statements that many requests share take a list of each value; the lists have one length, one row each.

-- name: PriceListAll :many
-- Every version of every price, the newest first.
select * from prices order by model, resolution, valid_from desc;

-- name: IdempotencyClaimSet :batchmany
-- Takes keys for new tasks; a key with a live claim gives no row. Waits for claims in flight, so the keys come in one order.
insert into idempotency_keys as k (user_id, environment, key, fingerprint, task_id, expires_at)
select unnest(@user_ids::text[]), unnest(@environments::text[]), unnest(@keys::text[]), unnest(@fingerprints::bytea[]),
  unnest(@task_ids::text[]), now() + interval '24 hours'
on conflict on constraint idempotency_keys_pkey do update
set fingerprint = excluded.fingerprint, task_id = excluded.task_id, expires_at = excluded.expires_at
where k.expires_at <= now()
returning task_id;

-- name: IdempotencyForgetSet :batchexec
-- Gives claims back whose tasks were refused after all.
delete from idempotency_keys k
using (select unnest(@user_ids::text[]) as user_id, unnest(@environments::text[]) as environment, unnest(@keys::text[]) as key) n
where k.user_id = n.user_id and k.environment = n.environment and k.key = n.key;

-- name: IdempotencyGet :one
-- The live claim on a key with the task it made.
select k.fingerprint, sqlc.embed(t)
from idempotency_keys k join tasks t on t.id = k.task_id
where k.user_id = @user_id and k.environment = @environment and k.key = @key and k.expires_at > now();

-- name: IdempotencySweepAnyOwner :execrows
-- Forgets claims that have run out, a bounded number at a time, the oldest first. One that is just being taken over is left
-- to who takes it.
delete from idempotency_keys k
where k.ctid = any (array(
  select e.ctid from idempotency_keys e where e.expires_at <= now() order by e.expires_at limit @max_rows::int
  for update skip locked));

-- name: TaskInsertSet :batchexec
-- Stores accepted tasks, each with the River job that will advance it; what they take of their keys' meters is stored before. In their lists absent texts are empty and an absent
-- duration is 0; only of the negative prompt an empty one differs from none. The image URLs of one task are one text, a line each.
with n as materialized (
  select *, nextval('river_job_id_seq') as job_id
  from (
    select unnest(@ids::text[]) as id, unnest(@user_ids::text[]) as user_id, unnest(@environments::text[]) as environment,
      unnest(@api_key_ids::text[]) as api_key_id, unnest(@models::text[]) as model, unnest(@types::text[]) as type,
      unnest(@prompts::text[]) as prompt, unnest(@negative_prompts::text[]) as negative_prompt,
      unnest(@has_negative_prompts::boolean[]) as has_negative_prompt, unnest(@aspect_ratios::text[]) as aspect_ratio,
      unnest(@resolutions::text[]) as resolution, unnest(@nums_outputs::int[]) as num_outputs,
      unnest(@durations_seconds::int[]) as duration_seconds, unnest(@image_urls::text[]) as image_urls,
      unnest(@webhook_urls::text[]) as webhook_url, unnest(@price_ids::bigint[]) as price_id,
      unnest(@unit_prices_micros::bigint[]) as unit_price_micros, unnest(@deadlines_at::timestamptz[]) as deadline_at,
      unnest(@created_ats::timestamptz[]) as created_at
  ) r
), jobs as (
  insert into river_job (id, args, kind, queue, max_attempts)
  select n.job_id, jsonb_build_object('task_id', n.id), @job_kind::text, @job_queue::text, @job_max_attempts::smallint from n
)
insert into tasks (
  id, user_id, environment, api_key_id, model, type, prompt, negative_prompt, aspect_ratio, resolution,
  num_outputs, duration_seconds, image_urls, webhook_url, price_id, unit_price_micros, job_id, deadline_at, created_at, metered_since
)
select n.id, n.user_id, n.environment, nullif(n.api_key_id, ''), n.model, n.type, n.prompt,
  case when n.has_negative_prompt then n.negative_prompt end, n.aspect_ratio,
  n.resolution, n.num_outputs, nullif(n.duration_seconds, 0), coalesce(string_to_array(nullif(n.image_urls, ''), E'\n'), '{}'),
  nullif(n.webhook_url, ''), n.price_id, n.unit_price_micros, n.job_id, n.deadline_at, n.created_at,
  (select m.window_start from api_key_meters m
    where m.api_key_id = n.api_key_id and (m.spend_cap_micros is not null or m.running_cap is not null))
from n;

-- name: TaskAcceptSet :many
-- Decides and stores in one statement: takes the sum that each account's tasks cost from what is available there, and stores,
-- as TaskInsertSet does, the tasks that are paid for and those of the test environment. Gives their ids; of an account that
-- has not enough for all its tasks here, none is stored. Accounts are locked in the order of AccountLockSet. When a key among
-- them has a cap nothing is decided, and metered says so: that is for TaskAcceptMeteredSet, which is slower.
with n as materialized (
  select unnest(@ids::text[]) as id, unnest(@user_ids::text[]) as user_id, unnest(@environments::text[]) as environment,
    unnest(@api_key_ids::text[]) as api_key_id, unnest(@models::text[]) as model, unnest(@types::text[]) as type,
    unnest(@prompts::text[]) as prompt, unnest(@negative_prompts::text[]) as negative_prompt,
    unnest(@has_negative_prompts::boolean[]) as has_negative_prompt, unnest(@aspect_ratios::text[]) as aspect_ratio,
    unnest(@resolutions::text[]) as resolution, unnest(@nums_outputs::int[]) as num_outputs,
    unnest(@durations_seconds::int[]) as duration_seconds, unnest(@image_urls::text[]) as image_urls,
    unnest(@webhook_urls::text[]) as webhook_url, unnest(@price_ids::bigint[]) as price_id,
    unnest(@unit_prices_micros::bigint[]) as unit_price_micros, unnest(@deadlines_at::timestamptz[]) as deadline_at,
    unnest(@created_ats::timestamptz[]) as created_at
  where not exists (
    select 1 from api_key_meters m
    where m.api_key_id = any (@api_key_ids::text[]) and (m.spend_cap_micros is not null or m.running_cap is not null)
  )
), due as (
  select user_id, sum(unit_price_micros * num_outputs)::bigint as amount_micros from n where environment = 'live' group by user_id
), locked as materialized (
  select a.user_id, d.amount_micros from due d join accounts a on a.user_id = d.user_id order by a.user_id for no key update of a
), payers as (
  update accounts a set held_micros = a.held_micros + l.amount_micros from locked l
  where a.user_id = l.user_id and a.balance_micros - a.held_micros >= l.amount_micros
  returning a.user_id
), accepted as materialized (
  select *, nextval('river_job_id_seq') as job_id from n
  where environment <> 'live' or user_id in (select user_id from payers)
), jobs as (
  insert into river_job (id, args, kind, queue, max_attempts)
  select job_id, jsonb_build_object('task_id', id), @job_kind::text, @job_queue::text, @job_max_attempts::smallint from accepted
), holding as (
  insert into holds (task_id, user_id, amount_micros)
  select id, user_id, unit_price_micros * num_outputs from accepted where environment = 'live'
), stored as (
  insert into tasks (
    id, user_id, environment, api_key_id, model, type, prompt, negative_prompt, aspect_ratio, resolution,
    num_outputs, duration_seconds, image_urls, webhook_url, price_id, unit_price_micros, job_id, deadline_at, created_at
  )
  select id, user_id, environment, nullif(api_key_id, ''), model, type, prompt,
    case when has_negative_prompt then negative_prompt end, aspect_ratio,
    resolution, num_outputs, nullif(duration_seconds, 0), coalesce(string_to_array(nullif(image_urls, ''), E'\n'), '{}'),
    nullif(webhook_url, ''), price_id, unit_price_micros, job_id, deadline_at, created_at
  from accepted
  returning id
)
select id, false as metered from stored
union all
select '', true where not exists (select 1 from n);

-- name: TaskAcceptOne :one
-- TaskAcceptSet for one task of the live environment, in fewer steps. No row when the account has not enough or the key has a
-- cap: nothing is stored then, and TaskAcceptSet tells which it is.
with payer as (
  update accounts a set held_micros = a.held_micros + @amount_micros::bigint
  where a.user_id = @user_id::text and a.balance_micros - a.held_micros >= @amount_micros
    and not exists (
      select 1 from api_key_meters m
      where m.api_key_id = sqlc.narg('api_key_id')::text and (m.spend_cap_micros is not null or m.running_cap is not null)
    )
  returning a.user_id
), job as (
  insert into river_job (args, kind, queue, max_attempts)
  select jsonb_build_object('task_id', @id::text), @job_kind::text, @job_queue::text, @job_max_attempts::smallint from payer
  returning id
), holding as (
  insert into holds (task_id, user_id, amount_micros) select @id, user_id, @amount_micros from payer
)
insert into tasks (
  id, user_id, environment, api_key_id, model, type, prompt, negative_prompt, aspect_ratio, resolution,
  num_outputs, duration_seconds, image_urls, webhook_url, price_id, unit_price_micros, job_id, deadline_at, created_at
)
select @id, @user_id, 'live', sqlc.narg('api_key_id'), @model::text, @type::text, @prompt::text, sqlc.narg('negative_prompt')::text,
  @aspect_ratio::text, @resolution::text, @num_outputs::int, sqlc.narg('duration_seconds')::int, @image_urls::text[],
  sqlc.narg('webhook_url')::text, @price_id::bigint, @unit_price_micros::bigint, job.id, @deadline_at::timestamptz, @created_at::timestamptz
from job
returning tasks.id;

-- name: TaskAcceptMeteredSet :many
-- TaskAcceptSet where keys have caps: takes what each key's tasks use from its meter, and the sum that each account's tasks cost
-- from what is available there, and stores, as TaskInsertSet does, the tasks that are paid for and those of the test
-- environment. Gives their ids, and those of the tasks whose key has not enough for all its tasks here: of such a key none is
-- stored, nor of an account that has not enough. Accounts are locked in the order of AccountLockSet; the lock of an account is one
-- of its live keys' meters too. Meters of test keys are locked in the order of MeterLockSetAnyOwner.
with n as materialized (
  select unnest(@ids::text[]) as id, unnest(@user_ids::text[]) as user_id, unnest(@environments::text[]) as environment,
    unnest(@api_key_ids::text[]) as api_key_id, unnest(@models::text[]) as model, unnest(@types::text[]) as type,
    unnest(@prompts::text[]) as prompt, unnest(@negative_prompts::text[]) as negative_prompt,
    unnest(@has_negative_prompts::boolean[]) as has_negative_prompt, unnest(@aspect_ratios::text[]) as aspect_ratio,
    unnest(@resolutions::text[]) as resolution, unnest(@nums_outputs::int[]) as num_outputs,
    unnest(@durations_seconds::int[]) as duration_seconds, unnest(@image_urls::text[]) as image_urls,
    unnest(@webhook_urls::text[]) as webhook_url, unnest(@price_ids::bigint[]) as price_id,
    unnest(@unit_prices_micros::bigint[]) as unit_price_micros, unnest(@deadlines_at::timestamptz[]) as deadline_at,
    unnest(@created_ats::timestamptz[]) as created_at
), owed as materialized (
  select user_id, sum(unit_price_micros * num_outputs)::bigint as amount_micros from n where environment = 'live' group by user_id
), locked as materialized (
  select a.user_id, o.amount_micros <= a.balance_micros - a.held_micros as solvent from owed o join accounts a on a.user_id = o.user_id
  order by a.user_id for no key update of a
), locked_meters as materialized (
  select m.api_key_id from api_key_meters m
  where m.api_key_id in (select api_key_id from n where environment <> 'live')
    and (m.spend_cap_micros is not null or m.running_cap is not null) and (select count(*) from locked) >= 0
  order by m.api_key_id for no key update
), payable as materialized (
  select * from n where environment <> 'live' or user_id in (select user_id from locked where solvent)
), asked as materialized (
  select api_key_id, max(created_at) as at, count(*)::int as tasks,
    coalesce(sum(unit_price_micros * num_outputs) filter (where environment = 'live'), 0)::bigint as spent_micros
  from payable group by api_key_id
), metered as (
  update api_key_meters m
  set window_start = greatest(m.window_start, window_start(m.spend_window, m.time_zone, k.at)), running = m.running + k.tasks,
    spent_micros = k.spent_micros
      + case when window_start(m.spend_window, m.time_zone, k.at) > m.window_start then 0 else m.spent_micros end
  from asked k
  where m.api_key_id = k.api_key_id and (m.spend_cap_micros is not null or m.running_cap is not null)
    and (select count(*) from locked_meters) >= 0
    and coalesce(m.running + k.tasks <= m.running_cap, true)
    and coalesce(k.spent_micros + case when window_start(m.spend_window, m.time_zone, k.at) > m.window_start then 0 else m.spent_micros end
      <= m.spend_cap_micros, true)
  returning m.api_key_id, m.window_start
), capped as materialized (
  select m.api_key_id from asked k join api_key_meters m on m.api_key_id = k.api_key_id
  where k.api_key_id not in (select api_key_id from metered) and (m.spend_cap_micros is not null or m.running_cap is not null)
), windows as materialized (
  select coalesce(array_agg(api_key_id), '{}') as api_key_ids, array_agg(window_start) as starts from metered
), fitting as materialized (
  select p.*, w.starts[array_position(w.api_key_ids, p.api_key_id)] as metered_since
  from payable p cross join windows w
  where p.api_key_id = any (w.api_key_ids) or p.api_key_id not in (select api_key_id from capped)
), due as (
  select user_id, sum(unit_price_micros * num_outputs)::bigint as amount_micros from fitting where environment = 'live' group by user_id
), payers as (
  update accounts a set held_micros = a.held_micros + d.amount_micros from due d
  where a.user_id = d.user_id and a.balance_micros - a.held_micros >= d.amount_micros
  returning a.user_id
), accepted as materialized (
  select *, nextval('river_job_id_seq') as job_id from fitting
  where environment <> 'live' or user_id in (select user_id from payers)
), jobs as (
  insert into river_job (id, args, kind, queue, max_attempts)
  select job_id, jsonb_build_object('task_id', id), @job_kind::text, @job_queue::text, @job_max_attempts::smallint from accepted
), holding as (
  insert into holds (task_id, user_id, amount_micros)
  select id, user_id, unit_price_micros * num_outputs from accepted where environment = 'live'
), stored as (
  insert into tasks (
    id, user_id, environment, api_key_id, model, type, prompt, negative_prompt, aspect_ratio, resolution,
    num_outputs, duration_seconds, image_urls, webhook_url, price_id, unit_price_micros, job_id, deadline_at, created_at, metered_since
  )
  select id, user_id, environment, nullif(api_key_id, ''), model, type, prompt,
    case when has_negative_prompt then negative_prompt end, aspect_ratio,
    resolution, num_outputs, nullif(duration_seconds, 0), coalesce(string_to_array(nullif(image_urls, ''), E'\n'), '{}'),
    nullif(webhook_url, ''), price_id, unit_price_micros, job_id, deadline_at, created_at,
    metered_since
  from accepted
  returning id
)
select stored.id, false as used_up from stored
union all
select p.id, true from payable p where p.api_key_id in (select api_key_id from capped);
