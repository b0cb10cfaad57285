-- The meters of keys: what they have used of the limits they are held to. Locked after accounts, in the order of their keys.

-- name: MeterLockSetAnyOwner :batchmany
-- Locks the meters of those keys that have a cap, and tells how they stand at a moment, one for each key: in the calendar window
-- that holds the moment, or in a later one if some node is there already.
select m.api_key_id, m.spend_cap_micros, m.running_cap, m.running,
  greatest(m.window_start, w.begins)::timestamptz as window_start,
  (case when w.begins > m.window_start then 0 else m.spent_micros end)::bigint as spent_micros,
  window_end(m.spend_window, m.time_zone, greatest(m.window_start, n.at)) as window_end
from (select unnest(@api_key_ids::text[]) as api_key_id, unnest(@ats::timestamptz[]) as at) n
join api_key_meters m on m.api_key_id = n.api_key_id
cross join lateral (select window_start(m.spend_window, m.time_zone, n.at) as begins) w
where m.spend_cap_micros is not null or m.running_cap is not null
order by m.api_key_id for no key update of m;

-- name: MeterTakeSetAnyOwner :batchexec
-- Stores how locked meters stand once tasks were accepted.
update api_key_meters m set window_start = n.window_start, spent_micros = n.spent_micros, running = n.running
from (select unnest(@api_key_ids::text[]) as api_key_id, unnest(@window_starts::timestamptz[]) as window_start,
  unnest(@spents_micros::bigint[]) as spent_micros, unnest(@runnings::int[]) as running) n
where m.api_key_id = n.api_key_id;

-- name: MeterReleaseSetAnyOwner :batchexec
-- Gives back what ended tasks no longer use: their places, and of the window that counts them what they did not cost. One row
-- for each key and window. The meters are locked, by their owners' accounts or by MeterHoldSetAnyOwner.
update api_key_meters m
set running = greatest(0, m.running - g.tasks),
  spent_micros = greatest(0, m.spent_micros - coalesce((select sum(u.unused_micros) from (
    select unnest(@api_key_ids::text[]) as api_key_id, unnest(@metered_sinces::timestamptz[]) as metered_since,
      unnest(@unuseds_micros::bigint[]) as unused_micros) u
    where u.api_key_id = m.api_key_id and u.metered_since = m.window_start), 0))
from (
  select n.api_key_id, sum(n.tasks)::int as tasks
  from (select unnest(@api_key_ids::text[]) as api_key_id, unnest(@nums_tasks::int[]) as tasks) n group by n.api_key_id
) g
where m.api_key_id = g.api_key_id;

-- name: MeterHoldSetAnyOwner :batchexec
-- Locks meters, whatever they say.
select m.api_key_id from api_key_meters m where m.api_key_id = any (@api_key_ids::text[]) order by m.api_key_id for no key update;

-- name: MeterGet :one
-- How the meter of a user's key stands at a moment.
select sqlc.embed(m),
  (case when window_start(m.spend_window, m.time_zone, @at::timestamptz) > m.window_start then 0 else m.spent_micros end)::bigint as spent_now_micros,
  window_end(m.spend_window, m.time_zone, greatest(m.window_start, @at::timestamptz)) as window_end,
  (case when window_start('day', m.time_zone, @at::timestamptz) > m.day_start then 0 else m.day_requests end)::bigint as day_requests_now,
  window_end('day', m.time_zone, greatest(m.day_start, @at::timestamptz)) as day_end
from api_key_meters m join api_keys k on k.id = m.api_key_id
where m.api_key_id = @api_key_id and k.user_id = @user_id;

-- name: MeterLockOpenTasksAll :many
-- Locks the tasks of a user's key that are under way, in the order of TaskLockSetAnyOwner.
select t.id from tasks t
where t.user_id = @user_id and t.environment = @environment and t.api_key_id = @api_key_id::text and t.completed_at is null
order by t.id for no key update;

-- name: MeterSet :one
-- Changes the limits of a user's key. What the key has spent is counted anew when its cap is new or its window another: what was
-- used in the calendar window that holds the moment, with what is set aside for open tasks; for a total, nothing. So are the
-- tasks under way when none were counted. The caller has locked the open tasks it names, the account and the meter.
with before as materialized (
  select m.api_key_id, m.spend_cap_micros is not null or m.running_cap is not null as metered,
    coalesce(m.spend_cap_micros is not null and m.spend_window = sqlc.narg('spend_window')::text and m.time_zone = @time_zone::text, false) as goes_on,
    m.window_start, window_start(sqlc.narg('spend_window')::text, @time_zone::text, @at::timestamptz) as begins
  from api_key_meters m where m.api_key_id = @api_key_id
), marked as (
  update tasks t set metered_since =
    case when sqlc.narg('spend_window')::text <> 'total' and t.created_at >= before.begins then before.begins else @no_window::timestamptz end
  from before
  where t.id = any (@open_task_ids::text[]) and t.user_id = @user_id and not (before.metered and before.goes_on)
), open as (
  select coalesce(sum(t.unit_price_micros * t.num_outputs) filter (where t.environment = 'live' and t.created_at >= before.begins), 0) as micros
  from before, tasks t
  where t.user_id = @user_id and t.environment in ('live', 'test') and t.api_key_id = @api_key_id::text and t.completed_at is null
), used as (
  select coalesce(sum(u.cost_micros), 0) as micros
  from before, usage_records u
  where u.user_id = @user_id and u.environment = 'live' and u.api_key_id = @api_key_id and u.created_at >= before.begins
    and not before.goes_on and sqlc.narg('spend_window')::text <> 'total'
)
update api_key_meters m
set time_zone = @time_zone::text, spend_cap_micros = sqlc.narg('spend_cap_micros')::bigint, spend_window = sqlc.narg('spend_window')::text,
  running_cap = sqlc.narg('running_cap')::int, requests_per_day = sqlc.narg('requests_per_day')::bigint,
  day_start = case when m.time_zone = @time_zone::text then m.day_start else 'epoch' end,
  running = case when before.metered then m.running else cardinality(@open_task_ids::text[]) end,
  window_start = case when before.goes_on then m.window_start else before.begins end,
  spent_micros = case when before.goes_on then m.spent_micros
    when sqlc.narg('spend_window')::text <> 'total' then open.micros + used.micros else 0 end
from before, open, used
where m.api_key_id = before.api_key_id and exists (select from api_keys k where k.id = m.api_key_id and k.user_id = @user_id)
returning m.*;

-- name: MeterRequestsTakeSetAnyOwner :many
-- Takes shares of what the days of different keys have left of requests, for one node to give out: a twentieth of it, 1 to
-- 10,000, and nothing when nothing is left. No row for a key without such a limit.
with meter as materialized (
  select m.api_key_id, m.requests_per_day as most, greatest(m.day_start, d.begins) as day_start,
    (case when d.begins > m.day_start then 0 else m.day_requests end) as used
  from (select unnest(@api_key_ids::text[]) as api_key_id, unnest(@ats::timestamptz[]) as at) n
  join api_key_meters m on m.api_key_id = n.api_key_id
  cross join lateral (select window_start('day', m.time_zone, n.at) as begins) d
  where m.requests_per_day is not null order by m.api_key_id for no key update of m
)
update api_key_meters m
set day_start = meter.day_start, day_requests = meter.used + least(10000, greatest(least(1, meter.most - meter.used), (meter.most - meter.used) / 20, 0))
from meter where m.api_key_id = meter.api_key_id
returning m.api_key_id, (m.day_requests - meter.used)::bigint as taken, m.day_start,
  window_end('day', m.time_zone, m.day_start)::timestamptz as day_end;

-- name: MeterRequestsReturnSetAnyOwner :exec
-- Gives back what a node took of the days of different keys and gave to nobody.
with n as (
  select unnest(@api_key_ids::text[]) as api_key_id, unnest(@day_starts::timestamptz[]) as day_start, unnest(@nums_requests::bigint[]) as requests
), meter as materialized (
  select m.api_key_id, n.requests from n join api_key_meters m on m.api_key_id = n.api_key_id and m.day_start = n.day_start
  order by m.api_key_id for no key update of m
)
update api_key_meters m set day_requests = greatest(0, m.day_requests - meter.requests)
from meter where m.api_key_id = meter.api_key_id;

-- name: MeterLock :one
-- Locks the account of a user and then the meter of a key of theirs.
with account as materialized (
  select a.user_id from accounts a where a.user_id = @user_id for no key update
)
select m.api_key_id from api_key_meters m join api_keys k on k.id = m.api_key_id
where m.api_key_id = @api_key_id and k.user_id = @user_id and (select count(*) from account) >= 0 for no key update of m;

-- name: LedgerCheckRunningAnyOwner :many
-- Keys with a cap whose meter counts another number of tasks under way than there are.
select m.api_key_id as subject, (m.running - count(t.id))::bigint as amount_micros
from api_key_meters m left join tasks t on t.api_key_id = m.api_key_id and t.metered_since is not null and t.completed_at is null
where m.spend_cap_micros is not null or m.running_cap is not null
group by m.api_key_id, m.running having m.running <> count(t.id) order by 1 limit 100;

-- name: LedgerCheckSpentAnyOwner :many
-- Keys with a spend cap whose meter counts less than what the tasks of its window have cost and hold.
select m.api_key_id as subject, (m.spent_micros - coalesce(sum(s.micros), 0))::bigint as amount_micros
from api_key_meters m left join lateral (
  select case when t.completed_at is null then t.unit_price_micros * t.num_outputs else t.cost_micros end as micros
  from tasks t where t.api_key_id = m.api_key_id and t.metered_since = m.window_start and t.environment = 'live'
) s on true
where m.spend_cap_micros is not null
group by m.api_key_id, m.spent_micros having m.spent_micros < coalesce(sum(s.micros), 0) order by 1 limit 100;
