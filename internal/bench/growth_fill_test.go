//go:build system

package bench

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// growthHeavy owns six of ten tasks; the rest belongs to growthOthers users, one after the other.
const (
	growthHeavy  = "usr_heavy"
	growthOthers = 100_000
	// Tasks under way do not grow with those that were.
	growthOpen = 200
)

// growthFill fills an empty database with the tasks of ninety days and all that is theirs, by PostgreSQL itself. Checks
// that each row would trigger are left out, and indexes are made at the end, since this is about what comes after.
func growthFill(t *testing.T, pool *pgxpool.Pool, rows int) {
	t.Helper()
	// Nothing of this survives, so nothing need be logged; a table goes after those that point to it.
	for _, table := range []string{
		"webhook_deliveries", "webhook_events", "outputs", "attempts", "holds", "usage_records", "tasks", "ledger_entries", "river_job", "idempotency_keys",
	} {
		if _, err := pool.Exec(t.Context(), "alter table "+table+" set unlogged"); err != nil {
			t.Fatalf("stop logging %s: %v", table, err)
		}
	}
	indexes := growthDropIndexes(t, pool)
	var filling sync.WaitGroup
	for _, together := range growthInserts(rows) {
		for _, statement := range together {
			filling.Go(func() { growthExec(t, pool, "set local session_replication_role = replica", statement) })
		}
		filling.Wait()
	}
	for i, definition := range indexes {
		filling.Go(func() { growthExec(t, pool, "set local maintenance_work_mem = '1GB'", definition) })
		if i%2 == 1 { // two at a time
			filling.Wait()
		}
	}
	filling.Wait()
	if _, err := pool.Exec(t.Context(), "vacuum (analyze)"); err != nil {
		t.Fatalf("vacuum: %v", err)
	}
}

// growthDropIndexes drops what no constraint needs from the large tables, and tells how to make it again.
func growthDropIndexes(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), `select indexname::text, indexdef from pg_indexes i where schemaname = 'public'
		and tablename in ('tasks', 'usage_records', 'ledger_entries', 'attempts')
		and not exists (select from pg_constraint c where c.conname = i.indexname)`)
	if err != nil {
		t.Fatalf("list indexes: %v", err)
	}
	var definitions []string
	var name, definition string
	_, err = pgx.ForEachRow(rows, []any{&name, &definition}, func() error {
		definitions = append(definitions, definition)
		_, err := pool.Exec(t.Context(), "drop index "+pgx.Identifier{name}.Sanitize())
		return err
	})
	if err != nil {
		t.Fatalf("drop indexes: %v", err)
	}
	return definitions
}

func growthExec(t *testing.T, pool *pgxpool.Pool, before, statement string) {
	tx, err := pool.Begin(t.Context())
	if err == nil {
		if _, err = tx.Exec(t.Context(), before+";"+statement); err == nil {
			err = tx.Commit(t.Context())
		}
	}
	if err != nil {
		t.Errorf("fill: %v\n%s", err, strings.TrimSpace(statement))
	}
}

// growthInserts gives the statements that fill the tables; those in one list may run together.
func growthInserts(rows int) [][]string {
	// Task n of the user that n says, n of rows through the ninety days; the last are open.
	series := fmt.Sprintf(`(select n, 'gen_' || lpad(n::text, 26, '0') as id,
			case when n %% 10 < 6 then '%s' else 'usr_' || (n / 10 * 4 + n %% 10 - 6) %% %d end as user_id,
			now() - interval '90 days' * (1 - n / %d.0) - interval '15 minutes' * (%d - n) / %d as created_at,
			case when n > %d - %d then case n %% 3 when 0 then 'processing' else 'pending' end
				when n %% 50 = 3 then 'failed' else 'completed' end as status,
			case n %% 3 when 0 then 'nanobanana-pro' else 'nanobanana' end as model,
			case when n %% 5 = 1 then 'image_edit' else 'image_generate' end as type
		from generate_series(1, %d) n) s`, growthHeavy, growthOthers, rows, rows, rows, rows, growthOpen, rows)
	return [][]string{{
		fmt.Sprintf(`insert into "user" ("id", "name", "email", "emailVerified") select u, 'User', u || '@example.com', true
			from (select 'usr_' || n as u from generate_series(0, %d) n union all select '%s') u`, growthOthers-1, growthHeavy),
		fmt.Sprintf(`insert into accounts (user_id, balance_micros) select u, 1000000000000
			from (select 'usr_' || n as u from generate_series(0, %d) n union all select '%s') u`, growthOthers-1, growthHeavy),
		`insert into tasks (id, user_id, environment, model, type, status, prompt, aspect_ratio, resolution, num_outputs, price_id,
				unit_price_micros, cost_micros, error, failure_code, failure_retryable, job_id, deadline_at, created_at, started_at, completed_at, lease_until)
			select id, user_id, 'live', model, type, status, 'A lighthouse made of eggshell at dawn, seen from a small boat', '16:9', '1k', 1, 1,
				10000, case status when 'completed' then 10000 else 0 end, case status when 'failed' then 'The provider did not answer in time' end,
				case status when 'failed' then 'timeout' end, case status when 'failed' then true end, n, case when status in ('completed', 'failed') then created_at else now() end + interval '1 hour',
				created_at, created_at, case when status in ('completed', 'failed') then created_at + interval '20 seconds' end,
				case status when 'processing' then now() + interval '1 hour' end from ` + series,
		`insert into ledger_entries (transaction_id, ledger_account, user_id, kind, amount_micros, task_id, created_at)
			select 'txn_' || lpad(n::text, 26, '0'), case side when 1 then 'user:' || user_id else 'revenue' end,
				case side when 1 then user_id end, 'settle', -10000 * side, id, created_at
			from ` + series + `, unnest(array[1, -1]) side where status = 'completed'`,
	}, {
		`insert into usage_records (id, user_id, environment, task_id, model, type, units, cost_micros, created_at)
			select 'use_' || lpad(n::text, 26, '0'), user_id, 'live', id, model, type, 1, 10000, created_at + interval '20 seconds'
			from ` + series + ` where status = 'completed'`,
		`insert into outputs (task_id, user_id, image, attempt_id, path, mime, size_bytes, width, height, created_at)
			select id, user_id, 0, 'att_' || id, 'images/' || id || '/0.png', 'image/png', 1000, 1376, 768, created_at
			from ` + series + ` where status = 'completed'`,
	}, {
		`insert into attempts (id, task_id, route_id, provider, upstream_model, images, state, lease_owner, created_at, finished_at)
			select 'att_' || id, id, 'nanobanana-sandbox', 'sandbox', 'sandbox', '{0}', 'succeeded', 'node/1', created_at, created_at from ` + series,
		`insert into holds (task_id, user_id, amount_micros, settled_micros, state, created_at, resolved_at)
			select id, user_id, 10000, case status when 'completed' then 10000 else 0 end,
				case status when 'completed' then 'settled' when 'failed' then 'voided' else 'held' end, created_at,
				case when status in ('completed', 'failed') then created_at end from ` + series,
		// One finished job for twenty tasks: more than five minutes leave behind at any rate this service reaches.
		`insert into river_job (id, args, attempt, attempted_at, created_at, finalized_at, kind, max_attempts, queue, scheduled_at, state)
			select n, jsonb_build_object('task_id', id), 1, created_at, created_at,
				case when status in ('completed', 'failed') then now() - interval '4 minutes' * random() end, 'task.advance', 5, 'tasks', now() - interval '1 second',
				case status when 'pending' then 'available' when 'processing' then 'running' else 'completed' end::river_job_state
			from ` + series + ` where n % 20 = 0 or status in ('pending', 'processing')`,
		// Claims live for a day, one ninetieth of the time.
		`insert into idempotency_keys (user_id, environment, key, fingerprint, task_id, expires_at)
			select user_id, 'live', md5(id), '\x0102', id, now() + interval '1 hour' + (n % 1000) * interval '1 minute' from ` + series + ` where n % 90 = 0`,
		`insert into webhook_events (id, user_id, environment, task_id, type, url, payload, status, attempts, job_id, next_attempt_at, created_at, ended_at)
			select 'evt_' || id, user_id, 'live', id, 'task.completed', 'https://example.com', '{}', case n when 10 then 'pending' else 'delivered' end,
				1, n, now() + interval '1 hour', created_at, case when n <> 10 then greatest(created_at, now() - interval '29 days') end
			from ` + series + ` where n % 10 = 0 and status = 'completed'`,
	}}
}
