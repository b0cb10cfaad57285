package task_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/task"
)

func newKeeper(s *apitest.Server) *task.Keeper {
	return task.NewKeeper(s.Pool, slog.New(slog.DiscardHandler), time.Now)
}

func TestKeeper_ForgetsWhatRanOutHoweverMuch(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.Options{NoWork: true})
	exec(t, s, `insert into idempotency_keys select 'usr', 'live', 'old ' || n, '\x00', 'gen', now() - interval '1 minute' from generate_series(1, 4500) n`)
	exec(t, s, `insert into idempotency_keys values ('usr', 'live', 'new', '\x00', 'gen', now() + interval '1 minute')`)
	exec(t, s, `insert into "user" ("id", "name", "email", "emailVerified") values ('usr', 'Ada', 'ada@example.com', false)`)
	exec(t, s, `insert into "session" ("id", "expiresAt", "token", "updatedAt", "userId")
		select d || ' days', now() - d * interval '1 day', d || ' days', now(), 'usr' from unnest(array[-1, 1, 6, 8, 400]) d`)
	exec(t, s, `insert into "verification" ("id", "identifier", "value", "expiresAt")
		select d || ' days', 'i', 'v', now() - d * interval '1 day' from unnest(array[-1, 1, 6, 8, 400]) d`)
	if err := newKeeper(s).Round(t.Context()); err != nil {
		t.Fatalf("keep house: %v", err)
	}
	if n := count(t, s, `select count(*) from idempotency_keys`); n != 1 {
		t.Errorf("%d idempotency keys are left, want the one that is live", n)
	}
	if n := count(t, s, `select count(*) from "session" where "userId" = 'usr'`); n != 3 {
		t.Errorf("%d sessions are left, want those that ran out less than a week ago or not yet", n)
	}
	if n := count(t, s, `select count(*) from "verification"`); n != 3 {
		t.Errorf("%d verifications are left, want those that ran out less than a week ago or not yet", n)
	}
}

// Rows that were there before marks were thought of are marked in a few rounds, and what is young is not.
func TestKeeper_MarksOldRowsOfBusyUsers(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.Options{NoWork: true})
	busy, quiet := s.NewAccount(t).UserID, s.NewAccount(t).UserID
	for user, n := range map[string]int{busy: 2600, quiet: 150} {
		exec(t, s, `with t as (
				insert into tasks (id, user_id, environment, model, type, status, prompt, aspect_ratio, resolution, num_outputs, price_id,
					unit_price_micros, deadline_at, created_at, completed_at)
				select 'gen_' || $1 || n, $1, 'live', 'nanobanana', 'image_generate', 'completed', 'a fox', '16:9', '1k', 1, 1, 10000, now(),
					now() - n * interval '1 minute', now() from generate_series(1, $2) n
				returning *)
			insert into usage_records (id, user_id, environment, task_id, model, type, units, cost_micros, created_at)
			select 'use_' || id, user_id, environment, id, model, type, 1, 0, created_at from t`, user, n)
	}
	exec(t, s, `insert into ledger_entries (transaction_id, ledger_account, user_id, kind, amount_micros, created_at)
		select 'txn_' || n / 2, 'user', $1, 'adjustment', 1 - n % 2 * 2, now() - interval '1 hour' from generate_series(0, 1199) n`, busy)
	k := newKeeper(s)
	for range 3 {
		if err := k.Round(t.Context()); err != nil {
			t.Fatalf("keep house: %v", err)
		}
	}
	for query, want := range map[string]int{
		`select count(*) from task_marks where user_id = $1`:                                    12,
		`select count(*) from usage_marks where user_id = $1`:                                   12,
		`select count(*) from ledger_marks where user_id = $1`:                                  6,
		`select count(*) from task_marks where user_id = $1 and until > now() - interval '10m'`: 0,
	} {
		if got := count(t, s, query, busy); got != want {
			t.Errorf("%s gives %d, want %d", query, got, want)
		}
	}
	if got := count(t, s, `select count(*) from task_marks where user_id = $1`, quiet); got != 0 {
		t.Errorf("a user whom nobody needs to wait for has %d marks", got)
	}
	got, err := task.Count(t.Context(), s.Pool, task.Filter{UserID: busy, Environment: "live"})
	if err != nil || got != 2600 {
		t.Errorf("counted %d of 2600 tasks: %v", got, err)
	}
}
