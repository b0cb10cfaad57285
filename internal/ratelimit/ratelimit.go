// Package ratelimit says whether a caller may go on.
//
// Owns: the rule of a limit, its arithmetic (GCRA), the memory of recent callers, in this process and shared through Redis.
// Does not own: which rule and key fit a request, the RateLimit headers.
// May touch: the throttled and go-redis libraries, prometheus, coalesce; a clock given to it.
// Always true: in any stretch of t seconds a key is allowed at most burst + rate·t, while it is remembered; what becomes of
// the shared store neither fails a request nor lets it pass uncounted, and holds it up for at most 50 ms.
package ratelimit

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"time"

	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"

	"github.com/eggapi/eggapi/internal/fault"
)

const (
	// maxKeys bounds the memory of one store; the caller not seen for longest is forgotten first.
	maxKeys = 100_000
	// maxRefill bounds the arithmetic: burst / rate may not be longer.
	maxRefill = 365 * 24 * time.Hour
	// maxStoreTries is for a key that many requests change at the same moment; one of them succeeds each round.
	maxStoreTries = 1000
)

// Rule is a steady rate with a burst on top. PerSecond 0 means no limit.
type Rule struct {
	PerSecond float64 // 0, or up to 1e9; may be a fraction
	Burst     int     // at least 1: what an idle key may take at once
}

// Result is the answer for one request.
type Result struct {
	Allowed    bool
	Limit      int           // the burst
	Remaining  int           // what the key could take at once now
	ResetAfter time.Duration // until Remaining is Limit again
	RetryAfter time.Duration // when not allowed: until the same request is; else 0
	Off        bool          // the rule has no limit; the other fields but Allowed are zero
}

// Store remembers the state of keys. Limiters may share one when their keys differ or mean the same budget.
// A store shared between processes has this interface too.
type Store = throttled.GCRAStoreCtx

// Limiter holds callers to one rule. It is safe for concurrent use.
type Limiter struct {
	rule   Rule
	quota  *throttled.GCRARateLimiterCtx // nil when off
	store  Store                         // of quota
	shared *Shared                       // nil when each process counts for itself
	step   time.Duration                 // of the shared store: in which one unit comes back, whole microseconds
}

// New returns a limiter with a store of its own in this process. It fails on a rule that makes no sense.
func New(rule Rule, clock func() time.Time) (*Limiter, error) {
	store, err := NewStore(clock)
	if err != nil {
		return nil, err
	}
	return NewWithStore(rule, store)
}

// NewStore returns a store in this process for up to 100,000 keys.
func NewStore(clock func() time.Time) (Store, error) {
	if clock == nil {
		return nil, errors.New("rate limit store: no clock")
	}
	keys, err := memstore.New(maxKeys)
	if err != nil {
		return nil, fault.Wrap(err, "make rate limit store")
	}
	keys.SetTimeNow(func() time.Time { return time.Time{} }) // clocked has its own
	// The store keeps instants as numbers. Counting from one start by the monotonic clock, a correction
	// of the wall clock can neither lock callers out nor let them in.
	start := clock()
	return throttled.WrapStoreWithContext(clocked{keys, func() time.Time { return start.Add(clock().Sub(start)) }}), nil
}

// clocked reads the clock after the key, where memstore reads it before: who was held up in between would be judged by
// an instant before the one the key began at, and refused what is left of a burst.
type clocked struct {
	*memstore.MemStore
	now func() time.Time
}

// GetWithTime gives what is kept of the key, -1 for nothing, and the time.
func (c clocked) GetWithTime(key string) (int64, time.Time, error) {
	value, _, err := c.MemStore.GetWithTime(key)
	return value, c.now(), err
}

// NewWithStore returns a limiter over a store. It is cheap, and fails on a rule that makes no sense.
func NewWithStore(rule Rule, store Store) (*Limiter, error) {
	if rule.PerSecond == 0 {
		return &Limiter{rule: rule}, nil
	}
	interval, err := rule.interval()
	if err != nil {
		return nil, err
	}
	quota, err := throttled.NewGCRARateLimiterCtx(store, throttled.RateQuota{
		MaxRate:  throttled.PerDuration(1, interval),
		MaxBurst: rule.Burst - 1, // throttled counts the burst beyond the first
	})
	if err != nil {
		return nil, fault.Wrap(err, "make rate limiter")
	}
	quota.SetMaxCASAttemptsLimit(maxStoreTries)
	step := (interval + time.Microsecond - 1).Truncate(time.Microsecond)
	return &Limiter{rule: rule, quota: quota, store: store, step: step}, nil
}

// interval is the time in which one unit comes back, rounded up so that the rate is never exceeded.
func (r Rule) interval() (time.Duration, error) {
	if !(r.PerSecond > 0 && r.PerSecond <= 1e9) {
		return 0, errors.New("rate limit: per second must be between 0 and 1e9")
	}
	if r.Burst < 1 {
		return 0, errors.New("rate limit: burst must be at least 1")
	}
	nanoseconds := math.Ceil(float64(time.Second) / r.PerSecond)
	if nanoseconds*float64(r.Burst) > float64(maxRefill) {
		return 0, errors.New("rate limit: a used burst would take more than a year to come back")
	}
	return time.Duration(nanoseconds), nil
}

// Off tells whether the rule has no limit, so that no key has to be worked out.
func (l *Limiter) Off() bool { return l.quota == nil }

// Allow takes cost units from the key's budget, or nothing when they are not there. A cost above the burst takes the
// whole burst, so that it can happen at all; cost 0 only looks and is allowed. It fails on a negative cost or when the
// store in this process does; while a shared one fails, this process counts for itself.
func (l *Limiter) Allow(ctx context.Context, key string, cost int) (Result, error) {
	if cost < 0 {
		return Result{}, errors.New("rate limit: negative cost")
	}
	if l.quota == nil {
		return Result{Allowed: true, Off: true}, nil
	}
	cost = min(cost, l.rule.Burst)
	if l.shared != nil {
		if result, ok := l.allowTogether(ctx, key, cost); ok {
			return result, nil
		}
	}
	limited, r, err := l.quota.RateLimitCtx(ctx, key, cost)
	if err != nil {
		return Result{}, fault.Wrap(err, "ask rate limit store")
	}
	result := Result{Allowed: !limited, Limit: r.Limit, Remaining: r.Remaining, ResetAfter: r.ResetAfter}
	if limited {
		result.RetryAfter = r.RetryAfter
	}
	return result, nil
}

// IPKey names the budget of an address: the address itself for IPv4, the /64 network for IPv6, of which
// one customer has all addresses. An IPv4 address mapped into IPv6 counts as IPv4; invalid ones share one key.
func IPKey(addr netip.Addr) string {
	var room [64]byte
	key := append(room[:0], "ip:"...)
	addr = addr.Unmap()
	if addr.Is4() {
		return string(addr.AppendTo(key))
	}
	network, err := addr.Prefix(64)
	if err != nil || !network.IsValid() {
		return "ip:" + addr.String()
	}
	return string(network.AppendTo(key))
}
