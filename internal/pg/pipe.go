package pg

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/internal/fault"
)

// Pipe is a transaction whose statements travel together. The generated batch queries (:batchmany, :batchexec), given a
// Pipe in place of a connection, are only noted; Send sends all that was noted in one round trip. Results are read after
// that, in the order in which the queries were noted. What is noted last travels with the commit.
// See "Pipelining" in PostgreSQL's description of its message flow.
type Pipe struct {
	conn    *pgxpool.Conn
	noted   *pgx.Batch
	sent    *pgx.Batch
	results pgx.BatchResults // of what was sent; nil once all are read
	read    int              // how many of them are
}

// InPipe runs f in a transaction that is committed when f gives nil, else rolled back. Like InTx, an error of the commit
// itself may hide a commit that took place; RolledBack tells.
func InPipe(ctx context.Context, pool *pgxpool.Pool, f func(p *Pipe) error) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fault.Wrap(err, "begin a transaction")
	}
	defer conn.Release()
	p := &Pipe{conn: conn, noted: &pgx.Batch{}}
	p.Note("begin")
	err = f(p)
	if err == nil {
		p.Note("commit")
		err = fault.Wrap(errors.Join(p.Send(ctx), p.finish()), "commit a transaction")
	}
	if err != nil {
		p.rollback(ctx)
	}
	return err
}

// Note notes a statement that has neither parameters nor a result, such as `set local`.
func (p *Pipe) Note(sql string) { p.noted.Queue(sql) }

// Send sends what was noted. It fails when a statement sent before did.
func (p *Pipe) Send(ctx context.Context) error {
	if err := p.finish(); err != nil {
		return err
	}
	p.sent, p.noted, p.read = p.noted, &pgx.Batch{}, 0
	p.results = p.conn.SendBatch(ctx, p.sent)
	return nil
}

// finish reads what nobody has read, and gives the first error there was.
func (p *Pipe) finish() error {
	if p.results == nil {
		return nil
	}
	err := p.results.Close()
	p.results = nil
	return err
}

func (p *Pipe) rollback(ctx context.Context) {
	_ = p.finish()
	if p.conn.Conn().PgConn().TxStatus() != 'I' {
		// The context may be over while the connection still must be reset; when that fails the pool drops it.
		_, _ = p.conn.Exec(context.WithoutCancel(ctx), "rollback")
	}
}

// SendBatch notes the statements of a generated batch query. What it gives is read once they were sent.
func (p *Pipe) SendBatch(_ context.Context, b *pgx.Batch) pgx.BatchResults {
	r := &reader{pipe: p, batch: p.noted, at: p.noted.Len()}
	p.noted.QueuedQueries = append(p.noted.QueuedQueries, b.QueuedQueries...)
	return r
}

// Rows gives the rows of a batch query that was noted once, as in Rows(q.Query).
func Rows[T any](query func(func(int, []T, error))) (rows []T, err error) {
	query(func(_ int, r []T, e error) { rows, err = r, e })
	return rows, err
}

// reader reads the results of noted queries.
type reader struct {
	pipe  *Pipe
	batch *pgx.Batch // they were noted in
	at    int        // where the next of them stands there
}

// next passes over the results of statements before, whose readers do not want them.
func (r *reader) next() (pgx.BatchResults, error) {
	p := r.pipe
	if p.results == nil || p.sent != r.batch || p.read > r.at {
		return nil, errors.New("a noted query is read before it is sent, twice, or after one that was noted later")
	}
	for ; p.read < r.at; p.read++ {
		if _, err := p.results.Exec(); err != nil {
			return nil, err
		}
	}
	p.read++
	r.at++
	return p.results, nil
}

func (r *reader) Exec() (pgconn.CommandTag, error) {
	results, err := r.next()
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	return results.Exec()
}

func (r *reader) Query() (pgx.Rows, error) {
	results, err := r.next()
	if err != nil {
		return nil, err
	}
	return results.Query()
}

func (r *reader) QueryRow() pgx.Row {
	results, err := r.next()
	if err != nil {
		return failedRow{err}
	}
	return results.QueryRow()
}

// Close leaves the results to the Pipe, whose other queries have theirs behind these.
func (r *reader) Close() error { return nil }

// Tx is none of a batch's own: the Pipe is the transaction.
func (r *reader) Tx() pgx.Tx { return nil }

type failedRow struct{ err error }

func (f failedRow) Scan(...any) error { return f.err }

var errPipe = errors.New("only batch queries go through a pipe")

// Exec fails: it is there because a generated batch query asks for all that a connection can do.
func (p *Pipe) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	return pgconn.CommandTag{}, errPipe
}

// Query fails; see Exec.
func (p *Pipe) Query(context.Context, string, ...any) (pgx.Rows, error) { return nil, errPipe }

// QueryRow fails; see Exec.
func (p *Pipe) QueryRow(context.Context, string, ...any) pgx.Row { return failedRow{errPipe} }
