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
	{"limits", measureLimits},
	{"end-to-end", measureEndToEnd},
	{"latency", measureLatency},
	{"overload", measureOverload},
	{"fairness", measureFairness},
	{"nodes", measureNodes},
	{"idle", measureIdle},
	{"memory", measureMemory},
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
	steady   time.Duration // one load at a steady rate
	idle     time.Duration
	loadName string
	sqlName  string

	overloads           int           // rounds
	before, over, after time.Duration // of a round of overload, whole seconds
}

// TestBench measures every figure and fails under a floor of marks_test.go; a missed goal is only told. With -short
// each figure is touched in a few seconds, which is too little to judge.
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
	b.sheet.tell(t, b.about(t))
}

func newPace(t *testing.T) pace {
	t.Helper()
	p := pace{
		rounds: 5, slices: 2, slice: 2 * time.Second, flow: 4 * time.Second, steady: 12 * time.Second, idle: 20 * time.Second,
		overloads: 3, before: 4 * time.Second, over: 10 * time.Second, after: 8 * time.Second,
	}
	if testing.Short() {
		p = pace{
			rounds: 1, slices: 1, slice: time.Second, flow: time.Second, steady: time.Second, idle: 2 * time.Second,
			overloads: 1, before: time.Second, over: 2 * time.Second, after: 2 * time.Second,
		}
	}
	p.loadName, p.sqlName = loadName(), findPgbench()
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
