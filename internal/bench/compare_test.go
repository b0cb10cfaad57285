//go:build system

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rate is how often something was done in how long.
type rate struct {
	times   int
	seconds float64
}

func (r *rate) add(more rate) {
	r.times += more.times
	r.seconds += more.seconds
}

func (r rate) perSecond() float64 { return float64(r.times) / r.seconds }

// comparison is a figure that is a ratio of two rates.
type comparison struct {
	key, what       string
	full, yardstick func() rate
	yardstickName   string
	profiled        []*service
	between         func() // done before each round, uncounted; may be nil
}

// compare takes both sides of each round in slices that alternate (A B B A A B ...), so that whatever
// else the machine is busy with weighs on both alike. The result is the median ratio of the rounds.
func (b *bench) compare(t *testing.T, c comparison) {
	t.Helper()
	var fulls, yardsticks, ratios []float64
	for round := range b.pace.rounds {
		if c.between != nil {
			c.between()
		}
		stop := func() {}
		if round == b.pace.rounds/2 {
			stop = profile(t, c)
		}
		var full, yardstick rate
		for i := range b.pace.slices {
			if (round+i)%2 == 0 {
				full.add(c.full())
				yardstick.add(c.yardstick())
			} else {
				yardstick.add(c.yardstick())
				full.add(c.full())
			}
		}
		stop()
		fulls, yardsticks = append(fulls, full.perSecond()), append(yardsticks, yardstick.perSecond())
		ratios = append(ratios, full.perSecond()/yardstick.perSecond())
	}
	b.sheet.add(result{
		key: c.key, what: c.what, value: middle(ratios), spread: spread(ratios),
		detail: fmt.Sprintf("%s /s, %s %s /s", numbers(fulls), c.yardstickName, numbers(yardsticks)),
	})
}

// profile records where the CPU time of the services goes, when asked to.
func profile(t *testing.T, c comparison) (stop func()) {
	t.Helper()
	dir := os.Getenv("EGGAPI_BENCH_PROFILE")
	if dir == "" {
		return func() {}
	}
	var stops []func()
	for i, s := range c.profiled {
		name := fmt.Sprintf("%s-%d.pprof", strings.ReplaceAll(c.key, "/", "-"), i)
		stops = append(stops, s.profile(t, filepath.Join(dir, name)))
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// awaitWithin waits until a condition holds.
func awaitWithin(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %s still not: %s", limit, what)
		}
	}
}
