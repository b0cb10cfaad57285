package ratelimit

import (
	"flag"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A failed property prints what it drew; the file that rapid would add to the checkout says no more.
var _ = flag.Set("rapid.nofailfile", "true")

// model is GCRA in its plainest form: the key owes work until a moment, which may lie at most
// burst intervals ahead (ITU-T I.371, virtual scheduling).
type model struct {
	interval time.Duration
	burst    int
	until    map[string]time.Time
}

func (m *model) allow(key string, cost int, now time.Time) Result {
	until := m.until[key]
	if until.Before(now) {
		until = now
	}
	cost = min(cost, m.burst)
	room := time.Duration(m.burst) * m.interval
	next := until.Add(time.Duration(cost) * m.interval)
	result := Result{Limit: m.burst}
	if over := next.Sub(now) - room; over > 0 {
		result.RetryAfter = over
	} else {
		result.Allowed = true
		until = next
	}
	m.until[key] = until
	result.ResetAfter = until.Sub(now)
	result.Remaining = int((room - result.ResetAfter) / m.interval)
	return result
}

// admission is what one key was allowed to take at one moment.
type admission struct {
	at   time.Time
	cost int
}

func TestAllow_AgreesWithAModelAndNeverExceedsTheRate(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rule := Rule{
			PerSecond: rapid.SampledFrom([]float64{0.01, 0.5, 1, 3, 7.3, 100, 333, 5000, 7e8}).Draw(rt, "per second"),
			Burst:     rapid.IntRange(1, 40).Draw(rt, "burst"),
		}
		h := newHand()
		l, err := New(rule, h.now)
		if err != nil {
			rt.Fatal(err)
		}
		interval, err := rule.interval()
		if err != nil {
			rt.Fatal(err)
		}
		m := &model{interval: interval, burst: rule.Burst, until: map[string]time.Time{}}
		admitted := map[string][]admission{}
		for range rapid.IntRange(1, 60).Draw(rt, "requests") {
			wait := rapid.Float64Range(0, 4).Draw(rt, "wait in intervals")
			h.forward(time.Duration(wait * float64(interval)))
			key := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "key")
			cost := rapid.IntRange(1, rule.Burst+2).Draw(rt, "cost")
			got, err := l.Allow(t.Context(), key, cost)
			if err != nil {
				rt.Fatal(err)
			}
			if want := m.allow(key, cost, h.now()); got != want {
				rt.Fatalf("cost %d: got %+v, want %+v", cost, got, want)
			}
			if got.Allowed {
				admitted[key] = append(admitted[key], admission{h.now(), min(cost, rule.Burst)})
			}
		}
		for key, list := range admitted {
			if from, to, sum := excess(rule, list); sum > 0 {
				rt.Fatalf("key %s: %d admitted from %v to %v", key, sum, from, to)
			}
		}
	})
}

// excess looks for a stretch in which more than burst + rate·t was admitted.
func excess(rule Rule, list []admission) (from, to time.Time, sum int) {
	for i := range list {
		total := 0
		for _, a := range list[i:] {
			total += a.cost
			if float64(total) > float64(rule.Burst)+rule.PerSecond*a.at.Sub(list[i].at).Seconds()+1e-6 {
				return list[i].at, a.at, total
			}
		}
	}
	return time.Time{}, time.Time{}, 0
}
