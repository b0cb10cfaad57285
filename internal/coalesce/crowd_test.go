package coalesce_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/eggapi/eggapi/internal/coalesce"
)

// crowd is a group that counts how often each request was run to its end. Of each set some may be put off, or all fail.
type crowd struct {
	*coalesce.Group[int, int]
	ran     []atomic.Int32 // runs that gave an answer
	broken  atomic.Bool    // a run was larger than allowed, or too many ran at once
	running atomic.Int32
}

type crowdPlan struct {
	callers, slots, maxSet int
	putOff, fail           int // one in so many; 0 = none
}

func newCrowd(p crowdPlan) *crowd {
	c := &crowd{ran: make([]atomic.Int32, p.callers)}
	c.Group = coalesce.New(coalesce.Config[int, int]{
		Run:   func(_ context.Context, set []int) ([]coalesce.Reply[int], error) { return c.run(p, set) },
		Apart: func(err error) bool { return errors.Is(err, errApart) },
		Slots: p.slots, MaxSet: p.maxSet, MaxWaiting: p.callers,
	})
	return c
}

// apartSlots of the package run beside the slots.
const apartSlots = 4

func (c *crowd) run(p crowdPlan, set []int) ([]coalesce.Reply[int], error) {
	if int(c.running.Add(1)) > p.slots+apartSlots || len(set) > p.maxSet {
		c.broken.Store(true)
	}
	defer c.running.Add(-1)
	runtime.Gosched()
	if p.fail > 0 && len(set) > 1 && rand.IntN(p.fail) == 0 {
		return nil, errApart
	}
	all := make([]coalesce.Reply[int], len(set))
	for i, n := range set {
		if p.putOff > 0 && len(set) > 1 && rand.IntN(p.putOff) == 0 {
			all[i].Alone = true
			continue
		}
		c.ran[n].Add(1)
		all[i].Answer = n
	}
	return all, nil
}

// face lets the callers come at once, some of whom hang up before, while or after they are run. It gives what each was told.
func (c *crowd) face(ctx context.Context, callers int) (told []error) {
	told = make([]error, callers)
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			ctx, hangUp := context.WithCancel(ctx)
			defer hangUp()
			if n%3 == 0 {
				go func() {
					for range rand.IntN(200) {
						runtime.Gosched()
					}
					hangUp()
				}()
			}
			answer, err := c.Do(ctx, n)
			if err == nil && answer != n {
				err = errors.New("the answer is another's")
			}
			told[n] = err
		})
	}
	all.Wait()
	return told
}

// judge: who was answered was run exactly once, who was told that he hung up was not run at all.
func (c *crowd) judge(told []error) (problem string, hungUp int) {
	for n, err := range told {
		ran := c.ran[n].Load()
		switch {
		case err == nil && ran != 1, errors.Is(err, context.Canceled) && ran != 0:
			return "a caller who was told " + errorText(err) + " was run " + string('0'+ran) + " times", hungUp
		case errors.Is(err, context.Canceled):
			hungUp++
		case err != nil:
			return err.Error(), hungUp
		}
	}
	if c.broken.Load() {
		return "a set was too large, or too many ran at once", hungUp
	}
	return "", hungUp
}

func errorText(err error) string {
	if err == nil {
		return "an answer"
	}
	return err.Error()
}

func TestDo_ThousandCallersWithHangUpsAreEachRunOnceOrTruthfullyNotAtAll(t *testing.T) {
	t.Parallel()
	p := crowdPlan{callers: 1000, slots: 2, maxSet: 64, putOff: 5, fail: 4}
	var hangUps []int
	for range 4 {
		c := newCrowd(p)
		told := c.face(t.Context(), p.callers)
		problem, hungUp := c.judge(told)
		if problem != "" {
			t.Error(problem)
		}
		hangUps = append(hangUps, hungUp)
		if err := c.Close(t.Context()); err != nil || c.Waiting() != 0 {
			t.Errorf("close: %v; %d still wait", err, c.Waiting())
		}
	}
	if slices.Max(hangUps) == 0 {
		t.Error("nobody hung up in time; the test has shown nothing of it")
	}
}

func TestDo_AnyShapeOfGroupRunsEachOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		p := crowdPlan{
			callers: rapid.IntRange(1, 60).Draw(r, "callers"), slots: rapid.IntRange(1, 4).Draw(r, "slots"),
			maxSet: rapid.IntRange(1, 20).Draw(r, "max set"), putOff: rapid.IntRange(0, 3).Draw(r, "put off"),
			fail: rapid.IntRange(0, 3).Draw(r, "fail"),
		}
		c := newCrowd(p)
		if problem, _ := c.judge(c.face(r.Context(), p.callers)); problem != "" {
			r.Error(problem)
		}
		if err := c.Close(r.Context()); err != nil {
			r.Errorf("close: %v", err)
		}
	})
}
