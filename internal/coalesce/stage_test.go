package coalesce_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/eggapi/eggapi/internal/coalesce"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errApart = errors.New("nothing was done")
	errTorn  = errors.New("perhaps something was done")
)

// run is a set on the stage. It stays there until its fate is sent.
type run struct {
	ctx  context.Context
	set  []int
	fate chan fate
}

type fate struct {
	replies []coalesce.Reply[string]
	err     error
	panics  any
}

// stage is a group whose every run is held until the test decides what it gives.
type stage struct {
	*coalesce.Group[int, string]
	runs chan run
}

func newStage(slots, maxSet, maxWaiting int) *stage {
	s := &stage{runs: make(chan run)}
	s.Group = coalesce.New(coalesce.Config[int, string]{
		Run: func(ctx context.Context, set []int) ([]coalesce.Reply[string], error) {
			r := run{ctx: ctx, set: slices.Clone(set), fate: make(chan fate)}
			s.runs <- r
			f := <-r.fate
			if f.panics != nil {
				panic(f.panics)
			}
			return f.replies, f.err
		},
		Apart: func(err error) bool { return errors.Is(err, errApart) },
		Slots: slots, MaxSet: maxSet, MaxWaiting: maxWaiting,
	})
	return s
}

// next gives the run that has begun, which must be there once all that can happen has.
func (s *stage) next(t *testing.T, want ...int) run {
	t.Helper()
	synctest.Wait()
	select {
	case r := <-s.runs:
		if !slices.Equal(r.set, want) {
			t.Fatalf("the run has %v, want %v", r.set, want)
		}
		return r
	default:
		t.Fatalf("no run of %v has begun", want)
		return run{}
	}
}

func (s *stage) nothingRuns(t *testing.T) {
	t.Helper()
	synctest.Wait()
	select {
	case r := <-s.runs:
		t.Fatalf("a run of %v has begun", r.set)
	default:
	}
}

// each answers every request of a run with its own text.
func (r run) each() { r.fate <- fate{replies: replies(r.set)} }

func replies(set []int) []coalesce.Reply[string] {
	all := make([]coalesce.Reply[string], len(set))
	for i, n := range set {
		all[i].Answer = text(n)
	}
	return all
}

func text(n int) string { return fmt.Sprintf("answer to %d", n) }

// caller is a request under way.
type caller struct {
	n      int
	hangUp context.CancelFunc
	gave   chan gave
}

type gave struct {
	answer string
	err    error
}

// call lets a caller in, and returns when he runs or waits.
func (s *stage) call(t *testing.T, n int) caller {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	c := caller{n: n, hangUp: cancel, gave: make(chan gave, 1)}
	go func() {
		answer, err := s.Do(ctx, n)
		c.gave <- gave{answer, err}
	}()
	synctest.Wait()
	return c
}

func (s *stage) calls(t *testing.T, from, to int) []caller {
	t.Helper()
	var all []caller
	for n := from; n <= to; n++ {
		all = append(all, s.call(t, n))
	}
	return all
}

// result is what a caller was told, who must have been by now.
func (c caller) result(t *testing.T) gave {
	t.Helper()
	synctest.Wait()
	select {
	case g := <-c.gave:
		return g
	default:
		t.Fatalf("caller %d was not answered", c.n)
		return gave{}
	}
}

func (c caller) isAnswered(t *testing.T) {
	t.Helper()
	if g := c.result(t); g.err != nil || g.answer != text(c.n) {
		t.Errorf("caller %d was told %q and %v", c.n, g.answer, g.err)
	}
}

func (c caller) failsWith(t *testing.T, want error) {
	t.Helper()
	if g := c.result(t); !errors.Is(g.err, want) || g.answer != "" {
		t.Errorf("caller %d was told %q and %v, want %v", c.n, g.answer, g.err, want)
	}
}

func (c caller) stillWaits(t *testing.T) {
	t.Helper()
	synctest.Wait()
	select {
	case g := <-c.gave:
		t.Errorf("caller %d was told %q and %v too soon", c.n, g.answer, g.err)
	default:
	}
}
