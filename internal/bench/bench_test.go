//go:build system

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"text/tabwriter"
)

const (
	conns  = 16 // of the load to the service, and of each service and pgbench to the database
	rounds = 5

	floorGet  = 0.80 // full chain / bare handler
	floorPost = 0.45 // full chain / the same SQL without a service
)

// TestBench measures the full chain against its yardsticks, in turns, and fails under a floor.
//
//	EGGAPI_BENCH_SECONDS  how long each side of a round is measured (5; 2 with -short)
//	EGGAPI_BENCH_PROFILE  a folder for CPU profiles of the two services
func TestBench(t *testing.T) {
	seconds := 5
	if testing.Short() {
		seconds = 2
	}
	if text := os.Getenv("EGGAPI_BENCH_SECONDS"); text != "" {
		var err error
		if seconds, err = strconv.Atoi(text); err != nil || seconds < 1 {
			t.Fatal("EGGAPI_BENCH_SECONDS must be a positive whole number")
		}
	}
	s := newStage(t)
	get := figure{name: "GET /v1/tasks/{id}", full: "full chain", yardstick: "echo + pgx", floor: floorGet}
	post := figure{name: "POST /v1/generate", full: "full chain", yardstick: s.sql.name(), floor: floorPost}
	s.warmUp(t)
	for round := range rounds {
		stop := s.profile(t, round, "get")
		get.measure(round, seconds, func() rate { return s.load(t, s.full, s.gets) }, func() rate { return s.load(t, s.bare, s.gets) })
		stop()
		s.checkpoint(t)
		stop = s.profile(t, round, "post")
		post.measure(round, seconds, func() rate { return s.post(t) }, func() rate { return s.statements(t) })
		stop()
	}
	gates := measureGates()
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(out, "\nbench: %d rounds of %d s a side, %d connections, load by %s, statements by %s, fsync on\n", rounds, seconds, conns, s.loadName, s.sql.name())
	_, _ = fmt.Fprintln(out, "figure\tratio, median\tmin-max\tper second, full\tyardstick\tfloor\t")
	for _, f := range []figure{get, post} {
		_, _ = fmt.Fprintln(out, f.line())
		if f.median() < f.floor {
			t.Errorf("%s: %.2f of %s, less than %.2f", f.name, f.median(), f.yardstick, f.floor)
		}
	}
	_, _ = fmt.Fprintln(out, "the door alone\tns/op\tallocs/op\tB/op\t\tat most\t")
	for _, g := range gates {
		verdict := "pass"
		if g.allocs > g.maxAllocs {
			verdict = "FAIL"
			t.Errorf("%s: %d allocations, more than %d", g.name, g.allocs, g.maxAllocs)
		}
		_, _ = fmt.Fprintf(out, "%s\t%d\t%d\t%d\t\t%d allocs\t%s\n", g.name, g.ns, g.allocs, g.bytes, g.maxAllocs, verdict)
	}
	_ = out.Flush()
}

// figure is one comparison, measured in several rounds.
type figure struct {
	name, full, yardstick string
	floor                 float64
	fulls, yardsticks     []float64 // per second, by round
}

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

// measure takes both sides of one round, each in slices of a second that alternate (A B B A A B ...), so that
// whatever else the machine is busy with weighs on both alike.
func (f *figure) measure(round, slices int, full, yardstick func() rate) {
	var sumFull, sumYardstick rate
	for i := range slices {
		if (round+i)%2 == 0 {
			sumFull.add(full())
			sumYardstick.add(yardstick())
		} else {
			sumYardstick.add(yardstick())
			sumFull.add(full())
		}
	}
	f.fulls = append(f.fulls, sumFull.perSecond())
	f.yardsticks = append(f.yardsticks, sumYardstick.perSecond())
}

func (f figure) ratios() []float64 {
	ratios := make([]float64, len(f.fulls))
	for i := range f.fulls {
		ratios[i] = f.fulls[i] / f.yardsticks[i]
	}
	slices.Sort(ratios)
	return ratios
}

func (f figure) median() float64 { return middle(f.ratios()) }

func (f figure) line() string {
	ratios, verdict := f.ratios(), "pass"
	if f.median() < f.floor {
		verdict = "FAIL"
	}
	return fmt.Sprintf("%s\t%.2f\t%.2f-%.2f\t%s\t%s\t%.2f\t%s", f.name, f.median(), ratios[0], ratios[len(ratios)-1],
		numbers(f.fulls), numbers(f.yardsticks), f.floor, verdict)
}

// numbers shows the median of the values and their range.
func numbers(values []float64) string {
	sorted := slices.Sorted(slices.Values(values))
	return fmt.Sprintf("%.0f (%.0f-%.0f)", middle(sorted), sorted[0], sorted[len(sorted)-1])
}

func middle(sorted []float64) float64 { return sorted[len(sorted)/2] }

// post orders from the full chain, and holds the database to every order that was accepted.
func (s *stage) post(t *testing.T) rate {
	t.Helper()
	before := s.counts(t)
	r := s.load(t, s.full, s.posts)
	after := s.counts(t)
	for i, table := range countedTables {
		// Requests under way when the load ends may be accepted, though nobody counts the answer.
		if grown := after[i] - before[i]; grown < r.times || grown > r.times+conns {
			t.Errorf("%d orders were accepted, yet %s grew by %d", r.times, table, grown)
		}
	}
	return r
}

func (s *stage) statements(t *testing.T) rate {
	t.Helper()
	before := s.counts(t)
	r := s.sql.run(t)
	if after := s.counts(t); after[0]-before[0] < r.times {
		t.Fatalf("%d rounds of the statements stored %d tasks", r.times, after[0]-before[0])
	}
	return r
}

// profile records both services during the middle round, when asked to.
func (s *stage) profile(t *testing.T, round int, name string) (stop func()) {
	t.Helper()
	dir := os.Getenv("EGGAPI_BENCH_PROFILE")
	if dir == "" || round != rounds/2 {
		return func() {}
	}
	stopFull := s.full.profile(t, filepath.Join(dir, name+"-full.pprof"))
	stopBare := s.bare.profile(t, filepath.Join(dir, name+"-bare.pprof"))
	return func() {
		stopFull()
		stopBare()
	}
}

// warmUp fills caches and pools, and shows that both services give the same answer.
func (s *stage) warmUp(t *testing.T) {
	t.Helper()
	if full, bare := s.full.body(t, sampleTask, s.keys[0]), s.bare.body(t, sampleTask, s.keys[0]); full != bare {
		t.Fatalf("the two services do not answer alike:\n%s\n%s", full, bare)
	}
	s.load(t, s.bare, s.gets)
	s.load(t, s.full, s.gets)
	s.load(t, s.full, s.posts)
	s.sql.run(t)
}
