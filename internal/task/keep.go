package task

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

const (
	keepEvery = 5 * time.Second
	// A round ends after this long, done or not: what is left waits for the next.
	keepFor  = 2 * time.Second
	keepRows = 2000
	// Better Auth removes what has run out only when it is asked for.
	keepExpiredDays = 7
)

// Keeper keeps the tables small and their totals quick: it forgets what has run out, and sets marks. Any number of
// processes may have one.
type Keeper struct {
	pool    db.DBTX
	logger  *slog.Logger
	clock   func() time.Time
	markers []*marker
	after   string // the account up to which users were looked at
}

// NewKeeper gives a keeper that has looked at nobody yet.
func NewKeeper(pool db.DBTX, logger *slog.Logger, clock func() time.Time) *Keeper {
	// Planned anew each time: a plan made for an empty table would be kept while the table fills.
	return &Keeper{pool: pg.Replanned(pool), logger: logger, clock: clock, markers: newMarkers()}
}

// Run keeps house every 5 s until the context ends.
func (k *Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		if err := k.Round(ctx); err != nil && ctx.Err() == nil {
			k.logger.WarnContext(ctx, "keeping house failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Round forgets, then marks the three tables, each for at most 2 s and a statement more.
func (k *Keeper) Round(ctx context.Context) error {
	return errors.Join(k.forget(ctx), k.mark(ctx))
}

func (k *Keeper) forget(ctx context.Context) error {
	end := k.clock().Add(keepFor)
	var failures []error
	for what, forget := range map[string]func() (int64, error){
		"idempotency keys": func() (int64, error) { return pg.Q.IdempotencySweepAnyOwner(ctx, k.pool, keepRows) },
		"sessions": func() (int64, error) {
			return pg.Q.SessionForgetAnyOwner(ctx, k.pool, db.SessionForgetAnyOwnerParams{Days: keepExpiredDays, MaxRows: keepRows})
		},
		"verifications": func() (int64, error) {
			return pg.Q.VerificationForgetAnyOwner(ctx, k.pool, db.VerificationForgetAnyOwnerParams{Days: keepExpiredDays, MaxRows: keepRows})
		},
	} {
		for {
			n, err := forget()
			failures = append(failures, fault.Wrap(err, "forget "+what))
			if err != nil || n < keepRows || k.clock().After(end) {
				break
			}
		}
	}
	return errors.Join(failures...)
}
