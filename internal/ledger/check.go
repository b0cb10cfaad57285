package ledger

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

// Violation is one thing that does not add up.
type Violation struct {
	Invariant    string
	Subject      string // a transaction, a user or a task
	AmountMicros int64  // by how much, or what was found instead
}

// Check proves the books: every transaction sums to zero, every cached balance and held amount is the
// sum of its rows, every ended task has exactly one resolution of its hold, charges, usage and
// delivered images agree, and no meter of a key counts too little. It gives at most 100 violations of each kind, all from one snapshot.
func Check(ctx context.Context, pool *pgxpool.Pool) ([]Violation, error) {
	var found []Violation
	err := pg.InSnapshot(ctx, pool, func(tx pg.Tx) error {
		for _, i := range invariants {
			rows, err := i.query(ctx, tx)
			if err != nil {
				return fault.Wrap(err, "check that "+i.name)
			}
			for _, r := range rows {
				found = append(found, Violation{Invariant: i.name, Subject: r.subject, AmountMicros: r.amountMicros})
			}
		}
		return nil
	})
	return found, err
}

type row struct {
	subject      string
	amountMicros int64
}

type invariant struct {
	name  string
	query func(ctx context.Context, tx db.DBTX) ([]row, error)
}

var invariants = []invariant{
	{"each transaction sums to zero", func(ctx context.Context, tx db.DBTX) ([]row, error) {
		return rowsOf(pg.Q.LedgerCheckTransactionsAnyOwner(ctx, tx))
	}},
	{"each balance is the sum of its entries", func(ctx context.Context, tx db.DBTX) ([]row, error) {
		return rowsOf(pg.Q.LedgerCheckBalancesAnyOwner(ctx, tx))
	}},
	{"each held amount is the sum of its open holds", func(ctx context.Context, tx db.DBTX) ([]row, error) {
		return rowsOf(pg.Q.LedgerCheckHeldAnyOwner(ctx, tx))
	}},
	{"each ended task has its hold resolved for its cost", func(ctx context.Context, tx db.DBTX) ([]row, error) {
		return rowsOf(pg.Q.LedgerCheckEndedAnyOwner(ctx, tx))
	}},
	{"each task is charged what it cost", func(ctx context.Context, tx db.DBTX) ([]row, error) {
		return rowsOf(pg.Q.LedgerCheckChargesAnyOwner(ctx, tx))
	}},
	{"each completed task has one usage record of its cost", func(ctx context.Context, tx db.DBTX) ([]row, error) {
		return rowsOf(pg.Q.LedgerCheckUsageAnyOwner(ctx, tx))
	}},
	{"each usage record counts the delivered images", func(ctx context.Context, tx db.DBTX) ([]row, error) {
		return rowsOf(pg.Q.LedgerCheckOutputsAnyOwner(ctx, tx))
	}},
	{"each meter of an API key counts its tasks under way", func(ctx context.Context, tx db.DBTX) ([]row, error) {
		return rowsOf(pg.Q.LedgerCheckRunningAnyOwner(ctx, tx))
	}},
	{"each meter of an API key counts what its window holds and cost", func(ctx context.Context, tx db.DBTX) ([]row, error) {
		return rowsOf(pg.Q.LedgerCheckSpentAnyOwner(ctx, tx))
	}},
}

// checkRow is the shape all the checking queries share.
type checkRow interface {
	~struct {
		Subject      string
		AmountMicros int64
	}
}

func rowsOf[R checkRow](found []R, err error) ([]row, error) {
	rows := make([]row, 0, len(found))
	for _, f := range found {
		plain := struct {
			Subject      string
			AmountMicros int64
		}(f)
		rows = append(rows, row{subject: plain.Subject, amountMicros: plain.AmountMicros})
	}
	return rows, err
}
