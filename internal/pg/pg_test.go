package pg_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/internal/dbtest"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

func TestRequireCurrent_SaysWhatToTypeForAnOlderDatabase(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	if err := pg.RequireCurrent(t.Context(), pool); err != nil {
		t.Fatalf("a migrated database is refused: %v", err)
	}
	for _, older := range []string{
		"delete from goose_db_version where version_id = (select max(version_id) from goose_db_version)",
		"drop table goose_db_version",
	} {
		if _, err := pool.Exec(t.Context(), older); err != nil {
			t.Fatalf("%s: %v", older, err)
		}
		err := pg.RequireCurrent(t.Context(), pool)
		if err == nil || !strings.Contains(err.Error(), "eggapi migrate up") {
			t.Errorf("after %q: %v", older, err)
		}
	}
}

func TestMigrate_AgainAndAtOnceChangesNothing(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() { errs <- pg.Migrate(t.Context(), url) }()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Errorf("migrate: %v", err)
		}
	}
}

func TestConnect_MalformedURLDoesNotRepeatThePassword(t *testing.T) {
	t.Parallel()
	_, err := pg.Connect(t.Context(), "postgres://user:canary@host:notaport/db", pg.Options{})
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
}

func TestPublic_TellsClientsFromOutages(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	for statement, want := range map[string]fault.Code{
		"select 1 / 0": fault.BadRequest, // class 22
		"select convert_from('\\xff'::bytea, 'UTF8')": fault.BadRequest,
		"select pg_cancel_backend(pg_backend_pid())":  fault.ServiceUnavailable,
		"select * from no_such_table":                 fault.Internal,
	} {
		_, err := pool.Exec(t.Context(), statement)
		if err == nil {
			t.Errorf("%s worked", statement)
			continue
		}
		if got := fault.CodeOf(pg.Public(err)); got != want {
			t.Errorf("%s gives %s, want %s (%v)", statement, got, want, err)
		}
	}
	closed, err := pg.Connect(t.Context(), "postgres://x:y@127.0.0.1:1/z", pg.Options{})
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	if got := fault.CodeOf(pg.Public(closed.Ping(t.Context()))); got != fault.ServiceUnavailable {
		t.Errorf("nobody at the port gives %s", got)
	}
	closed.Close()
	if got := fault.CodeOf(pg.Public(closed.Ping(t.Context()))); got != fault.ServiceUnavailable {
		t.Errorf("a closed pool gives %s", got)
	}
	if err := pg.Public(errors.New("other")); fault.CodeOf(err) != fault.Internal {
		t.Errorf("a foreign error gives %s", fault.CodeOf(err))
	}
}

func TestListener_ReconnectsAndSaysThatItWasDeaf(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	var ups, downs atomic.Int32
	heard := make(chan string, 8)
	l := &pg.Listener{
		Pool: pool, Channel: "test_channel", Logger: slog.New(slog.DiscardHandler), PingInterval: 200 * time.Millisecond,
		Up: func() { ups.Add(1) }, Down: func() { downs.Add(1) }, Notify: func(payload string) { heard <- payload },
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { l.Run(ctx); close(done) }()
	waitFor(t, func() bool { return ups.Load() == 1 })
	notify(t, pool, "one")
	if got := <-heard; got != "one" {
		t.Errorf("heard %q", got)
	}
	if _, err := pool.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen%' and datname = current_database()"); err != nil {
		t.Fatalf("terminate: %v", err)
	}
	waitFor(t, func() bool { return ups.Load() == 2 && downs.Load() >= 1 })
	notify(t, pool, "two")
	if got := <-heard; got != "two" {
		t.Errorf("heard %q", got)
	}
	stop()
	<-done
}

func notify(t *testing.T, pool *pgxpool.Pool, payload string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), "select pg_notify('test_channel', $1)", payload); err != nil {
		t.Fatalf("notify: %v", err)
	}
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the condition did not come to pass")
		}
	}
}
