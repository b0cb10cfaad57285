package auth

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

const (
	usesEvery   = 10 * time.Second
	usesTimeout = 10 * time.Second
	// As many rows as one statement writes.
	usesPerSet = 1000
)

// uses remembers how often secrets were used and when last, and writes it down behind the requests.
type uses struct {
	pool   *pgxpool.Pool
	logger *slog.Logger

	mu       sync.Mutex
	bySecret map[[32]byte]use
	writing  sync.Mutex
}

type use struct {
	requests int64
	lastAt   time.Time
}

func newUses(pool *pgxpool.Pool, logger *slog.Logger) *uses {
	return &uses{pool: pool, logger: logger, bySecret: map[[32]byte]use{}}
}

// note counts one request.
func (u *uses) note(digest [32]byte, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.add(digest, use{requests: 1, lastAt: at})
}

func (u *uses) add(digest [32]byte, more use) {
	sum := u.bySecret[digest]
	sum.requests += more.requests
	if more.lastAt.After(sum.lastAt) {
		sum.lastAt = more.lastAt
	}
	u.bySecret[digest] = sum
}

// run writes every ten seconds until the context ends, and then what is left.
func (u *uses) run(ctx context.Context) {
	tick := time.NewTicker(usesEvery)
	defer tick.Stop()
	for {
		over := false
		select {
		case <-ctx.Done():
			over = true
		case <-tick.C:
		}
		if err := u.write(ctx); err != nil {
			u.logger.WarnContext(ctx, "the use of API keys could not be written down; it is tried again", "error", err)
		}
		if over {
			return
		}
	}
}

// write stores what was noted since it was called last. What it cannot store is kept for the next time.
func (u *uses) write(ctx context.Context) error {
	u.writing.Lock()
	defer u.writing.Unlock()
	u.mu.Lock()
	noted := u.bySecret
	u.bySecret = map[[32]byte]use{}
	u.mu.Unlock()
	if len(noted) == 0 {
		return nil
	}
	// In one order whoever writes, so that two nodes seldom wait for each other.
	digests := slices.SortedFunc(maps.Keys(noted), func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
	var failures []error
	for set := range slices.Chunk(digests, usesPerSet) {
		err := u.writeSet(ctx, set, noted)
		failures = append(failures, fault.Wrap(err, "write down the use of API keys"))
		// Where the commit may have taken place, nothing is tried again: counted once too few is better than twice.
		if err != nil && (pg.RolledBack(err) || pg.NothingSent(err)) {
			u.keep(set, noted)
		}
	}
	return errors.Join(failures...)
}

func (u *uses) writeSet(ctx context.Context, set [][32]byte, noted map[[32]byte]use) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), usesTimeout)
	defer cancel()
	var rows db.APIKeyUseAddSetAnyOwnerParams
	for _, digest := range set {
		rows.Digests = append(rows.Digests, digest[:])
		rows.Requests = append(rows.Requests, noted[digest].requests)
		rows.LastUsedAts = append(rows.LastUsedAts, noted[digest].lastAt)
	}
	return pg.Q.APIKeyUseAddSetAnyOwner(ctx, u.pool, rows)
}

func (u *uses) keep(set [][32]byte, noted map[[32]byte]use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, digest := range set {
		u.add(digest, noted[digest])
	}
}
