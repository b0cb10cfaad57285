package meter_test

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/internal/dbtest"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/meter"
)

// clock is a time that tests own.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) Set(at time.Time) { c.mu.Lock(); defer c.mu.Unlock(); c.now = at }

// limitedKey makes a database with one key that has so many requests a day of a time zone.
func limitedKey(t *testing.T, limit int64, zone string) *pgxpool.Pool {
	t.Helper()
	pool := dbtest.New(t)
	exec(t, pool, `insert into "user" (id, name, email, "emailVerified") values ('usr_1', 'Ada', 'ada@example.com', true)`)
	exec(t, pool, `insert into api_keys (id, user_id, environment, name, digest, hint) values ('key_1', 'usr_1', 'live', 'x', sha256('x'), 'x')`)
	exec(t, pool, `update api_key_meters set requests_per_day = $1, time_zone = $2`, limit, zone)
	return pool
}

func exec(t *testing.T, pool *pgxpool.Pool, statement string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func taken(t *testing.T, pool *pgxpool.Pool) (n int64) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "select sum(day_requests)::bigint from api_key_meters").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func newDays(pool *pgxpool.Pool, c *clock) *meter.Days {
	return meter.NewDays(pool, c.Now, slog.New(slog.DiscardHandler))
}

func TestDays_ThreeNodesTogetherGiveOutTheLimitAndNoMore(t *testing.T) {
	t.Parallel()
	const limit, callers = 500, 12
	pool, c := limitedKey(t, limit, "UTC"), &clock{now: time.Date(2027, 5, 1, 12, 0, 0, 0, time.UTC)}
	nodes := []*meter.Days{newDays(pool, c), newDays(pool, c), newDays(pool, c)}
	var given, refused atomic.Int64
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for range limit {
				switch err := nodes[i%3].Take(t.Context(), "key_1", limit, "UTC"); {
				case err == nil:
					given.Add(1)
				case fault.CodeOf(err) == fault.QuotaExceeded:
					refused.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	// A node may hold a share that nobody asks it for any more; here all ask until all is given out.
	if given.Load() != limit || refused.Load() != callers*limit-limit {
		t.Errorf("%d were given out, %d refused", given.Load(), refused.Load())
	}
	if n := taken(t, pool); n != limit {
		t.Errorf("%d were taken", n)
	}
}

func TestDays_OfManyKeysAreTakenTogetherAndGivenBackToTheLastOne(t *testing.T) {
	t.Parallel()
	const limit, keys = 7, 1200
	pool, c := limitedKey(t, limit, "UTC"), &clock{now: time.Date(2027, 5, 1, 12, 0, 0, 0, time.UTC)}
	exec(t, pool, `insert into api_keys (id, user_id, environment, name, digest, hint)
		select 'key_' || n, 'usr_1', 'live', 'x', sha256(n::text::bytea), 'x' from generate_series(2, $1::int) n`, keys)
	exec(t, pool, `update api_key_meters set requests_per_day = $1`, limit)
	nodes := []*meter.Days{newDays(pool, c), newDays(pool, c)}
	var all sync.WaitGroup
	given := make([]atomic.Int64, keys)
	for i := range 2 * keys {
		all.Go(func() {
			// One node meets the keys in their order, the other in the opposite one.
			n := i % keys
			if i >= keys {
				n = keys - 1 - n
			}
			for range limit {
				err := nodes[i/keys].Take(t.Context(), fmt.Sprintf("key_%d", n+1), limit, "UTC")
				if err == nil {
					given[n].Add(1)
				} else if fault.CodeOf(err) != fault.QuotaExceeded {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for n := range given {
		if given[n].Load() != limit {
			t.Errorf("key_%d: %d were given out", n+1, given[n].Load())
		}
	}

	c.Set(c.Now().Add(24 * time.Hour))
	exec(t, pool, `update api_key_meters set requests_per_day = 200`)
	for n := range keys {
		if err := nodes[0].Take(t.Context(), fmt.Sprintf("key_%d", n+1), 200, "UTC"); err != nil {
			t.Fatal(err)
		}
	}
	nodes[0].Return(t.Context(), 0)
	if n := taken(t, pool); n != keys {
		t.Errorf("%d requests were made, and %d are taken when all is given back", keys, n)
	}
}

func TestDays_WhatANodeDoesNotGiveOutAnotherCan(t *testing.T) {
	t.Parallel()
	const limit = 100
	pool, c := limitedKey(t, limit, "UTC"), &clock{now: time.Date(2027, 5, 1, 12, 0, 0, 0, time.UTC)}
	one, two := newDays(pool, c), newDays(pool, c)
	if err := one.Take(t.Context(), "key_1", limit, "UTC"); err != nil {
		t.Fatal(err)
	}
	if n := taken(t, pool); n != limit/20 {
		t.Errorf("a share of %d was taken", n)
	}
	given := 0
	for two.Take(t.Context(), "key_1", limit, "UTC") == nil {
		given++
	}
	if given != limit-limit/20 {
		t.Errorf("the other node gave out %d", given)
	}
	c.Set(c.Now().Add(4 * time.Second))
	one.Return(t.Context(), 5*time.Second)
	if n := taken(t, pool); n != limit {
		t.Errorf("given back too early: %d are taken", n)
	}
	c.Set(c.Now().Add(time.Second))
	one.Return(t.Context(), 5*time.Second)
	if n := taken(t, pool); n != limit-limit/20+1 {
		t.Errorf("after giving back %d are taken", n)
	}
	for two.Take(t.Context(), "key_1", limit, "UTC") == nil {
		given++
	}
	if given != limit-1 {
		t.Errorf("in the end the other node gave out %d", given)
	}
}

func TestDays_BeginAtMidnightOfTheKeysZone(t *testing.T) {
	t.Parallel()
	for zone, midnight := range map[string]time.Time{
		"UTC":                 time.Date(2027, 3, 28, 0, 0, 0, 0, time.UTC),
		"Pacific/Auckland":    time.Date(2027, 3, 28, 11, 0, 0, 0, time.UTC),
		"America/Los_Angeles": time.Date(2027, 3, 28, 7, 0, 0, 0, time.UTC),
	} {
		pool, c := limitedKey(t, 2, zone), &clock{now: midnight.Add(-time.Millisecond)}
		nodes := []*meter.Days{newDays(pool, c), newDays(pool, c)}
		spend := func() {
			t.Helper()
			for i := range 2 {
				if err := nodes[i].Take(t.Context(), "key_1", 2, zone); err != nil {
					t.Errorf("%s, %s: %v", zone, c.Now(), err)
				}
			}
			for _, n := range nodes {
				err := n.Take(t.Context(), "key_1", 2, zone)
				refusal, _ := fault.As(err)
				if refusal == nil || refusal.Quota == nil || refusal.Quota.Name != "requests_per_day" {
					t.Fatalf("%s, %s: a third: %v", zone, c.Now(), err)
				}
				if wait := refusal.Quota.ResetsAt.Sub(c.Now()); wait <= 0 || wait > 24*time.Hour {
					t.Errorf("%s: begins anew in %s", zone, wait)
				}
			}
		}
		spend()
		c.Set(midnight)
		spend()
	}
}

func TestDays_AChangedLimitCountsAtOnce(t *testing.T) {
	t.Parallel()
	pool, c := limitedKey(t, 1, "UTC"), &clock{now: time.Date(2027, 5, 1, 12, 0, 0, 0, time.UTC)}
	d := newDays(pool, c)
	take := func(limit int64) error { return d.Take(t.Context(), "key_1", limit, "UTC") }
	if err := errors.Join(take(1), nil); err != nil {
		t.Fatal(err)
	}
	if take(1) == nil {
		t.Fatal("a second was given out")
	}
	exec(t, pool, "update api_key_meters set requests_per_day = 2")
	if err := take(2); err != nil {
		t.Errorf("after it was raised: %v", err)
	}
	if take(2) == nil {
		t.Error("a third was given out")
	}
	exec(t, pool, "update api_key_meters set requests_per_day = null")
	if err := take(3); err != nil {
		t.Errorf("after it was taken away: %v", err)
	}
}

func TestDays_ALostDatabaseOpensNoDoor(t *testing.T) {
	t.Parallel()
	pool, c := limitedKey(t, 1, "UTC"), &clock{now: time.Date(2027, 5, 1, 12, 0, 0, 0, time.UTC)}
	d := newDays(pool, c)
	pool.Close()
	if err := d.Take(t.Context(), "key_1", 1, "UTC"); fault.CodeOf(err) != fault.ServiceUnavailable {
		t.Errorf("told %v", err)
	}
}
