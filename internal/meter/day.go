package meter

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/coalesce"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

const (
	askTimeout  = 2 * time.Second
	returnEvery = 5 * time.Second
	// A key whose day has nothing left may be given something back by another node.
	askAgainAfter = 5 * time.Second
	// So many shares are given back at once; requests of their keys wait for that.
	maxReturned = 500
)

// Days holds keys to their requests per day. A node takes a share of what a key's day has left from the database, and gives
// it out by itself: a twentieth of the rest, so that near the end each request is asked for. What it does not give out within
// five seconds it gives back. Never more than the limit is given out, by however many nodes; a node that is killed
// takes its shares with it.
type Days struct {
	pool      *pgxpool.Pool
	clock     func() time.Time
	logger    *slog.Logger
	takes     *coalesce.Group[take, portion]
	returning sync.Mutex // held by whoever locks more than one share

	mu     sync.Mutex
	shares map[string]*share
}

// take asks for a share of a key's day.
type take struct {
	keyID string
	at    time.Time
}

// portion is what was taken. found is false for a key without such a limit.
type portion struct {
	db.MeterRequestsTakeSetAnyOwnerRow
	found bool
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
	d := &Days{pool: pool, clock: clock, logger: logger, shares: map[string]*share{}}
	d.takes = coalesce.New(coalesce.Config[take, portion]{
		Run: d.takeSet, Apart: pg.RolledBack, Slots: 2, MaxSet: 256, MaxWaiting: 4096, Timeout: askTimeout,
	})
	return d
}

// Take counts one request of a key that has so many a day of a time zone. It fails with QUOTA_EXCEEDED when the day has none
// left, and SERVICE_UNAVAILABLE when the database cannot be asked: after 2 s, twice that when its turn came late.
func (d *Days) Take(ctx context.Context, keyID string, limit int64, timeZone string) error {
	s := d.lockShare(keyID)
	defer s.mu.Unlock()
	now := d.clock()
	s.usedAt = now
	if s.limit != limit || s.timeZone != timeZone || !now.Before(s.end) {
		d.giveBack(ctx, map[string]*share{keyID: s})
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
	took, err := d.takes.Do(ctx, take{keyID, now})
	if err != nil {
		return pg.Public(fault.Wrap(err, "count requests of an API key"))
	}
	if !took.found { // the limit was taken away a moment ago
		s.left, s.end = 1, now
		return nil
	}
	s.left, s.start, s.end, s.emptyAt = took.Taken, took.DayStart, took.DayEnd, time.Time{}
	if took.Taken == 0 {
		s.emptyAt = now
	}
	return nil
}

// takeSet takes shares for all who ask at the same time. A key's share is locked by who asks, so that no key comes twice.
func (d *Days) takeSet(ctx context.Context, set []take) ([]coalesce.Reply[portion], error) {
	var asked db.MeterRequestsTakeSetAnyOwnerParams
	for _, t := range set {
		asked.APIKeyIDs = append(asked.APIKeyIDs, t.keyID)
		asked.Ats = append(asked.Ats, t.at)
	}
	rows, err := pg.Q.MeterRequestsTakeSetAnyOwner(ctx, d.pool, asked)
	if err != nil {
		return nil, err
	}
	took := make(map[string]portion, len(rows))
	for _, row := range rows {
		took[row.APIKeyID] = portion{row, true}
	}
	replies := make([]coalesce.Reply[portion], len(set))
	for i, t := range set {
		replies[i].Answer = took[t.keyID]
	}
	return replies, nil
}

// giveBack gives back what is left of some shares, which the caller has locked. What cannot be given back is lost to the
// keys for the day.
func (d *Days) giveBack(ctx context.Context, shares map[string]*share) {
	var back db.MeterRequestsReturnSetAnyOwnerParams
	for keyID, s := range shares {
		if s.left == 0 {
			continue
		}
		back.APIKeyIDs = append(back.APIKeyIDs, keyID)
		back.DayStarts = append(back.DayStarts, s.start)
		back.NumsRequests = append(back.NumsRequests, s.left)
		s.left = 0
	}
	if len(back.APIKeyIDs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	if err := pg.Q.MeterRequestsReturnSetAnyOwner(ctx, d.pool, back); err != nil {
		d.logger.WarnContext(ctx, "requests of API keys could not be given back", "api_key_ids", back.APIKeyIDs, "requests", back.NumsRequests, "error", err)
	}
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
	d.returning.Lock()
	defer d.returning.Unlock()
	d.mu.Lock()
	all := slices.Collect(maps.Keys(d.shares))
	d.mu.Unlock()
	for keyIDs := range slices.Chunk(all, maxReturned) {
		d.returnIdle(ctx, keyIDs, unused)
	}
}

// returnIdle holds the shares until they are given back, so that who asks for one meanwhile finds it in the database.
func (d *Days) returnIdle(ctx context.Context, keyIDs []string, unused time.Duration) {
	idle := map[string]*share{}
	for _, keyID := range keyIDs {
		s := d.lockShare(keyID)
		if d.clock().Sub(s.usedAt) < unused {
			s.mu.Unlock()
			continue
		}
		idle[keyID] = s
	}
	d.giveBack(ctx, idle)
	d.mu.Lock()
	defer d.mu.Unlock()
	for keyID, s := range idle {
		s.gone = true
		delete(d.shares, keyID)
		s.mu.Unlock()
	}
}
