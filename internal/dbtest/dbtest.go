// Package dbtest gives every test a migrated PostgreSQL database of its own.
//
// Owns: the shared test cluster, the process that keeps it, and the template databases are cloned from.
// Does not own: the schema (internal/pg migrates the template) and the server's process (internal/devdb).
// May touch: pgtestdb, pg, devdb, pgx; imported by tests only.
// Always true: no test sees another's rows; without a database a test fails, it is never skipped.
package dbtest

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // pgtestdb speaks database/sql
	"github.com/peterldowns/pgtestdb"

	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

const (
	serverEnv = "EGGAPI_TEST_DATABASE_URL" // a server to use instead of our own
	binEnv    = "EGGAPI_POSTGRES_BIN"      // the folder of the server's programs, as for the development database
	// zone has a half hour in its offset, so that nothing which takes a local time for UTC passes by luck.
	// It is Canada/Newfoundland under the name every system has.
	zone = "America/St_Johns"
	// A leaked connection would make closing the pool wait for ever.
	closeTimeout = 10 * time.Second
)

// New gives a pool on a fresh, migrated database. At the end of the test the pool is closed and the database
// dropped; after a failure the database stays until the cluster stops or half an hour has gone.
// It fails the test when there is no server, or when a connection is still in use at the end.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := pg.Connect(t.Context(), NewURL(t), pg.Options{
		MaxConns:         10,
		StatementTimeout: 30 * time.Second,
		LockTimeout:      10 * time.Second,
	})
	if err != nil {
		t.Fatalf("open the test database: %v", err)
	}
	t.Cleanup(func() {
		closed := make(chan struct{})
		go func() { pool.Close(); close(closed) }()
		select {
		case <-closed:
		case <-time.After(closeTimeout):
			t.Errorf("%d connections of the test were never released", pool.Stat().AcquiredConns())
		}
	})
	return pool
}

// NewURL gives the address of a fresh, migrated database, for a test that starts processes of its own.
// It is dropped at the end of the test, whoever is still connected.
func NewURL(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("no test database: %v", err)
	}
	return pgtestdb.Custom(t, s.config, migrator{}).URL()
}

// NewSuperuser gives a pool on the database of a URL that NewURL gave, as the user who may do everything, roles too.
func NewSuperuser(t testing.TB, databaseURL string) *pgxpool.Pool {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("no test database: %v", err)
	}
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatalf("read the address of the test database: %v", err)
	}
	u.User = url.UserPassword(s.config.User, s.config.Password)
	pool, err := pg.Connect(t.Context(), u.String(), pg.Options{MaxConns: 2})
	if err != nil {
		t.Fatalf("open the test database: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// migrator tells pgtestdb how a template is made and when an old one will do.
type migrator struct{}

var _ pgtestdb.Migrator = migrator{}

// Hash names the schema.
func (migrator) Hash() (string, error) { return pg.SchemaHash(), nil }

// Migrate fills an empty database.
func (migrator) Migrate(ctx context.Context, _ *sql.DB, c pgtestdb.Config) error {
	return pg.Migrate(ctx, c.URL())
}

// config turns a server's address into what pgtestdb wants. It pastes the parts together again unescaped.
func config(address string) (pgtestdb.Config, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.User == nil {
		// The parse error repeats the password.
		return pgtestdb.Config{}, fault.New(fault.Internal, "the address of the test database is not postgres://user:password@host:port/database")
	}
	password, _ := u.User.Password()
	query := u.Query()
	query.Set("options", "-c timezone="+zone)
	port := u.Port()
	if port == "" {
		port = "5432"
	}
	return pgtestdb.Config{
		DriverName:                "pgx",
		Host:                      u.Hostname(),
		Port:                      port,
		User:                      escape(u.User.Username()),
		Password:                  escape(password),
		Database:                  u.Path[min(1, len(u.Path)):],
		Options:                   plusAsBlank(query.Encode()),
		ForceTerminateConnections: true,
	}, nil
}

func escape(s string) string { return plusAsBlank(url.QueryEscape(s)) }

// plusAsBlank rewrites the blanks of Go's encoding, which PostgreSQL's drivers would read as plus signs.
func plusAsBlank(encoded string) string { return strings.ReplaceAll(encoded, "+", "%20") }

// setting reads what the developer set, "" when nothing.
func setting(name string) string {
	value, _ := os.LookupEnv(name) //nolint:forbidigo // test code has no configuration to read it from
	return value
}
