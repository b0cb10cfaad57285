// Package pg is the way to PostgreSQL.
//
// Owns: connecting, transactions, what a database error means, migrating, listening for notifications.
// Does not own: queries (gen/db) and what they are for.
// May touch: pgx, goose, rivermigrate, gen/db, fault, sql.
// Always true: nobody else names a pgx or SQLSTATE error; a lost database is SERVICE_UNAVAILABLE, never a hang.
package pg

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
)

// Q runs the generated queries.
var Q = db.New()

// Options says how a pool behaves. The zero value suits an API process.
type Options struct {
	MaxConns         int32         // 0 = 16
	StatementTimeout time.Duration // 0 = 5 s
	LockTimeout      time.Duration // 0 = 2 s
	// AsyncCommit lets commits return before they are on disk: a crash of the database may undo the last fraction of a
	// second. For what is simply done again.
	AsyncCommit bool
	// NoScans leaves a table to be read whole only where no index serves. For a queue, which was empty when it was last
	// analyzed or full, and is the other now.
	NoScans bool
	// Keyed is for a pool whose statements all find their rows by keys, one or a list of them: one plan serves lists of any
	// length, and only indexes and nested loops are considered.
	Keyed bool
}

// Connect opens a pool. It fails when the URL is malformed; the server need not be up yet.
func Connect(ctx context.Context, url string, o Options) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		// The parse error repeats the URL, and with it the password.
		return nil, fault.New(fault.Internal, "the database URL is malformed")
	}
	cfg.MaxConns = or(o.MaxConns, 16)
	cfg.MinIdleConns = min(2, cfg.MaxConns)
	cfg.MaxConnIdleTime = 5 * time.Minute
	cfg.ConnConfig.ConnectTimeout = 3 * time.Second
	params := cfg.ConnConfig.RuntimeParams
	params["application_name"] = "eggapi"
	setDefault(params, "statement_timeout", millis(or(o.StatementTimeout, 5*time.Second)))
	setDefault(params, "lock_timeout", millis(or(o.LockTimeout, 2*time.Second)))
	setDefault(params, "idle_in_transaction_session_timeout", millis(10*time.Second))
	if o.AsyncCommit {
		params["synchronous_commit"] = "off"
	}
	if o.NoScans || o.Keyed {
		params["enable_seqscan"] = "off"
	}
	if o.Keyed {
		params["plan_cache_mode"], params["enable_hashjoin"], params["enable_mergejoin"] = "force_generic_plan", "off", "off"
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	return pool, fault.Wrap(err, "open the database pool")
}

// Tx is a transaction; other rooms name it without importing the driver.
type Tx = pgx.Tx

// Beginner starts transactions: a pool, or a transaction that gives a savepoint.
type Beginner interface {
	Begin(ctx context.Context) (Tx, error)
}

// InTx runs f in a transaction: committed when f gives nil, else rolled back.
// An error of the commit itself may hide a commit that took place.
func InTx(ctx context.Context, b Beginner, f func(tx Tx) error) error {
	tx, err := b.Begin(ctx)
	if err != nil {
		return fault.Wrap(err, "begin a transaction")
	}
	// A no-op after Commit. The context may be over while the connection still must be reset.
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := f(tx); err != nil {
		return err
	}
	return fault.Wrap(tx.Commit(ctx), "commit a transaction")
}

// InSnapshot runs f in a read-only transaction that sees the database as it is at one moment.
func InSnapshot(ctx context.Context, pool *pgxpool.Pool, f func(tx Tx) error) error {
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return fault.Wrap(err, "begin a snapshot")
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	return f(tx)
}

// Replanned gives an executor whose statements are planned anew for the arguments of each call.
// It is for queries with optional filters, whose best plan depends on which filters are given.
func Replanned(d db.DBTX) db.DBTX { return replanned{d} }

type replanned struct{ db.DBTX }

func (r replanned) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return r.DBTX.Exec(ctx, sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
}

func (r replanned) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return r.DBTX.Query(ctx, sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
}

func (r replanned) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return r.DBTX.QueryRow(ctx, sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
}
