package pg

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/eggapi/eggapi/internal/fault"
	schema "github.com/eggapi/eggapi/sql"
)

// Step is one migration and whether the database has it.
type Step struct {
	Name    string
	Applied bool
}

// Migrate brings the database to this binary's schema: ours by goose, then River's by River.
// Any number of processes may call it at once. Statements give up on a lock after 5 s.
func Migrate(ctx context.Context, databaseURL string) error {
	pool, err := Connect(ctx, databaseURL, Options{MaxConns: 4, StatementTimeout: 10 * time.Minute, LockTimeout: 5 * time.Second})
	if err != nil {
		return err
	}
	defer pool.Close()
	conn := stdlib.OpenDBFromPool(pool)
	defer func() { _ = conn.Close() }()
	ours, err := provider(conn)
	if err != nil {
		return err
	}
	if _, err := ours.Up(ctx); err != nil {
		return fault.Wrap(err, "migrate the schema")
	}
	rivers, err := riverMigrator(pool)
	if err != nil {
		return err
	}
	if _, err := rivers.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fault.Wrap(err, "migrate the queue")
	}
	return tuneQueue(ctx, pool)
}

// Status lists every migration this binary knows.
func Status(ctx context.Context, pool *pgxpool.Pool) ([]Step, error) {
	conn := stdlib.OpenDBFromPool(pool)
	defer func() { _ = conn.Close() }()
	ours, err := provider(conn)
	if err != nil {
		return nil, err
	}
	applied, err := appliedVersions(ctx, pool)
	if err != nil {
		return nil, err
	}
	var steps []Step
	for _, s := range ours.ListSources() {
		steps = append(steps, Step{Name: s.Path, Applied: applied[s.Version]})
	}
	rivers, err := riverMigrator(pool)
	if err != nil {
		return nil, err
	}
	have, err := rivers.ExistingVersions(ctx)
	if err != nil && !undefinedTable(err) {
		return nil, fault.Wrap(err, "read the queue's schema version")
	}
	for _, v := range rivers.AllVersions() {
		steps = append(steps, Step{Name: fmt.Sprintf("river %03d %s", v.Version, v.Name), Applied: len(have) >= v.Version})
	}
	return steps, nil
}

// RequireCurrent fails when the database is older than this binary, saying what to type. It writes nothing.
func RequireCurrent(ctx context.Context, pool *pgxpool.Pool) error {
	steps, err := Status(ctx, pool)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if !s.Applied {
			return fmt.Errorf("the database lacks migration %s: run `eggapi migrate up` with the same DATABASE_URL", s.Name)
		}
	}
	return nil
}

// SchemaHash changes whenever a migration of ours or of River's does.
func SchemaHash() string {
	h := sha256.New()
	entries, _ := schema.Files.ReadDir(".")
	for _, e := range entries {
		body, _ := schema.Files.ReadFile(e.Name())
		_, _ = fmt.Fprintf(h, "%s\n%s\n", e.Name(), body)
	}
	if rivers, err := riverMigrator(nil); err == nil {
		for _, v := range rivers.AllVersions() {
			_, _ = fmt.Fprintf(h, "river %d\n%s\n", v.Version, v.SQLUp)
		}
	}
	_, _ = h.Write([]byte(queueTuning))
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func provider(conn *sql.DB) (*goose.Provider, error) {
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, fault.Wrap(err, "make the migration lock")
	}
	p, err := goose.NewProvider(goose.DialectPostgres, conn, schema.Files, goose.WithSessionLocker(locker),
		goose.WithDisableGlobalRegistry(true))
	return p, fault.Wrap(err, "read the migrations")
}

func riverMigrator(pool *pgxpool.Pool) (*rivermigrate.Migrator[Tx], error) {
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	return m, fault.Wrap(err, "read the queue's migrations")
}

func appliedVersions(ctx context.Context, pool *pgxpool.Pool) (map[int64]bool, error) {
	applied := map[int64]bool{}
	rows, err := pool.Query(ctx, "select version_id from goose_db_version where is_applied")
	if undefinedTable(err) {
		return applied, nil // nobody has migrated this database yet
	}
	if err != nil {
		return nil, fault.Wrap(err, "read the schema version")
	}
	defer rows.Close()
	for rows.Next() {
		var v int64
		if err := rows.Scan(&v); err != nil {
			return nil, fault.Wrap(err, "read the schema version")
		}
		applied[v] = true
	}
	if err := rows.Err(); err != nil && !undefinedTable(err) {
		return nil, fault.Wrap(err, "read the schema version")
	}
	return applied, nil
}

func undefinedTable(err error) bool { return sqlState(err) == "42P01" }
