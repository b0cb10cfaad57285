package task_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
)

const nanobananaMicros = 10_000

// together runs f for 0 to n-1, all let go at the same moment.
func together(n int, f func(i int)) {
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			f(i)
		})
	}
	done.Wait()
}

func count(t *testing.T, s *apitest.Server, query string, args ...any) int {
	t.Helper()
	var n int
	if err := s.Pool.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func exec(t *testing.T, s *apitest.Server, query string, args ...any) {
	t.Helper()
	if _, err := s.Pool.Exec(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func TestMoney_ParallelSubmitsNeverOverspend(t *testing.T) {
	t.Parallel()
	one := apitest.New(t, apitest.Options{NoWork: true})
	two := apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: one.DatabaseURL})
	a := one.NewPoorAccount(t)
	one.TopUp(t, a.UserID, 10*nanobananaMicros)
	var mu sync.Mutex
	answers := map[string]int{}
	clients := []*apiclient.ClientWithResponses{one.WithKey(t, a.LiveKey), two.WithKey(t, a.LiveKey)}
	together(200, func(i int) {
		got, err := clients[i%2].GenerateWithResponse(t.Context(), nil, apiclient.GenerateRequest{
			Model: "nanobanana", Prompt: "a fox",
		})
		if err != nil {
			t.Errorf("submit: %v", err)
			return
		}
		answer := got.Status()
		if got.JSON403 != nil {
			answer = got.JSON403.Error.Code
		}
		mu.Lock()
		answers[answer]++
		mu.Unlock()
	})
	if answers["202 Accepted"] != 10 || answers["INSUFFICIENT_BALANCE"] != 190 {
		t.Errorf("answers: %v, want 10 accepted and 190 refused", answers)
	}
	if n := count(t, one, "select count(*) from tasks"); n != 10 {
		t.Errorf("%d tasks are stored, want 10", n)
	}
	if n := count(t, one, "select held_micros from accounts where user_id = $1", a.UserID); n != 10*nanobananaMicros {
		t.Errorf("%d micros are held, want %d", n, 10*nanobananaMicros)
	}
	one.CheckBooks(t)
}

func TestMoney_ReplayChargesOnce(t *testing.T) {
	t.Parallel()
	one := apitest.New(t, apitest.Options{NoWork: true})
	two := apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: one.DatabaseURL})
	a := one.NewAccount(t)
	clients := []*apiclient.ClientWithResponses{one.WithKey(t, a.LiveKey), two.WithKey(t, a.LiveKey)}
	key := "order-4711"
	var mu sync.Mutex
	ids, replays := map[string]int{}, 0
	together(50, func(i int) {
		got, err := clients[i%2].GenerateWithResponse(t.Context(), &apiclient.GenerateParams{IdempotencyKey: &key},
			apiclient.GenerateRequest{Model: "nanobanana", Prompt: "a fox"})
		if err != nil {
			t.Errorf("submit: %v", err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case got.JSON202 != nil:
			ids[got.JSON202.Data.ID]++
			if got.HTTPResponse.Header.Get("Idempotent-Replayed") == "true" {
				replays++
			}
		case got.JSON409 == nil:
			t.Errorf("answered %s: %s", got.Status(), got.Body)
		}
	})
	if len(ids) != 1 {
		t.Errorf("tasks made for one key: %v", ids)
	}
	for id, n := range ids {
		if n-replays != 1 {
			t.Errorf("task %s was answered %d times, %d of them as a replay; exactly one must not be", id, n, replays)
		}
	}
	if n := count(t, one, "select count(*) from tasks"); n != 1 {
		t.Errorf("%d tasks are stored, want 1", n)
	}
	if n := count(t, one, "select held_micros from accounts where user_id = $1", a.UserID); n != nanobananaMicros {
		t.Errorf("%d micros are held, want %d", n, nanobananaMicros)
	}
}

// Each table that accepting a task writes to is made to refuse in turn, at the statement and at the commit.
func TestMoney_AcceptIsAllOrNothing(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.Options{NoWork: true})
	a := s.NewAccount(t)
	exec(t, s, `create function refuse_write() returns trigger language plpgsql as $$ begin raise exception 'planted'; end $$`)
	tables := []string{"idempotency_keys", "river_job", "tasks", "holds", "accounts"}
	for _, plant := range []string{
		"create trigger planted before insert or update on %s for each row execute function refuse_write()",
		"create constraint trigger planted after insert or update on %s deferrable initially deferred for each row execute function refuse_write()",
	} {
		for i, broken := range tables {
			exec(t, s, fmt.Sprintf(plant, broken))
			order := apiclient.GenerateRequest{Model: "nanobanana", Prompt: "a fox"}
			ways := []*apiclient.GenerateParams{{IdempotencyKey: new("key-" + broken)}, {}}
			if i == 0 {
				ways = ways[:1] // nothing is written to it without a key
			}
			for _, params := range ways {
				got, err := s.WithKey(t, a.LiveKey).GenerateWithResponse(t.Context(), params, order)
				if err != nil {
					t.Fatalf("submit: %v", err)
				}
				if got.JSON500 == nil {
					t.Errorf("with %s broken: answered %s", broken, got.Status())
				}
			}
			exec(t, s, fmt.Sprintf("drop trigger planted on %s", broken))
			for _, table := range tables[:4] {
				if n := count(t, s, "select count(*) from "+table); n != 0 {
					t.Errorf("with %s broken: %d rows were left in %s", broken, n, table)
				}
			}
			if n := count(t, s, "select held_micros from accounts where user_id = $1", a.UserID); n != 0 {
				t.Errorf("with %s broken: %d micros were left held", broken, n)
			}
		}
	}
}

// Workers that end a task, the sweep that ends it as late and results that come in late all
// race; whatever the order, the task ends once and is charged for what it delivered.
func TestMoney_SettleVoidLateRaceChargesOnce(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.Options{NoWork: true})
	a := s.NewAccount(t)
	four := int32(4)
	for round := range 8 {
		accepted := s.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "a fox", NumOutputs: &four})
		exec(t, s, "update tasks set status = 'processing', started_at = now(), deadline_at = now() - interval '1 second' where id = $1", accepted.ID)
		attempt := fmt.Sprintf("att_%d", round)
		exec(t, s, `insert into attempts (id, task_id, route_id, provider, upstream_model, images, lease_owner)
			values ($1, $2, 'r', 'p', 'm', '{0,1,2,3}', 'w')`, attempt, accepted.ID)
		together(24, func(i int) { raceOnce(t.Context(), t, s, accepted.ID, attempt, i) })
		if n := count(t, s, "select count(*) from holds where task_id = $1 and state <> 'held'", accepted.ID); n != 1 {
			t.Errorf("round %d: %d resolved holds, want 1", round, n)
		}
		if n := count(t, s, "select count(*) from ledger_entries where task_id = $1", accepted.ID); n != 0 && n != 2 {
			t.Errorf("round %d: %d ledger entries, want a pair or none", round, n)
		}
	}
	s.CheckBooks(t)
	if held := count(t, s, "select held_micros from accounts where user_id = $1", a.UserID); held != 0 {
		t.Errorf("%d micros are still held", held)
	}
}

func raceOnce(ctx context.Context, t *testing.T, s *apitest.Server, taskID, attempt string, i int) {
	var err error
	switch i % 3 {
	case 0:
		err = s.Node.Tasks.End(ctx, taskID)
	case 1:
		err = s.Node.Tasks.SweepOnce(ctx)
	default:
		err = s.Node.Tasks.Deliver(ctx, taskID, attempt, int32(i%4))
	}
	if err != nil {
		t.Errorf("racer %d: %v", i, err)
	}
}

// Each table that ending a task writes to is made to refuse in turn.
func TestMoney_SettleIsAllOrNothing(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.Options{NoWork: true})
	a := s.NewAccount(t)
	hook := s.URL + "/hook"
	task := s.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "a fox", WebhookURL: &hook})
	exec(t, s, "update tasks set status = 'processing', started_at = now() where id = $1", task.ID)
	exec(t, s, "insert into attempts (id, task_id, route_id, provider, upstream_model, images, lease_owner) values ('att_0', $1, 'r', 'p', 'm', '{0}', 'w')", task.ID)
	exec(t, s, "insert into outputs (task_id, user_id, image, attempt_id, path, mime, size_bytes, width, height) values ($1, $2, 0, 'att_0', 'images/x/0.png', 'image/png', 1, 1, 1)", task.ID, a.UserID)
	exec(t, s, `create function refuse_write() returns trigger language plpgsql as $$ begin raise exception 'planted'; end $$`)
	untouched := func(broken string) {
		t.Helper()
		for what, query := range map[string]string{
			"open task":    "select count(*) from tasks where status = 'processing'",
			"open hold":    "select count(*) from holds where state = 'held'",
			"held account": "select count(*) from accounts where held_micros > 0",
		} {
			if n := count(t, s, query); n != 1 {
				t.Errorf("with %s broken: %d rows of %s, want 1", broken, n, what)
			}
		}
		if n := count(t, s, "select (select count(*) from usage_records) + (select count(*) from webhook_events) + (select count(*) from ledger_entries where kind = 'settle')"); n != 0 {
			t.Errorf("with %s broken: %d rows were left", broken, n)
		}
	}
	for _, broken := range []string{"tasks", "usage_records", "webhook_events", "holds", "ledger_entries", "accounts"} {
		exec(t, s, fmt.Sprintf("create trigger planted before insert or update on %s for each row execute function refuse_write()", broken))
		if err := s.Node.Tasks.End(t.Context(), task.ID); err == nil {
			t.Errorf("with %s broken the task ended", broken)
		}
		exec(t, s, "drop trigger planted on "+broken)
		untouched(broken)
	}
	if err := s.Node.Tasks.End(t.Context(), task.ID); err != nil {
		t.Fatalf("end: %v", err)
	}
	s.CheckBooks(t)
}
