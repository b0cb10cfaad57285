package pg_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/internal/dbtest"
	"github.com/eggapi/eggapi/internal/pg"
)

var errPlanted = errors.New("planted")

// noted gives a query as a generated batch query would note it.
func noted(ctx context.Context, p *pg.Pipe, sql string, args ...any) pgx.BatchResults {
	b := &pgx.Batch{}
	b.Queue(sql, args...)
	return p.SendBatch(ctx, b)
}

func number(b pgx.BatchResults) (n int, err error) {
	err = b.QueryRow().Scan(&n)
	return n, err
}

func pipePool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := dbtest.New(t)
	if _, err := pool.Exec(t.Context(), "create table marks (n int primary key)"); err != nil {
		t.Fatalf("make a table: %v", err)
	}
	return pool
}

func marks(t *testing.T, pool *pgxpool.Pool) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "select count(*) from marks").Scan(&n); err != nil {
		t.Fatalf("count: %v", err)
	}
	return n
}

// allIdle fails the test when a connection of the pool is in use, or was left inside a transaction.
func allIdle(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	waitFor(t, func() bool { return pool.Stat().AcquiredConns() == 0 })
	for _, c := range pool.AcquireAllIdle(t.Context()) {
		if status := c.Conn().PgConn().TxStatus(); status != 'I' {
			t.Errorf("a connection went back to the pool in the state %c", status)
		}
		c.Release()
	}
}

// turns counts how often the client waited for the server after it had spoken.
type turns struct {
	net.Conn
	spoke, n *atomic.Int32
}

func (c turns) Write(b []byte) (int, error) {
	c.spoke.Store(1)
	return c.Conn.Write(b)
}

func (c turns) Read(b []byte) (int, error) {
	read, err := c.Conn.Read(b)
	if read > 0 {
		c.n.Add(c.spoke.Swap(0))
	}
	return read, err
}

func TestPipe_BeginAndCommitTravelAlong(t *testing.T) {
	t.Parallel()
	cfg, err := pgxpool.ParseConfig(dbtest.NewURL(t))
	if err != nil {
		t.Fatalf("read the address: %v", err)
	}
	var spoke, n atomic.Int32
	cfg.MaxConns = 1
	cfg.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return turns{c, &spoke, &n}, err
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open a pool: %v", err)
	}
	t.Cleanup(pool.Close)
	for want, act := range map[int32]func(p *pg.Pipe) error{
		1: func(p *pg.Pipe) error {
			noted(t.Context(), p, "select 1")
			return nil
		},
		2: func(p *pg.Pipe) error {
			a, b := noted(t.Context(), p, "select 1"), noted(t.Context(), p, "select 2")
			if err := p.Send(t.Context()); err != nil {
				return err
			}
			_, errA := number(a)
			_, errB := number(b)
			noted(t.Context(), p, "select 3")
			return errors.Join(errA, errB)
		},
	} {
		for round := range 2 { // in the first, the statements are prepared
			n.Store(0)
			if err := pg.InPipe(t.Context(), pool, act); err != nil {
				t.Fatalf("in a pipe: %v", err)
			}
			if got := n.Load(); round == 1 && got != want {
				t.Errorf("%d round trips, want %d", got, want)
			}
		}
	}
}

func TestPipe_ResultsAreEachReadersOwnWhateverIsLeftUnread(t *testing.T) {
	t.Parallel()
	pool := pipePool(t)
	ctx := t.Context()
	err := pg.InPipe(ctx, pool, func(p *pg.Pipe) error {
		p.Note("set local work_mem to '3MB'")
		first := noted(ctx, p, "select 1")
		noted(ctx, p, "insert into marks values (7)") // nobody reads what it gives
		p.Note("set local work_mem to '4MB'")
		second := noted(ctx, p, "select n from marks")
		noted(ctx, p, "select 99")
		third := noted(ctx, p, "select 3")
		if err := p.Send(ctx); err != nil {
			return err
		}
		if n, err := number(first); err != nil || n != 1 {
			t.Errorf("in front: %d and %v, want 1", n, err)
		}
		if n, err := number(second); err != nil || n != 7 {
			t.Errorf("behind an unread insert: %d and %v, want 7", n, err)
		}
		if n, err := number(third); err != nil || n != 3 {
			t.Errorf("behind an unread query: %d and %v, want 3", n, err)
		}
		fourth := noted(ctx, p, "select 4")
		if err := p.Send(ctx); err != nil {
			return err
		}
		if n, err := number(fourth); err != nil || n != 4 {
			t.Errorf("in the second batch: %d and %v, want 4", n, err)
		}
		return nil
	})
	if err != nil || marks(t, pool) != 1 {
		t.Errorf("in a pipe: %v; %d rows", err, marks(t, pool))
	}
	allIdle(t, pool)
}

func TestPipe_ErrorAnywhereRollsEverythingBackAndKeepsTheConnection(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for name, act := range map[string]func(p *pg.Pipe) error{
		"in the middle, read": func(p *pg.Pipe) error {
			noted(ctx, p, "insert into marks values (1)")
			bad := noted(ctx, p, "select 1 / 0")
			noted(ctx, p, "insert into marks values (2)")
			if err := p.Send(ctx); err != nil {
				return err
			}
			_, err := number(bad)
			return err
		},
		"in the middle, unread": func(p *pg.Pipe) error {
			noted(ctx, p, "insert into marks values (1)")
			noted(ctx, p, "select 1 / 0")
			return p.Send(ctx)
		},
		"in the middle, overlooked": func(p *pg.Pipe) error {
			noted(ctx, p, "insert into marks values (1)")
			bad := noted(ctx, p, "select 1 / 0")
			if err := p.Send(ctx); err != nil {
				return err
			}
			_, _ = number(bad)
			noted(ctx, p, "insert into marks values (2)")
			return nil
		},
		"along with the commit": func(p *pg.Pipe) error {
			noted(ctx, p, "insert into marks values (1)")
			if err := p.Send(ctx); err != nil {
				return err
			}
			noted(ctx, p, "insert into marks values (2)")
			noted(ctx, p, "insert into marks values (1)")
			return nil
		},
		"no such table": func(p *pg.Pipe) error {
			noted(ctx, p, "insert into marks values (1)")
			if err := p.Send(ctx); err != nil {
				return err
			}
			noted(ctx, p, "insert into no_such_table values (2)")
			return nil
		},
	} {
		pool := pipePool(t)
		if err := pg.InPipe(ctx, pool, act); !pg.RolledBack(err) {
			t.Errorf("%s: %v is not taken for a rollback", name, err)
		}
		if n := marks(t, pool); n != 0 {
			t.Errorf("%s: %d rows were left", name, n)
		}
		if total := pool.Stat().NewConnsCount(); total > 3 {
			t.Errorf("%s: %d connections were opened, so some were thrown away", name, total)
		}
		allIdle(t, pool)
	}
}

func TestPipe_OwnErrorRollsBack(t *testing.T) {
	t.Parallel()
	pool := pipePool(t)
	for _, sent := range []bool{false, true} {
		err := pg.InPipe(t.Context(), pool, func(p *pg.Pipe) error {
			noted(t.Context(), p, "insert into marks values (1)")
			if sent {
				return errors.Join(p.Send(t.Context()), errPlanted)
			}
			return errPlanted
		})
		if !errors.Is(err, errPlanted) || pg.RolledBack(err) || marks(t, pool) != 0 {
			t.Errorf("sent %v: gave %v, %d rows were left", sent, err, marks(t, pool))
		}
	}
	allIdle(t, pool)
}

func TestPipe_BrokenConstraintAtTheCommitIsReportedAsARollback(t *testing.T) {
	t.Parallel()
	pool := pipePool(t)
	err := pg.InPipe(t.Context(), pool, func(p *pg.Pipe) error {
		noted(t.Context(), p, "insert into marks values (1)")
		noted(t.Context(), p, `insert into ledger_entries (transaction_id, ledger_account, kind, amount_micros, reference)
			values ('txn_1', 'funding', 'top_up', 5, 'one-sided')`)
		return p.Send(t.Context())
	})
	if !pg.RolledBack(err) || !strings.Contains(err.Error(), "does not sum to zero") || marks(t, pool) != 0 {
		t.Errorf("gave %v, %d rows were left", err, marks(t, pool))
	}
	allIdle(t, pool)
}

func TestPipe_SessionLostBeforeTheCommitIsNotCalledARollback(t *testing.T) {
	t.Parallel()
	pool := pipePool(t)
	err := pg.InPipe(t.Context(), pool, func(p *pg.Pipe) error {
		noted(t.Context(), p, "insert into marks values (1)")
		pid := noted(t.Context(), p, "select pg_backend_pid()")
		if err := p.Send(t.Context()); err != nil {
			return err
		}
		backend, err := number(pid)
		if err != nil {
			return err
		}
		if _, err := pool.Exec(t.Context(), "select pg_terminate_backend($1, 5000)", backend); err != nil {
			t.Fatalf("terminate: %v", err)
		}
		return nil
	})
	if err == nil || pg.RolledBack(err) {
		t.Errorf("gave %v, taken for a rollback: %v", err, pg.RolledBack(err))
	}
	if n := marks(t, pool); n != 0 {
		t.Errorf("%d rows were left", n)
	}
	allIdle(t, pool)
}

func TestPipe_ReadingUnsentTwiceOrLateFailsAndDoesNotHang(t *testing.T) {
	t.Parallel()
	pool := pipePool(t)
	ctx := t.Context()
	err := pg.InPipe(ctx, pool, func(p *pg.Pipe) error {
		first, second := noted(ctx, p, "select 1"), noted(ctx, p, "select 2")
		refused := func(what string, b pgx.BatchResults) {
			t.Helper()
			if n, err := number(b); err == nil {
				t.Errorf("%s gave %d", what, n)
			}
			if _, err := b.Exec(); err == nil {
				t.Errorf("%s worked", what)
			}
			if rows, err := b.Query(); err == nil {
				t.Errorf("%s gave rows, %v", what, rows.Err())
			}
		}
		refused("an unsent query", first)
		if err := p.Send(ctx); err != nil {
			return err
		}
		if n, err := number(second); err != nil || n != 2 {
			t.Errorf("read %d and %v", n, err)
		}
		refused("a query read twice", second)
		refused("a query passed over", first)
		unsent := noted(ctx, p, "select 3")
		refused("a query noted after the last send", unsent)
		return nil
	})
	if err != nil {
		t.Errorf("in a pipe: %v", err)
	}
	allIdle(t, pool)
}

func TestPipe_PanicLeavesNoTransactionOpen(t *testing.T) {
	t.Parallel()
	pool := pipePool(t)
	for _, unread := range []bool{true, false} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = pg.InPipe(t.Context(), pool, func(p *pg.Pipe) error {
				b := noted(t.Context(), p, "insert into marks values (1) returning n")
				if err := p.Send(t.Context()); err != nil {
					return err
				}
				if !unread {
					if _, err := number(b); err != nil {
						t.Errorf("insert: %v", err)
					}
				}
				panic("planted")
			})
		}()
		allIdle(t, pool)
	}
	if n := marks(t, pool); n != 0 {
		t.Errorf("%d rows were left", n)
	}
	waitFor(t, func() bool {
		var open int
		err := pool.QueryRow(t.Context(), "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in%'").Scan(&open)
		return err == nil && open == 0
	})
}

func TestPipe_EndedContextRollsBack(t *testing.T) {
	t.Parallel()
	pool := pipePool(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := pg.InPipe(ctx, pool, func(p *pg.Pipe) error {
		b := noted(ctx, p, "insert into marks values (1) returning n")
		if err := p.Send(ctx); err != nil {
			return err
		}
		_, err := number(b)
		cancel()
		return err
	})
	if !errors.Is(err, context.Canceled) || pg.RolledBack(err) || marks(t, pool) != 0 {
		t.Errorf("gave %v, %d rows were left", err, marks(t, pool))
	}
	allIdle(t, pool)
}

func TestPipe_TakesNothingButBatches(t *testing.T) {
	t.Parallel()
	pool := pipePool(t)
	if err := pg.InPipe(t.Context(), pool, func(p *pg.Pipe) error {
		_, errExec := p.Exec(t.Context(), "select 1")
		_, errQuery := p.Query(t.Context(), "select 1") //nolint:sqlclosecheck // there are no rows
		errRow := p.QueryRow(t.Context(), "select 1").Scan()
		if errExec == nil || errQuery == nil || errRow == nil {
			t.Errorf("outside of batches: %v, %v, %v", errExec, errQuery, errRow)
		}
		return nil
	}); err != nil {
		t.Errorf("an empty pipe: %v", err)
	}
}
