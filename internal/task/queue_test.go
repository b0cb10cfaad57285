package task_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/task"
)

// Our own statements insert jobs; River must find them as it would its own.
func TestQueue_JobsAreThoseThatRiverInserts(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.Options{NoWork: true})
	a := s.NewAccount(t)
	accepted := s.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"})
	if _, err := s.Node.Tasks.River.Insert(t.Context(), task.AdvanceArgs{TaskID: accepted.ID}, nil); err != nil {
		t.Fatalf("insert a job: %v", err)
	}
	if n := count(t, s, `select count(distinct to_jsonb(j) - 'id' - 'created_at' - 'scheduled_at') from river_job j`); n != 1 {
		t.Errorf("%d kinds of rows, want 1", n)
	}
	if n := count(t, s, `select count(*) from river_job where abs(extract(epoch from scheduled_at - now())) > 60`); n != 0 {
		t.Errorf("%d jobs are due at another time than now", n)
	}
}

// Whoever accepts a task tells the workers in River's own words, which it says here itself first.
func TestQueue_WorkersAreWokenAsRiverWakesThem(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.Options{NoWork: true})
	a := s.NewAccount(t)
	conn, err := pgx.Connect(t.Context(), s.DatabaseURL)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), `listen "public.river_insert"`); err != nil {
		t.Fatalf("listen: %v", err)
	}
	heard := func() string {
		t.Helper()
		limit, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		n, err := conn.WaitForNotification(limit)
		if err != nil {
			t.Fatalf("nothing was heard: %v", err)
		}
		return n.Channel + " " + n.Payload
	}
	if _, err := s.Node.Tasks.River.Insert(t.Context(), task.AdvanceArgs{TaskID: "gen_none"}, nil); err != nil {
		t.Fatalf("insert a job: %v", err)
	}
	rivers := heard()
	s.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"})
	if ours := heard(); ours != rivers {
		t.Errorf("we say %s, River says %s", ours, rivers)
	}
}
