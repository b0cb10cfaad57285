-- name: LedgerMarkDueAnyOwner :many
-- Which of some users have this many entries after their last mark.
select a.user_id
from accounts a
where a.user_id = any (@user_ids::text[]) and exists (
  select from ledger_entries l
  where l.user_id = a.user_id and l.id >= coalesce((select max(m.until_id) from ledger_marks m where m.user_id = a.user_id), 0)
  order by l.id offset sqlc.arg('mark_rows')::int limit 1);

-- name: LedgerMarkAdd :execrows
-- Sets the next mark of a user's entries: this many further, and no later than what was written before every open
-- transaction began. 0 rows when there are not so many.
insert into ledger_marks (user_id, until_id, total)
select @user_id, step.id, s.total + sqlc.arg('mark_rows')::int
from (
  (select m.until_id, m.total from ledger_marks m where m.user_id = @user_id order by m.until_id desc limit 1)
  union all select 0, 0 limit 1
) s
cross join lateral (
  select l.id, l.created_at from ledger_entries l where l.user_id = @user_id and l.id >= s.until_id
  order by l.id offset sqlc.arg('mark_rows')::int limit 1
) step
where step.created_at < calm_moment(sqlc.arg('calm_seconds')::int)
on conflict on constraint ledger_marks_pkey do nothing;

-- name: LedgerMarkLast :one
-- The last mark of a user's entries.
select * from ledger_marks where user_id = @user_id order by until_id desc limit 1;
