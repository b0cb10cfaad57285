package meter

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

const (
	askTimeout  = 2 * time.Second
	returnEvery = 5 * time.Second
	// A key whose day has nothing left may be given something back by another node.
	askAgainAfter = 5 * time.Second
)

// Days holds keys to their requests per day. A node takes a share of what a key's day has left from the database, and gives
// it out by itself: a twentieth of the rest, so that near the end each request is asked for. What it does not give out within
// five seconds it gives back. Never more than the limit is given out, by however many nodes; a node that is killed
// takes its shares with it.
type Days struct {
	pool   *pgxpool.Pool
	clock  func() time.Time
	logger *slog.Logger

	mu     sync.Mutex
	shares map[string]*share
}

// share is what a node has of one key's day.
type share struct {
	mu       sync.Mutex
	limit    int64
	timeZone string
	start    time.Time // of the day
	end      time.Time
	left     int64
	usedAt   time.Time
	emptyAt  time.Time // when the day was seen to have nothing left
	gone     bool      // forgotten: nobody would give back what is taken now
}

// NewDays makes Days without any share.
func NewDays(pool *pgxpool.Pool, clock func() time.Time, logger *slog.Logger) *Days {
	return &Days{pool: pool, clock: clock, logger: logger, shares: map[string]*share{}}
}

// Take counts one request of a key that has so many a day of a time zone. It fails with QUOTA_EXCEEDED when the day has none
// left, and SERVICE_UNAVAILABLE when the database cannot be asked within 2 s.
func (d *Days) Take(ctx context.Context, keyID string, limit int64, timeZone string) error {
	s := d.lockShare(keyID)
	defer s.mu.Unlock()
	now := d.clock()
	s.usedAt = now
	if s.limit != limit || s.timeZone != timeZone || !now.Before(s.end) {
		d.giveBack(ctx, keyID, s)
		s.limit, s.timeZone, s.end, s.emptyAt = limit, timeZone, time.Time{}, time.Time{}
	}
	if s.left == 0 && (s.emptyAt.IsZero() || now.Sub(s.emptyAt) >= askAgainAfter) {
		if err := d.refill(ctx, keyID, s, now); err != nil {
			return err
		}
	}
	if s.left == 0 {
		end := s.end
		quota := fault.Quota{Name: quotaRequestsPerDay, Limit: strconv.FormatInt(limit, 10), Remaining: "0", ResetsAt: &end}
		return errUsedUp.WithQuota(quota).After(max(time.Second, end.Sub(now)))
	}
	s.left--
	return nil
}

func (d *Days) lockShare(keyID string) *share {
	for {
		d.mu.Lock()
		s := d.shares[keyID]
		if s == nil {
			s = &share{}
			d.shares[keyID] = s
		}
		d.mu.Unlock()
		s.mu.Lock()
		if !s.gone {
			return s
		}
		s.mu.Unlock()
	}
}

// refill takes another share. What it takes stays when the caller goes away.
func (d *Days) refill(ctx context.Context, keyID string, s *share, now time.Time) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	row, err := pg.Q.MeterRequestsTakeAnyOwner(ctx, d.pool, db.MeterRequestsTakeAnyOwnerParams{APIKeyID: keyID, At: now})
	if pg.NoRows(err) { // the limit was taken away a moment ago
		s.left, s.end = 1, now
		return nil
	}
	if err != nil {
		return pg.Public(fault.Wrap(err, "count requests of an API key"))
	}
	s.left, s.start, s.end, s.emptyAt = row.Taken, row.DayStart, row.DayEnd, time.Time{}
	if row.Taken == 0 {
		s.emptyAt = now
	}
	return nil
}

// giveBack gives back what is left of a share. What cannot be given back is lost to the key for the day.
func (d *Days) giveBack(ctx context.Context, keyID string, s *share) {
	if s.left == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	err := pg.Q.MeterRequestsReturnAnyOwner(ctx, d.pool, db.MeterRequestsReturnAnyOwnerParams{APIKeyID: keyID, DayStart: s.start, Requests: s.left})
	if err != nil {
		d.logger.WarnContext(ctx, "requests of an API key could not be given back", "api_key_id", keyID, "requests", s.left, "error", err)
	}
	s.left = 0
}

// Run gives back what is not used, until the context ends, and then all.
func (d *Days) Run(ctx context.Context) {
	tick := time.NewTicker(returnEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			d.Return(ctx, 0)
			return
		case <-tick.C:
			d.Return(ctx, returnEvery)
		}
	}
}

// Return gives back the shares that were not used for so long, and forgets the days that they were of.
func (d *Days) Return(ctx context.Context, unused time.Duration) {
	d.mu.Lock()
	idle := map[string]*share{}
	for keyID, s := range d.shares {
		idle[keyID] = s
	}
	d.mu.Unlock()
	for keyID, s := range idle {
		s.mu.Lock()
		if d.clock().Sub(s.usedAt) >= unused {
			d.giveBack(ctx, keyID, s)
			s.gone = true
			d.mu.Lock()
			delete(d.shares, keyID)
			d.mu.Unlock()
		}
		s.mu.Unlock()
	}
}
