package ratelimit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// slow is a rule under which nothing comes back while a test runs.
var slow = Rule{PerSecond: 0.001, Burst: 5}

const (
	canary = "canary-7f3a"
	// A request asks for two limits, and may wait for that long because of the store. A busy machine adds its own.
	heldUp = 50 * time.Millisecond
	noise  = 50 * time.Millisecond
)

func TestNewShared_TakesNothingButAnAddressAndNeverRepeatsIt(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", canary, "http://" + canary, "unix:///" + canary, "redis://", "redis:///0", "redis://u:" + canary + "@h:6379/" + canary,
		"redis://u:" + canary + "@h:port", "redis://u:" + canary + "%zz@h", "redis://u:" + canary + "@h/1?unknown=" + canary,
	} {
		if _, err := NewShared(SharedConfig{URL: bad}); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func (n node) failures(t *testing.T) float64 {
	t.Helper()
	return n.measured(t, "eggapi_limits_shared_failures_total")
}

// failures are the ways in which a store that was well can fail.
var failures = map[string]func(w *wire){
	"hangs":              func(w *wire) { w.silence() },
	"dies":               func(w *wire) { w.cut() },
	"is full":            func(w *wire) { w.now(func() string { return "-OOM command not allowed\r\n" }) },
	"may not be written": func(w *wire) { w.now(func() string { return "-READONLY You can't write\r\n" }) },
	"talks nonsense":     func(w *wire) { w.now(func() string { return "*1\r\n:1\r\n" }) },
	"is slow": func(w *wire) {
		answer := allowing(1)
		w.now(func() string { time.Sleep(40 * time.Millisecond); return answer() })
	},
}

func TestShared_WhateverBecomesOfTheStoreNobodyIsHeldUpOrLetInUncounted(t *testing.T) {
	t.Parallel()
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, allowing(1))
			n := newNode(t, w.url)
			var most time.Duration
			for try := range 5 { // a busy machine may hold requests up, too
				w.revive(t)
				n.awaits(t, true)
				fail(w)
				if most = crowd(t, n, fmt.Sprint("ip:192.0.2.", try)); most <= heldUp+noise {
					break
				}
			}
			if most > heldUp+noise {
				t.Errorf("a request was held up for %v", most)
			}
			key := n.of(t, Rule{PerSecond: 1e6, Burst: 1e6})
			for range fallAfter { // in which it may find out
				allow(t, key, "key key_1", 1)
			}
			n.awaits(t, false)
			waits := make([]time.Duration, 100)
			for i := range waits {
				from := time.Now()
				allow(t, key, "key key_1", 1)
				waits[i] = time.Since(from)
			}
			slices.Sort(waits)
			if usual := waits[len(waits)/2]; usual > time.Millisecond {
				t.Errorf("while the store is known to be away a request takes %v", usual)
			}
		})
	}
}

// crowd makes many requests at once, each of which asks for two limits, and gives how long the slowest took. As many as
// this process may let in alone must be let in.
func crowd(t *testing.T, n node, address string) time.Duration {
	t.Helper()
	ip, key := n.of(t, slow), n.of(t, Rule{PerSecond: 1e6, Burst: 1e6})
	var admitted atomic.Int64
	waits := make([]time.Duration, 200)
	var all sync.WaitGroup
	for i := range waits {
		all.Go(func() {
			from := time.Now()
			if allow(t, ip, address, 1).Allowed {
				admitted.Add(1)
			}
			allow(t, key, "key key_1", 1)
			waits[i] = time.Since(from)
		})
	}
	all.Wait()
	if got := admitted.Load(); got != int64(slow.Burst) {
		t.Errorf("%d were let in, want %d", got, slow.Burst)
	}
	return slices.Max(waits)
}

func TestShared_StoreThatIsNotThereAtTheStartHoldsUpNobody(t *testing.T) {
	t.Parallel()
	// A documentation address: packets to it get lost.
	for _, url := range []string{"redis://192.0.2.1:6379", "redis://127.0.0.1:1", "redis://no-such-host.invalid:6379"} {
		n := newNode(t, url)
		l := n.of(t, slow)
		for i := range 2 * slow.Burst {
			from := time.Now()
			if r := allow(t, l, "a", 1); r.Allowed != (i < slow.Burst) {
				t.Errorf("%s: request %d: %+v", url, i, r)
			}
			if took := time.Since(from); took > noise {
				t.Errorf("%s: request %d took %v", url, i, took)
			}
		}
	}
}

func TestShared_OneFailureIsNotTheEnd(t *testing.T) {
	t.Parallel()
	var once atomic.Bool
	w := newWire(t, allowing(1))
	n := newNode(t, w.url)
	n.awaits(t, true)
	w.now(func() string {
		if once.CompareAndSwap(false, true) {
			return "-ERR a passing cloud\r\n"
		}
		return allowing(1)()
	})
	l := n.of(t, Rule{PerSecond: 1000, Burst: 1000})
	for range 20 {
		allow(t, l, "a", 1)
	}
	// On a busy machine an exchange may be late besides.
	if !n.shared.health.up.Load() || w.asked.Load() < 10 || n.failures(t) < 1 {
		t.Errorf("up %v, asked %d times, %v failures", n.shared.health.up.Load(), w.asked.Load(), n.failures(t))
	}
}

func TestShared_ComesBackByItselfAndTellsOfEachChangeOnce(t *testing.T) {
	t.Parallel()
	w := newWire(t, allowing(1))
	n := newNode(t, strings.Replace(w.url, "redis://", "redis://ada:"+canary+"@", 1))
	n.awaits(t, true)
	l := n.of(t, Rule{PerSecond: 1e6, Burst: 1e6})
	w.cut()
	eventually(t, "limits are counted here", func() bool {
		allow(t, l, "a", 1)
		return !n.shared.health.up.Load()
	})
	// Long enough for probes that fail.
	eventually(t, "probes fail", func() bool { return n.failures(t) > fallAfter+1 })
	w.revive(t)
	n.awaits(t, true)
	before := w.asked.Load()
	allow(t, l, "a", 1)
	if w.asked.Load() != before+1 {
		t.Error("the store is not asked again")
	}
	eventually(t, "the log tells of it", func() bool { return strings.Count(n.log.String(), `"rate limits are shared"`) == 2 })
	if got := strings.Count(n.log.String(), "the shared store fails"); got != 1 {
		t.Errorf("the fall was told %d times:\n%s", got, n.log)
	}
	if strings.Contains(n.log.String(), canary) {
		t.Errorf("the password is in the log:\n%s", n.log)
	}
}

func TestShared_WhoIsOverIsRefusedWithoutAskingUntilHisTimeHasCome(t *testing.T) {
	t.Parallel()
	w := newWire(t, refusing(400_000, 200_000)) // of half a second
	n := newNode(t, w.url)
	n.awaits(t, true)
	l := n.of(t, Rule{PerSecond: 10, Burst: 5})
	first := allow(t, l, "a", 3)
	if want := (Result{Limit: 5, Remaining: 1, ResetAfter: 400 * time.Millisecond, RetryAfter: 200 * time.Millisecond}); first != want {
		t.Errorf("the store's refusal is told as %+v", first)
	}
	for range 1000 {
		if r := allow(t, l, "a", 3); r.Allowed || r.RetryAfter > 200*time.Millisecond || r.RetryAfter <= 0 || r.ResetAfter > 400*time.Millisecond {
			t.Fatalf("%+v", r)
		}
	}
	if got := w.asked.Load(); got != 1 {
		t.Errorf("the store was asked %d times", got)
	}
	// Others, and who wants less, are not meant.
	allow(t, l, "b", 3)
	allow(t, l, "a", 1)
	if got := w.asked.Load(); got != 3 {
		t.Errorf("the store was asked %d times, want 3", got)
	}
	w.now(allowing(500_000))
	eventually(t, "his time has come", func() bool { return allow(t, l, "a", 3).Allowed })
}

func TestShared_FallOfTheStoreGivesNobodyAFreshBurst(t *testing.T) {
	t.Parallel()
	used := slow.Burst * 1000 * 1_000_000 // the whole of it
	w := newWire(t, allowing(used))
	n := newNode(t, w.url)
	n.awaits(t, true)
	l := n.of(t, slow)
	if !allow(t, l, "a", 1).Allowed {
		t.Fatal("refused")
	}
	w.cut()
	others := 0
	eventually(t, "limits are counted here", func() bool {
		others++
		allow(t, l, fmt.Sprint(others), 1)
		return !n.shared.health.up.Load()
	})
	if r := allow(t, l, "a", 1); r.Allowed {
		t.Errorf("who had used his budget is let in: %+v", r)
	}
}

func TestShared_TogetherInOneExchangeEachGetsHisOwnAnswer(t *testing.T) {
	t.Parallel()
	w := newWire(t, allowing(1))
	n := newNode(t, w.url)
	n.awaits(t, true)
	set := make([]ask, 100)
	for i := range set {
		set[i].at = time.Now()
	}
	var answers atomic.Int64
	w.now(func() string { return allowing(int(answers.Add(1)))() })
	replies, err := n.shared.exchange(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range replies {
		if r.Err != nil || r.Answer.used != time.Duration(i+1)*time.Microsecond {
			t.Errorf("answer %d: %+v", i, r)
		}
	}
}

func TestShared_WhoHangsUpIsNoFailureOfTheStore(t *testing.T) {
	t.Parallel()
	w := newWire(t, allowing(1))
	n := newNode(t, w.url)
	n.awaits(t, true)
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	l := n.of(t, Rule{PerSecond: 1000, Burst: 1000})
	for range 2 * fallAfter {
		if _, err := l.Allow(gone, "a", 1); err != nil {
			t.Error(err)
		}
	}
	if !n.shared.health.up.Load() || n.failures(t) != 0 {
		t.Error("the store is thought to have failed")
	}
}
