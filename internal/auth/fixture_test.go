package auth_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/dbtest"
	"github.com/eggapi/eggapi/internal/fault"
)

var quiet = slog.New(slog.DiscardHandler)

// clock is a time that moves only by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2030, 1, 2, 3, 4, 5, 678_000_000, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

func (c *clock) Add(d time.Duration) { c.Set(c.Now().Add(d)) }

// queries counts the statements of a pool.
type queries struct{ n atomic.Int64 }

func (q *queries) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	q.n.Add(1)
	return ctx
}

func (q *queries) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// node is one process with a keyring of its own, on a shared database.
type node struct {
	*auth.Keyring
	queries *queries
}

func newNode(t *testing.T, pool *pgxpool.Pool, c *clock) node {
	t.Helper()
	q := &queries{}
	cfg := pool.Config()
	cfg.ConnConfig.Tracer = q
	counted, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(counted.Close)
	return node{auth.NewKeyring(auth.KeyringConfig{Pool: counted, Clock: c.Now, Logger: quiet}), q}
}

// listening gives a node that hears of changes.
func listening(t *testing.T, pool *pgxpool.Pool, c *clock) node {
	t.Helper()
	n := newNode(t, pool, c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); n.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	eventually(t, 10*time.Second, "the keyring listens", n.Listening)
	n.queries.n.Store(0)
	return n
}

// eventually waits until holds does, and tells how long that took.
func eventually(t *testing.T, within time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Since(start) > within {
			t.Fatalf("not within %v: %s", within, what)
		}
		<-tick.C
	}
	return time.Since(start)
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func scan[T any](t *testing.T, pool *pgxpool.Pool, sql string, args ...any) (v T) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func addUser(t *testing.T, pool *pgxpool.Pool, userID string) audit.Actor {
	t.Helper()
	exec(t, pool, `insert into "user" ("id", "name", "email", "emailVerified") values ($1, 'Ada', $1 || '@example.test', false)`, userID)
	return audit.Actor{UserID: userID, IPAddress: "192.0.2.1", UserAgent: "test"}
}

func create(t *testing.T, n node, by audit.Actor) (keyID, secret string) {
	t.Helper()
	row, secret, err := n.Create(t.Context(), auth.NewKey{Actor: by, Name: "a key", Environment: "live"})
	if err != nil {
		t.Fatal(err)
	}
	return row.ID, secret
}

func wantFault(t *testing.T, err error, code fault.Code, message string) {
	t.Helper()
	f, ok := fault.As(err)
	if !ok || f.Code != code || f.Message != message {
		t.Fatalf("got %v, want %s: %s", err, code, message)
	}
}

func newDatabase(t *testing.T) *pgxpool.Pool {
	t.Helper()
	return dbtest.New(t)
}

func ptr[T any](v T) *T { return &v }
