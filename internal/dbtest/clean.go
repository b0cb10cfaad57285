package dbtest

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eggapi/eggapi/internal/fault"
)

const (
	// Templates of this many schemas are kept, newest first: a few checkouts and branches.
	templatesKept = 4
	// A database older than this without a session belongs to a test that failed or was killed.
	leftoverAge = 30 * time.Minute
)

// The names are pgtestdb's: a template, and instances cloned from it.
const (
	namedInstance = `datname like 'testdb\_tpl\_%\_inst\_%'`
	namedTemplate = `datname like 'testdb\_tpl\_%' and not ` + namedInstance
)

// clean drops what earlier runs left. The server has just started and has no users yet.
func clean(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fault.Wrap(err, "clean the test cluster")
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := drop(ctx, conn, "select datname from pg_database where "+namedInstance); err != nil {
		return err
	}
	if err := drop(ctx, conn, "select datname from pg_database where "+namedTemplate+" order by oid desc offset $1", templatesKept); err != nil {
		return err
	}
	// Every clone leaves dead rows in the tables all databases share.
	_, err = conn.Exec(ctx, "vacuum pg_database, pg_shdepend, pg_shdescription")
	return fault.Wrap(err, "vacuum the test cluster")
}

// sweep drops the databases of tests that failed or were killed some time ago.
func sweep(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fault.Wrap(err, "sweep the test cluster")
	}
	defer func() { _ = conn.Close(ctx) }()
	return drop(ctx, conn, "select datname from pg_database d where "+namedInstance+`
		and (pg_stat_file('base/' || d.oid || '/PG_VERSION', true)).modification < now() - make_interval(secs => $1)
		and not exists (select from pg_stat_activity a where a.datid = d.oid)`, leftoverAge.Seconds())
}

func drop(ctx context.Context, conn *pgx.Conn, query string, args ...any) error {
	rows, err := conn.Query(ctx, query, args...)
	if err != nil {
		return fault.Wrap(err, "list old test databases")
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fault.Wrap(err, "list old test databases")
	}
	for _, name := range names {
		quoted := pgx.Identifier{name}.Sanitize()
		if _, err := conn.Exec(ctx, "alter database "+quoted+" is_template false"); err != nil {
			return fault.Wrap(err, "release an old template")
		}
		if _, err := conn.Exec(ctx, "drop database "+quoted); err != nil {
			return fault.Wrap(err, "drop an old test database")
		}
	}
	return nil
}
