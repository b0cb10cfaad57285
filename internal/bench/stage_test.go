//go:build system

package bench

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/devdb"
	"github.com/eggapi/eggapi/internal/pg"
)

// Connections to the database, in one place. A yardstick has as many as the load on it, unless it is a service.
const (
	poolConns = 16 // of each service, the default of EGGAPI_DATABASE_CONNS
	ownConns  = 4  // of the benchmark itself
	maxConns  = 400
)

const (
	// Users are named by whole numbers, so that pgbench can draw one.
	firstUser = "1000001"
	users     = 100_000
	keyed     = 4096 // of these have a key, and place the orders

	// Enough for the database to use its indexes from the first statement on: a plan made for a handful of rows
	// would be kept while they become many.
	doneTasks  = 20_000 // of the first user
	sampleTask = "/v1/tasks/gen_7"
)

// stage is a cluster with one filled database, of which each figure gets copies.
type stage struct {
	dir  string
	db   *devdb.DB
	pool *pgxpool.Pool // on a database of its own, or the template could not be copied
	keys []string      // of the first users
}

func newStage(t *testing.T) *stage {
	t.Helper()
	// No checkpoint but those the benchmark asks for, so that none falls into one side of a comparison.
	return newStageWith(t, map[string]string{"max_wal_size": "8GB", "checkpoint_timeout": "1h"})
}

func newStageWith(t *testing.T, settings map[string]string) *stage {
	t.Helper()
	s := &stage{dir: t.TempDir()}
	settings["max_connections"] = strconv.Itoa(maxConns)
	s.startCluster(t, settings)
	if err := pg.Migrate(t.Context(), s.db.URL()); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	template := connect(t, s.db.URL())
	s.fill(t, template)
	template.Close()
	s.pool = connect(t, s.urlOf(t, "postgres"))
	for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var value string
		if err := s.pool.QueryRow(t.Context(), "select current_setting($1)", name).Scan(&value); err != nil || value != "on" {
			t.Fatalf("%s must be on: %q, %v", name, value, err)
		}
	}
	return s
}

func (s *stage) startCluster(t *testing.T, settings map[string]string) {
	t.Helper()
	var err error
	s.db, err = devdb.Start(t.Context(), devdb.Options{
		Dir: filepath.Join(s.dir, "db"), Logger: slog.New(slog.DiscardHandler), Settings: settings,
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
}

func connect(t *testing.T, databaseURL string) *pgxpool.Pool {
	t.Helper()
	pool, err := pg.Connect(t.Context(), databaseURL, pg.Options{MaxConns: ownConns, StatementTimeout: 2 * time.Minute})
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func (s *stage) urlOf(t *testing.T, database string) string {
	t.Helper()
	address, err := url.Parse(s.db.URL())
	if err != nil {
		t.Fatal("the database's address is malformed")
	}
	address.Path = "/" + database
	return address.String()
}

// database is a copy of the filled one. It is removed with the test that asked for it.
type database struct {
	stage *stage
	url   string
	pool  *pgxpool.Pool
}

func (s *stage) copy(t *testing.T, name string) *database {
	t.Helper()
	s.must(t, s.pool, "create database "+name+" template eggapi")
	t.Cleanup(func() {
		if _, err := s.pool.Exec(context.Background(), "drop database "+name+" with (force)"); err != nil {
			t.Errorf("drop %s: %v", name, err)
		}
	})
	d := &database{stage: s, url: s.urlOf(t, name)}
	d.pool = connect(t, d.url)
	s.checkpoint(t)
	return d
}

func (s *stage) must(t *testing.T, pool *pgxpool.Pool, statement string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%v\n%s", err, statement)
	}
}

func (s *stage) checkpoint(t *testing.T) {
	t.Helper()
	s.must(t, s.pool, "checkpoint")
}

// userID gives the name of the n-th user, from 0.
func userID(n int) string {
	first, _ := strconv.Atoi(firstUser) // a constant
	return strconv.Itoa(first + n)
}

// fill makes users with money and keys, and tasks of the first user that have ended and are paid for.
func (s *stage) fill(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	const topUp, cost = 1_000_000_000_000, 10_000
	for _, statement := range []string{
		fmt.Sprintf(`insert into "user" ("id", "name", "email", "emailVerified", "updatedAt")
			select n::text, 'User', n || '@example.com', true, now() from generate_series(%s, %s) n`, firstUser, userID(users-1)),
		fmt.Sprintf(`with paid as (
				insert into ledger_entries (transaction_id, ledger_account, user_id, kind, amount_micros, reference)
				select 'txn_' || user_id, 'user:' || user_id, user_id, 'top_up', %d, 'bench ' || user_id from accounts returning user_id)
			insert into ledger_entries (transaction_id, ledger_account, kind, amount_micros, reference)
			select 'txn_' || user_id, 'funding', 'top_up', -%d, 'bench ' || user_id from paid`, topUp, topUp),
		fmt.Sprintf(`insert into tasks (id, user_id, environment, model, type, status, prompt, aspect_ratio, resolution, num_outputs,
				price_id, unit_price_micros, cost_micros, deadline_at, started_at, completed_at)
			select 'gen_' || n, '%s', 'live', 'nanobanana', 'image_generate', 'completed', 'A lighthouse made of eggshell at dawn', '16:9', '1k', 1,
				(select min(id) from prices), %d, %d, now(), now(), now() from generate_series(1, %d) n`, firstUser, cost, cost, doneTasks),
		"insert into holds (task_id, user_id, amount_micros, settled_micros, state, resolved_at) select id, user_id, cost_micros, cost_micros, 'settled', now() from tasks",
		`insert into attempts (id, task_id, route_id, provider, upstream_model, images, state, lease_owner, finished_at)
			select 'att_' || id, id, 'sandbox', 'sandbox', 'sandbox', '{0}', 'succeeded', 'bench', now() from tasks`,
		`insert into outputs (task_id, user_id, image, attempt_id, path, mime, size_bytes, width, height)
			select id, user_id, 0, 'att_' || id, 'images/' || id || '/0.png', 'image/png', 1000, 1376, 768 from tasks`,
		`insert into usage_records (id, user_id, environment, task_id, model, type, units, cost_micros)
			select 'use_' || id, user_id, environment, id, model, type, 1, cost_micros from tasks`,
		`insert into ledger_entries (transaction_id, ledger_account, user_id, kind, amount_micros, task_id)
			select 'txn_' || id, case when side < 0 then 'user:' || user_id else 'revenue' end, case when side < 0 then user_id end, 'settle', side * cost_micros, id
			from tasks, unnest(array[-1, 1]) side`,
		"update accounts a set balance_micros = (select sum(amount_micros) from ledger_entries e where e.user_id = a.user_id)",
	} {
		s.must(t, pool, statement)
	}
	s.makeKeys(t, pool)
	s.must(t, pool, "vacuum analyze")
}

func (s *stage) makeKeys(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	owners, digests := make([]string, keyed), make([][]byte, keyed)
	for n := range keyed {
		secret, digest, _, err := auth.NewSecret(auth.EnvironmentLive)
		if err != nil {
			t.Fatalf("make a key: %v", err)
		}
		owners[n], digests[n] = userID(n), digest[:]
		s.keys = append(s.keys, secret)
	}
	_, err := pool.Exec(t.Context(), `insert into api_keys (id, user_id, environment, name, digest, hint)
		select 'key_' || owner, owner, 'live', 'bench', digest, 'egg_live_' from unnest($1::text[], $2::bytea[]) k (owner, digest)`, owners, digests)
	if err != nil {
		t.Fatalf("store the keys: %v", err)
	}
}

// count gives the rows of a table.
func (d *database) count(t *testing.T, table string) int {
	t.Helper()
	var n int
	if err := d.pool.QueryRow(t.Context(), "select count(*) from "+table).Scan(&n); err != nil {
		t.Fatalf("count %s: %v", table, err)
	}
	return n
}
