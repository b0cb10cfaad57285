//go:build system

package bench

import (
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// figures are what a run measures, in order. EGGAPI_BENCH_ONLY chooses by name.
var figures = []struct {
	name    string
	measure func(t *testing.T, b *bench)
}{
	{"get", measureGet},
	{"post", measurePost},
	{"post-hot", measurePostHot},
	{"post-single", measurePostSingle},
	{"end-to-end", measureEndToEnd},
	{"door", measureDoor},
}

// bench is one run: what it measures on, how long, and what came of it.
type bench struct {
	pace  pace
	stage *stage
	sheet *sheet
}

// pace is how much is measured.
type pace struct {
	rounds   int
	slices   int           // a side and round
	slice    time.Duration // whole seconds
	flow     time.Duration // one side of a round of tasks from end to end
	loadName string
	sqlName  string
}

// TestBench measures every figure and fails under a floor of marks_test.go; a missed goal is only told.
//
//	EGGAPI_BENCH_ONLY     a regular expression; only the figures whose name it matches
//	EGGAPI_BENCH_SECONDS  how long each slice is; a round has two of each side (2; one of 1 with -short)
//	EGGAPI_BENCH_REPORT   a file for the table as Markdown
//	EGGAPI_BENCH_PROFILE  a folder for CPU profiles of the services, one a comparison
func TestBench(t *testing.T) {
	only, err := regexp.Compile(os.Getenv("EGGAPI_BENCH_ONLY"))
	if err != nil {
		t.Fatalf("EGGAPI_BENCH_ONLY: %v", err)
	}
	b := &bench{pace: newPace(t), stage: newStage(t), sheet: &sheet{}}
	for _, f := range figures {
		if only.MatchString(f.name) {
			t.Run(f.name, func(t *testing.T) { f.measure(t, b) })
		}
	}
	about := b.about(t)
	b.sheet.print(os.Stdout, about)
	if path := os.Getenv("EGGAPI_BENCH_REPORT"); path != "" {
		if err := b.sheet.writeMarkdown(path, about); err != nil {
			t.Errorf("write the report: %v", err)
		}
	}
	for _, r := range b.sheet.results {
		if !r.mark().floor.holds(r.value) {
			t.Errorf("%s: %s, the floor is %s", r.name(), r.shown(), r.mark().floor)
		}
	}
}

func newPace(t *testing.T) pace {
	t.Helper()
	p := pace{rounds: 5, slices: 2, slice: 2 * time.Second, flow: 4 * time.Second, loadName: loadName(), sqlName: findPgbench()}
	if testing.Short() {
		p.rounds, p.slices, p.slice, p.flow = 1, 1, time.Second, 2*time.Second
	}
	if text := os.Getenv("EGGAPI_BENCH_SECONDS"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 1 {
			t.Fatal("EGGAPI_BENCH_SECONDS must be a positive whole number")
		}
		p.slice = time.Duration(seconds) * time.Second
	}
	return p
}

func measureDoor(t *testing.T, b *bench) {
	for _, g := range measureGates() {
		b.sheet.gates = append(b.sheet.gates, g)
		if g.allocs > g.maxAllocs {
			t.Errorf("%s: %d allocations, more than %d", g.name, g.allocs, g.maxAllocs)
		}
	}
}
