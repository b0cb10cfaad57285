package pg

import (
	"context"
	_ "embed"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/internal/fault"
)

// queueTuning is run after River's own migrations, each time: River alone owns the table, and may set it up anew.
//
//go:embed queue.sql
var queueTuning string

func tuneQueue(ctx context.Context, pool *pgxpool.Pool) error {
	return InTx(ctx, pool, func(tx Tx) error {
		_, err := tx.Exec(ctx, queueTuning)
		return fault.Wrap(err, "tune the queue")
	})
}
