//go:build system

package bench

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/devdb"
	"github.com/eggapi/eggapi/internal/pg"
)

// orderBody is what every order says.
const orderBody = `{"model":"nanobanana","prompt":"A lighthouse made of eggshell at dawn, seen from a small boat","aspect_ratio":"16:9","num_outputs":1,"resolution":"1k"}`

const (
	// Users are named by whole numbers, so that pgbench can draw one.
	firstUser = "1000001"
	users     = 64

	// Enough for the database to use its indexes from the first statement on: a plan made for a handful of rows
	// would be kept while they become many.
	doneTasks  = 20_000 // of the first user
	askedTasks = 1000   // of these
	sampleTask = "/v1/tasks/gen_7"
)

// stage is everything a run is made of.
type stage struct {
	dir  string
	db   *devdb.DB
	pool *pgxpool.Pool
	keys []string // by user

	full, bare  *service
	sql         sqlRunner
	gets, posts string // files of requests
	loadName    string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{dir: t.TempDir(), loadName: loadName()}
	s.startDatabase(t)
	s.fill(t)
	s.writeRequests(t)
	s.full = startService(t, order{Part: "full", DatabaseURL: s.db.URL(), DataDir: s.dir, Conns: conns})
	s.bare = startService(t, order{Part: "bare", DatabaseURL: s.db.URL(), Conns: conns})
	s.sql = newSQLRunner(t, s, s.trace(t))
	return s
}

func (s *stage) startDatabase(t *testing.T) {
	t.Helper()
	var err error
	s.db, err = devdb.Start(t.Context(), devdb.Options{
		Dir: filepath.Join(s.dir, "db"), Logger: slog.New(slog.DiscardHandler),
		// No checkpoint but those the benchmark asks for, so that none falls into one side of a comparison.
		Settings: map[string]string{"max_wal_size": "8GB", "checkpoint_timeout": "1h"},
	})
	if err != nil {
		t.Fatalf("start the database: %v", err)
	}
	t.Cleanup(func() {
		limit, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.db.Stop(limit); err != nil {
			t.Errorf("stop the database: %v", err)
		}
	})
	if err := pg.Migrate(t.Context(), s.db.URL()); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	s.pool, err = pg.Connect(t.Context(), s.db.URL(), pg.Options{MaxConns: 4, StatementTimeout: time.Minute})
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(s.pool.Close)
	for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var value string
		if err := s.pool.QueryRow(t.Context(), "select current_setting($1)", name).Scan(&value); err != nil || value != "on" {
			t.Fatalf("%s must be on: %q, %v", name, value, err)
		}
	}
}

// userID gives the name of the n-th user, from 0.
func userID(n int) string {
	first, _ := strconv.Atoi(firstUser) // a constant
	return strconv.Itoa(first + n)
}

// fill makes users with keys and money, and tasks that have ended.
func (s *stage) fill(t *testing.T) {
	t.Helper()
	for _, statement := range []string{
		fmt.Sprintf(`insert into "user" ("id", "name", "email", "emailVerified", "updatedAt")
			select n::text, 'User', n || '@example.com', true, now() from generate_series(%s, %s) n`, firstUser, userID(users-1)),
		`with paid as (
				insert into ledger_entries (transaction_id, ledger_account, user_id, kind, amount_micros, reference)
				select 'txn_' || user_id, 'user:' || user_id, user_id, 'top_up', 1000000000000, 'bench ' || user_id from accounts returning user_id)
			insert into ledger_entries (transaction_id, ledger_account, kind, amount_micros, reference)
			select 'txn_' || user_id, 'funding', 'top_up', -1000000000000, 'bench ' || user_id from paid`,
		"update accounts set balance_micros = 1000000000000",
		fmt.Sprintf(`insert into tasks (id, user_id, environment, model, type, status, prompt, aspect_ratio, resolution, num_outputs,
				price_id, unit_price_micros, cost_micros, deadline_at, started_at, completed_at)
			select 'gen_' || n, '%s', 'live', 'nanobanana', 'image_generate', 'completed', 'A lighthouse made of eggshell at dawn', '16:9', '1k', 1,
				(select min(id) from prices), 10000, 10000, now(), now(), now() from generate_series(1, %d) n`, firstUser, doneTasks),
		`insert into attempts (id, task_id, route_id, provider, upstream_model, images, state, lease_owner, finished_at)
			select 'att_' || id, id, 'sandbox', 'sandbox', 'sandbox', '{0}', 'succeeded', 'bench', now() from tasks`,
		`insert into outputs (task_id, user_id, image, attempt_id, path, mime, size_bytes, width, height)
			select id, user_id, 0, 'att_' || id, 'images/' || id || '/0.png', 'image/png', 1000, 1376, 768 from tasks`,
		"analyze",
	} {
		if _, err := s.pool.Exec(t.Context(), statement); err != nil {
			t.Fatalf("fill the database: %v\n%s", err, statement)
		}
	}
	keyring := auth.NewKeyring(auth.KeyringConfig{Pool: s.pool, Clock: time.Now, Logger: slog.New(slog.DiscardHandler)})
	for n := range users {
		_, secret, err := keyring.Create(t.Context(), auth.NewKey{
			Actor: audit.Actor{UserID: userID(n)}, Name: "bench", Environment: auth.EnvironmentLive,
		})
		if err != nil {
			t.Fatalf("create a key: %v", err)
		}
		s.keys = append(s.keys, secret)
	}
}

// writeRequests lays down what is asked: each task that has ended, and one order of each user.
func (s *stage) writeRequests(t *testing.T) {
	t.Helper()
	var gets, posts []string
	for n := range askedTasks {
		gets = append(gets, fmt.Sprintf("GET /v1/tasks/gen_%d HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n\r\n", n+1, s.keys[0]))
	}
	for _, key := range s.keys {
		posts = append(posts, fmt.Sprintf("POST /v1/generate HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			key, len(orderBody), orderBody))
	}
	s.gets, s.posts = filepath.Join(s.dir, "gets"), filepath.Join(s.dir, "posts")
	for path, requests := range map[string][]string{s.gets: gets, s.posts: posts} {
		if err := os.WriteFile(path, []byte(strings.Join(requests, requestsEnd)), 0o600); err != nil {
			t.Fatalf("write the requests: %v", err)
		}
	}
}

func (s *stage) checkpoint(t *testing.T) {
	t.Helper()
	if _, err := s.pool.Exec(t.Context(), "checkpoint"); err != nil {
		t.Fatalf("checkpoint: %v", err)
	}
}

// countedTables get one row for each accepted task.
var countedTables = []string{"tasks", "holds", "river_job"}

// counts gives the rows of each of these tables.
func (s *stage) counts(t *testing.T) []int {
	t.Helper()
	counts := make([]int, len(countedTables))
	for i, table := range countedTables {
		if err := s.pool.QueryRow(t.Context(), "select count(*) from "+table).Scan(&counts[i]); err != nil {
			t.Fatalf("count %s: %v", table, err)
		}
	}
	return counts
}
