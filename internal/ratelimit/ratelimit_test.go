package ratelimit

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// hand is a clock that a test moves.
type hand struct{ nanoseconds atomic.Int64 }

func newHand() *hand {
	h := new(hand)
	h.nanoseconds.Store(time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC).UnixNano())
	return h
}

func (h *hand) now() time.Time          { return time.Unix(0, h.nanoseconds.Load()) }
func (h *hand) forward(d time.Duration) { h.nanoseconds.Add(int64(d)) }

func limiter(t *testing.T, rule Rule, h *hand) *Limiter {
	t.Helper()
	l, err := New(rule, h.now)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func allow(t testing.TB, l *Limiter, key string, cost int) Result {
	t.Helper()
	r, err := l.Allow(t.Context(), key, cost)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAllow_BurstThenRateThenRest(t *testing.T) {
	h := newHand()
	l := limiter(t, Rule{PerSecond: 10, Burst: 3}, h)
	const gap = 100 * time.Millisecond
	for _, step := range []struct {
		wait time.Duration
		cost int
		want Result
	}{
		{0, 1, Result{Allowed: true, Limit: 3, Remaining: 2, ResetAfter: gap}},
		{0, 2, Result{Allowed: true, Limit: 3, Remaining: 0, ResetAfter: 3 * gap}},
		{0, 1, Result{Limit: 3, ResetAfter: 3 * gap, RetryAfter: gap}},
		{0, 3, Result{Limit: 3, ResetAfter: 3 * gap, RetryAfter: 3 * gap}},
		{gap - 1, 1, Result{Limit: 3, ResetAfter: 2*gap + 1, RetryAfter: 1}},
		{1, 1, Result{Allowed: true, Limit: 3, Remaining: 0, ResetAfter: 3 * gap}},
		{2 * gap, 0, Result{Allowed: true, Limit: 3, Remaining: 2, ResetAfter: gap}},
		{time.Hour, 3, Result{Allowed: true, Limit: 3, Remaining: 0, ResetAfter: 3 * gap}},
	} {
		h.forward(step.wait)
		if diff := cmp.Diff(step.want, allow(t, l, "a", step.cost)); diff != "" {
			t.Errorf("after %v cost %d: %s", step.wait, step.cost, diff)
		}
	}
	if r := allow(t, l, "b", 1); r.Remaining != 2 {
		t.Errorf("another key starts with %+v", r)
	}
}

func TestAllow_ClientThatObeysIsNeverRefusedTwice(t *testing.T) {
	h := newHand()
	for _, rule := range []Rule{{PerSecond: 3, Burst: 1}, {PerSecond: 0.1, Burst: 5}, {PerSecond: 100, Burst: 200}, {PerSecond: 1e9, Burst: 1}} {
		l := limiter(t, rule, h)
		for i := range 1000 {
			if r := allow(t, l, "a", 1); !r.Allowed {
				h.forward(r.RetryAfter)
				if again := allow(t, l, "a", 1); !again.Allowed {
					t.Fatalf("%+v request %d: refused again after %v", rule, i, r.RetryAfter)
				}
			}
		}
	}
}

// TestAllow_SteadyOverloadAdmitsRatePlusBurst is 150 requests a second for 10 s against 100 a second with a burst of 200.
func TestAllow_SteadyOverloadAdmitsRatePlusBurst(t *testing.T) {
	h := newHand()
	l := limiter(t, Rule{PerSecond: 100, Burst: 200}, h)
	admitted := 0
	for range 1500 * 2 {
		if allow(t, l, "a", 1).Allowed {
			admitted++
		}
		h.forward(time.Second / 300)
	}
	if admitted < 1190 || admitted > 1200 {
		t.Errorf("admitted %d, want 1,000 and the burst of 200", admitted)
	}
}

func TestAllow_CostAboveTheBurstTakesTheWholeBurst(t *testing.T) {
	h := newHand()
	l := limiter(t, Rule{PerSecond: 1, Burst: 5}, h)
	if r := allow(t, l, "a", 50); !r.Allowed || r.Remaining != 0 {
		t.Errorf("idle key: %+v", r)
	}
	r := allow(t, l, "a", 50)
	if r.Allowed || r.RetryAfter != 5*time.Second {
		t.Errorf("used key: %+v", r)
	}
	h.forward(r.RetryAfter)
	if r := allow(t, l, "a", 50); !r.Allowed {
		t.Errorf("after the wait: %+v", r)
	}
}

func TestAllow_OffNeverRefuses(t *testing.T) {
	l := limiter(t, Rule{}, newHand())
	for range 1000 {
		if diff := cmp.Diff(Result{Allowed: true, Off: true}, allow(t, l, "a", 1_000_000)); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestAllow_RefusesANegativeCost(t *testing.T) {
	for _, rule := range []Rule{{}, {PerSecond: 1, Burst: 1}} {
		if r, err := limiter(t, rule, newHand()).Allow(t.Context(), "a", -1); err == nil || r.Allowed {
			t.Errorf("%+v: %+v", rule, r)
		}
	}
}

func TestAllow_ManyAtOnceTakeTheBudgetExactlyOnce(t *testing.T) {
	l := limiter(t, Rule{PerSecond: 0.001, Burst: 500}, newHand())
	var admitted atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 40 {
				r, err := l.Allow(t.Context(), "a", 1)
				if err != nil {
					t.Error(err)
				}
				if r.Allowed {
					admitted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if admitted.Load() != 500 {
		t.Errorf("admitted %d of 500", admitted.Load())
	}
}

// wallMoved gives t as the clock would show it after its wall part was corrected by whole seconds.
func wallMoved(t *testing.T, at time.Time, seconds int64) time.Time {
	t.Helper()
	moved := at
	// A time with a monotonic part begins with a word that counts wall seconds from bit 30 on.
	word := (*uint64)(unsafe.Pointer(&moved))
	*word += uint64(seconds) << 30
	if moved.Sub(at) != 0 || moved.Round(0).Sub(at.Round(0)) != time.Duration(seconds)*time.Second {
		t.Fatal("the layout of time.Time has changed: find another way to move the wall clock")
	}
	return moved
}

func TestAllow_WallClockCorrectionNeitherLocksOutNorLetsIn(t *testing.T) {
	for _, seconds := range []int64{-3600, 3600} {
		at := time.Now()
		l, err := New(Rule{PerSecond: 1, Burst: 2}, func() time.Time { return at })
		if err != nil {
			t.Fatal(err)
		}
		allow(t, l, "a", 2)
		at = wallMoved(t, at, seconds)
		if r := allow(t, l, "a", 1); r.Allowed || r.RetryAfter != time.Second {
			t.Errorf("wall moved by %d s: %+v", seconds, r)
		}
		at = at.Add(time.Second)
		if r := allow(t, l, "a", 1); !r.Allowed {
			t.Errorf("wall moved by %d s and one second passed: %+v", seconds, r)
		}
	}
}

func TestNew_RefusesRulesWithoutSense(t *testing.T) {
	for _, rule := range []Rule{
		{PerSecond: -1, Burst: 1},
		{PerSecond: math.NaN(), Burst: 1},
		{PerSecond: math.Inf(1), Burst: 1},
		{PerSecond: 1e10, Burst: 1},
		{PerSecond: 1e-9, Burst: 1},
		{PerSecond: math.SmallestNonzeroFloat64, Burst: 1},
		{PerSecond: 1},
		{PerSecond: 1, Burst: -1},
		{PerSecond: 1, Burst: math.MaxInt},
	} {
		if _, err := New(rule, newHand().now); err == nil {
			t.Errorf("%+v is accepted", rule)
		}
	}
	if _, err := New(Rule{PerSecond: 1, Burst: 1}, nil); err == nil {
		t.Error("no clock is accepted")
	}
}

type brokenStore struct{ Store }

var errBroken = errors.New("broken")

func (brokenStore) GetWithTime(context.Context, string) (int64, time.Time, error) {
	return 0, time.Time{}, errBroken
}

func TestNewWithStore_BrokenStoreIsAnErrorNotAnAnswer(t *testing.T) {
	l, err := NewWithStore(Rule{PerSecond: 1, Burst: 1}, brokenStore{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := l.Allow(t.Context(), "a", 1); !errors.Is(err, errBroken) || r.Allowed {
		t.Errorf("%+v, %v", r, err)
	}
}

// busyStore loses every exchange to somebody else for a while.
type busyStore struct {
	Store
	losses int
}

func (b *busyStore) SetIfNotExistsWithTTL(ctx context.Context, key string, value int64, ttl time.Duration) (bool, error) {
	if b.losses--; b.losses >= 0 {
		return false, nil
	}
	return b.Store.SetIfNotExistsWithTTL(ctx, key, value, ttl)
}

func TestNewWithStore_BusyKeyIsTriedUntilItIsDecided(t *testing.T) {
	store, err := NewStore(newHand().now)
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewWithStore(Rule{PerSecond: 1, Burst: 1}, &busyStore{Store: store, losses: 500})
	if err != nil {
		t.Fatal(err)
	}
	if r := allow(t, l, "a", 1); !r.Allowed {
		t.Errorf("%+v", r)
	}
}

func TestNewWithStore_LimitersOfOneStoreShareABudget(t *testing.T) {
	h := newHand()
	store, err := NewStore(h.now)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		l, err := NewWithStore(Rule{PerSecond: 1, Burst: 2}, store)
		if err != nil {
			t.Fatal(err)
		}
		if r := allow(t, l, "a", 1); r.Allowed != (i < 2) {
			t.Errorf("limiter %d: %+v", i, r)
		}
	}
}

func TestNewStore_WhoReadsTheClockBeforeOthersTakeGetsWhatTheyLeave(t *testing.T) {
	h := newHand()
	clock := h.now
	l, err := New(Rule{PerSecond: 1, Burst: 5}, func() time.Time { return clock() })
	if err != nil {
		t.Fatal(err)
	}
	clock = func() time.Time {
		clock = h.now
		read := h.now()
		h.forward(time.Millisecond)
		for range 4 {
			allow(t, l, "a", 1)
		}
		return read
	}
	if r := allow(t, l, "a", 1); !r.Allowed {
		t.Errorf("%+v", r)
	}
	if r := allow(t, l, "a", 1); r.Allowed {
		t.Errorf("a sixth: %+v", r)
	}
}

func TestNewStore_FourTimesTheKeptCallersFitIntoBoundedMemory(t *testing.T) {
	h := newHand()
	l := limiter(t, Rule{PerSecond: 1, Burst: 1}, h)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	allow(t, l, "first", 1)
	for i := range 4 * maxKeys {
		allow(t, l, "ip:2001:db8:"+strconv.FormatInt(int64(i>>16), 16)+":"+strconv.FormatInt(int64(i&0xffff), 16)+"::/64", 1)
	}
	after := heap()
	if grown := int64(after) - int64(before); grown > 35<<20 {
		t.Errorf("%d keys took %d MiB", 4*maxKeys, grown>>20)
	}
	if allow(t, l, "ip:2001:db8:6:1a7f::/64", 1).Allowed {
		t.Error("the latest key was forgotten")
	}
	if !allow(t, l, "first", 1).Allowed {
		t.Error("the oldest key is still remembered: nothing bounds the store")
	}
	runtime.KeepAlive(l)
}

func TestIPKey_OneBudgetPerCustomer(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7": "ip:192.0.2.7", "::ffff:192.0.2.7": "ip:192.0.2.7",
		"2001:db8:1:2:3:4:5:6": "ip:2001:db8:1:2::/64", "2001:db8:1:2::": "ip:2001:db8:1:2::/64", "2001:db8:1:3::": "ip:2001:db8:1:3::/64",
		"fe80::1%eth0": "ip:fe80::/64", "::1": "ip:::/64", "::ffff:192.0.2.7%eth0": "ip:192.0.2.7",
	} {
		if got := IPKey(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
	network := netip.MustParseAddr("2001:db8:1:2::").As16()
	for i := range 1 << 16 {
		network[8], network[11], network[14], network[15] = byte(i), byte(i>>8), byte(i>>8), byte(i)
		if got := IPKey(netip.AddrFrom16(network)); got != "ip:2001:db8:1:2::/64" {
			t.Fatalf("address %d of the network: %s", i, got)
		}
	}
	if got := IPKey(netip.Addr{}); got != "ip:invalid IP" {
		t.Errorf("no address: %s", got)
	}
}
