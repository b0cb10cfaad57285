package webhook

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// stopped is a clock that stands still until it is moved.
type stopped struct {
	mu sync.Mutex
	at time.Time
}

func (s *stopped) now() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.at }

func (s *stopped) add(d time.Duration) { s.mu.Lock(); defer s.mu.Unlock(); s.at = s.at.Add(d) }

func newStopped() *stopped { return &stopped{at: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

func TestGate_FifthCallToAHostWaitsASecond(t *testing.T) {
	t.Parallel()
	g := newGate(newStopped().now)
	var slots []*slot
	for range 4 {
		s, _ := g.take("a", "u1")
		slots = append(slots, s)
	}
	if s, wait := g.take("a", "u2"); s != nil || wait != time.Second {
		t.Errorf("fifth call: %v, wait %v", s, wait)
	}
	if s, _ := g.take("b", "u1"); s == nil {
		t.Error("another host waits too")
	}
	slots[0].release(false)
	if s, _ := g.take("a", "u2"); s == nil {
		t.Error("a slot given back cannot be taken")
	}
}

func TestGate_UserWithManyHostsHasAShare(t *testing.T) {
	t.Parallel()
	g := newGate(newStopped().now)
	for i := range 16 {
		if s, _ := g.take(fmt.Sprint(i), "u1"); s == nil {
			t.Fatalf("call %d refused", i)
		}
	}
	if s, wait := g.take("other", "u1"); s != nil || wait <= 0 {
		t.Errorf("call 17 allowed, wait %v", wait)
	}
	if s, _ := g.take("other", "u2"); s == nil {
		t.Error("another user is refused too")
	}
}

func TestGate_FiveTimeoutsInARowCloseAHostForAMinute(t *testing.T) {
	t.Parallel()
	c := newStopped()
	g := newGate(c.now)
	timeOut := func() {
		s, wait := g.take("a", "u")
		if s == nil {
			t.Fatalf("refused, wait %v", wait)
		}
		s.release(true)
	}
	for range 4 {
		timeOut()
	}
	slow, _ := g.take("a", "u")
	s, _ := g.take("a", "u")
	s.release(false) // an answer: the row begins anew
	slow.release(true)
	for range 4 {
		timeOut()
	}
	if s, wait := g.take("a", "u"); s != nil || wait < time.Minute || wait > time.Minute+longestWait {
		t.Errorf("right after: %v, wait %v", s, wait)
	}
	if s, _ := g.take("b", "u"); s == nil {
		t.Error("another host is closed too")
	}
	c.add(time.Minute)
	probe, _ := g.take("a", "u")
	if probe == nil {
		t.Fatal("closed for more than a minute")
	}
	if s, _ := g.take("a", "u"); s != nil {
		t.Error("more than one call finds out whether the host is back")
	}
	probe.release(true)
	if s, _ := g.take("a", "u"); s != nil {
		t.Error("open although the probe timed out")
	}
	c.add(time.Minute)
	probe, _ = g.take("a", "u")
	probe.release(false)
	for range 4 {
		if s, _ := g.take("a", "u"); s == nil {
			t.Error("still closed although the probe was answered")
		}
	}
}

func TestGate_CrowdIsSpreadOverHalfAMinute(t *testing.T) {
	t.Parallel()
	g := newGate(newStopped().now)
	var first *slot
	for range 4 {
		first, _ = g.take("a", "u")
	}
	waits := map[time.Duration]int{}
	for range 3000 {
		_, wait := g.take("a", "u")
		waits[wait]++
	}
	if waits[time.Second] > crowd || len(waits) != 30 || waits[longestWait] == 0 {
		t.Errorf("waits are %v", waits)
	}
	first.release(false)
	g.take("a", "u")
	if _, wait := g.take("a", "u"); wait != time.Second {
		t.Errorf("after an answer the wait is %v", wait)
	}
}

func TestGate_ForgetsHostsThatAreDone(t *testing.T) {
	t.Parallel()
	c := newStopped()
	g := newGate(c.now)
	for i := range 3 * pruneHosts {
		s, _ := g.take(fmt.Sprint("ok", i), "u")
		s.release(false)
	}
	if len(g.hosts) != 0 || len(g.users) != 0 {
		t.Errorf("remembers %d hosts and %d users", len(g.hosts), len(g.users))
	}
	for i := range 3 * pruneHosts {
		s, _ := g.take(fmt.Sprint("slow", i), "u")
		s.release(true)
		c.add(time.Second)
	}
	if len(g.hosts) > pruneHosts+1 {
		t.Errorf("remembers %d hosts", len(g.hosts))
	}
}

func TestGate_NeverMoreInFlightThanAllowed(t *testing.T) {
	t.Parallel()
	g := newGate(newStopped().now)
	var mu sync.Mutex
	var inFlight, most int
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for done := 0; done < 20; {
				s, _ := g.take("a", "u")
				if s == nil {
					continue
				}
				mu.Lock()
				inFlight++
				most = max(most, inFlight)
				mu.Unlock()
				done++
				mu.Lock()
				inFlight--
				mu.Unlock()
				s.release(false)
			}
		})
	}
	wg.Wait()
	if most > maxPerHost || len(g.hosts) != 0 {
		t.Errorf("%d in flight at once, %d hosts left", most, len(g.hosts))
	}
}

func TestHostOf_OneSpellingPerHost(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://Example.COM/a":       "example.com:443",
		"https://example.com.:443/b":  "example.com:443",
		"https://example.com:8443/":   "example.com:8443",
		"http://127.0.0.1/":           "127.0.0.1:80",
		"https://[2001:DB8::1]:8443/": "2001:db8::1:8443",
		"::":                          "",
	} {
		if got := hostOf(url); got != want {
			t.Errorf("host of %s is %q, want %q", url, got, want)
		}
	}
}
