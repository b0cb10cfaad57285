package coalesce_test

import (
	"context"
	"errors"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eggapi/eggapi/internal/coalesce"
	"github.com/eggapi/eggapi/internal/fault"
)

func TestDo_WithAFreeSlotRunsAtOnceAloneAndInItsOwnGoroutine(t *testing.T) {
	t.Parallel()
	var stack string
	g := coalesce.New(coalesce.Config[int, string]{
		Run: func(_ context.Context, set []int) ([]coalesce.Reply[string], error) {
			stack = string(debug.Stack())
			return replies(set), nil
		},
		Slots: 1, MaxSet: 8, MaxWaiting: 8,
	})
	for n := range 3 {
		if answer, err := g.Do(t.Context(), n); err != nil || answer != text(n) {
			t.Errorf("told %q and %v", answer, err)
		}
		if !strings.Contains(stack, t.Name()) {
			t.Errorf("the run was another goroutine's:\n%s", stack)
		}
	}
}

func TestDo_WhatComesWhileSlotsAreBusyFormsSetsInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(2, 3, 100)
		all := s.calls(t, 0, 9)
		first, second := s.next(t, 0), s.next(t, 1)
		s.nothingRuns(t)
		if n := s.Waiting(); n != 8 {
			t.Errorf("%d wait, want 8", n)
		}
		first.each()
		third := s.next(t, 2, 3, 4)
		second.each()
		s.next(t, 5, 6, 7).each()
		s.next(t, 8, 9).each()
		all[3].stillWaits(t)
		third.each()
		for _, c := range all {
			c.isAnswered(t)
		}
		late := s.calls(t, 10, 11)
		s.next(t, 10).each()
		s.next(t, 11).each()
		late[0].isAnswered(t)
		late[1].isAnswered(t)
	})
}

func TestDo_WhoGivesUpWhileWaitingIsNotRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1, 8, 100)
		all := s.calls(t, 0, 4)
		first := s.next(t, 0)
		for _, n := range []int{1, 3} {
			all[n].hangUp()
			all[n].failsWith(t, context.Canceled)
		}
		first.each()
		s.next(t, 2, 4).each()
		for _, n := range []int{0, 2, 4} {
			all[n].isAnswered(t)
		}
		// All who wait give up: the slot is free again for the next.
		all = s.calls(t, 5, 7)
		first = s.next(t, 5)
		all[1].hangUp()
		all[2].hangUp()
		synctest.Wait()
		first.each()
		s.nothingRuns(t)
		next := s.call(t, 8)
		s.next(t, 8).each()
		next.isAnswered(t)
	})
}

func TestDo_WhoGivesUpDuringHisRunGetsTheTrueAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1, 8, 100)
		all := s.calls(t, 0, 2)
		for _, set := range [][]int{{0}, {1, 2}} {
			r := s.next(t, set...)
			for _, n := range set {
				all[n].hangUp()
				all[n].stillWaits(t)
			}
			if err := r.ctx.Err(); err != nil {
				t.Errorf("the run of %v was told that %v", set, err)
			}
			r.each()
			for _, n := range set {
				all[n].isAnswered(t)
			}
		}
	})
}

func TestDo_EndedContextIsNotLetIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1, 8, 100)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Do(ctx, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("told %v", err)
		}
		s.nothingRuns(t)
	})
}

func TestDo_TooManyWaitingAreRefusedAndWhoGivesUpFreesAPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1, 8, 2)
		all := s.calls(t, 0, 3)
		if g := all[3].result(t); fault.CodeOf(g.err) != fault.ServiceUnavailable {
			t.Errorf("the third who would wait was told %v", g.err)
		}
		all[1].hangUp()
		all[1].failsWith(t, context.Canceled)
		place := s.call(t, 4)
		s.next(t, 0).each()
		s.next(t, 2, 4).each()
		place.isAnswered(t)
		all[2].isAnswered(t)
	})
}

func TestDo_SetThatFailedWithNothingDoneIsRunOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1, 8, 100)
		all := s.calls(t, 0, 4)
		s.next(t, 0).each()
		s.next(t, 1, 2, 3, 4).fate <- fate{err: errApart}
		synctest.Wait()
		for range 4 {
			r := <-s.runs
			if len(r.set) != 1 {
				t.Fatalf("after the failure %v run together", r.set)
			}
			if r.set[0] == 3 {
				r.fate <- fate{err: errApart}
				continue
			}
			r.each()
		}
		s.nothingRuns(t)
		all[3].failsWith(t, errApart)
		for _, n := range []int{0, 1, 2, 4} {
			all[n].isAnswered(t)
		}
	})
}

func TestDo_RunsOneByOneDoNotHoldUpTheNextSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1, 2, 100)
		all := s.calls(t, 0, 3)
		s.next(t, 0).each()
		s.next(t, 1, 2).fate <- fate{err: errApart}
		synctest.Wait()
		begun := map[int]run{}
		for range 3 {
			r := <-s.runs
			begun[r.set[0]] = r
		}
		if r := begun[3]; len(r.set) != 1 {
			t.Fatalf("begun are %v", begun)
		}
		for _, r := range begun {
			r.each()
		}
		for _, c := range all {
			c.isAnswered(t)
		}
	})
}

func TestDo_WhoWaitsToBeRunByHimselfMayGiveUpAndDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1, 8, 100)
		all := s.calls(t, 0, 7)
		s.next(t, 0).each()
		s.next(t, 1, 2, 3, 4, 5, 6, 7).fate <- fate{err: errApart}
		synctest.Wait()
		begun := map[int]run{}
		for range 4 {
			r := <-s.runs
			begun[r.set[0]] = r
		}
		s.nothingRuns(t)
		var waiting []caller
		for _, c := range all[1:] {
			if r := begun[c.n]; r.set == nil {
				waiting = append(waiting, c)
			}
		}
		waiting[0].hangUp()
		waiting[0].failsWith(t, context.Canceled)
		waiting[1].stillWaits(t)
		time.Sleep(16 * time.Second) // in the bubble's own time
		for _, c := range waiting[1:] {
			if err := c.result(t).err; fault.CodeOf(err) != fault.ServiceUnavailable {
				t.Errorf("caller %d was told %v", c.n, err)
			}
		}
		for n, r := range begun {
			r.each()
			all[n].isAnswered(t)
		}
		s.nothingRuns(t)
	})
}

func TestDo_SetThatMayHaveDoneSomethingIsNeverRunAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1, 8, 100)
		all := s.calls(t, 0, 3)
		s.next(t, 0).each()
		s.next(t, 1, 2, 3).fate <- fate{err: errTorn}
		s.nothingRuns(t)
		for _, c := range all[1:] {
			c.failsWith(t, errTorn)
		}
	})
}

func TestDo_WhoAsksToBeRunAloneIsRunAfterTheSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1, 8, 100)
		all := s.calls(t, 0, 3)
		s.next(t, 0).each()
		r := s.next(t, 1, 2, 3)
		together := replies(r.set)
		together[1] = coalesce.Reply[string]{Answer: "not to be told", Alone: true}
		r.fate <- fate{replies: together}
		all[1].isAnswered(t)
		all[3].isAnswered(t)
		all[2].stillWaits(t)
		all[2].hangUp() // too late: it has been in a run
		s.next(t, 2).each()
		all[2].isAnswered(t)
		// Alone already, it cannot ask for it again.
		again := s.call(t, 4)
		s.next(t, 4).fate <- fate{replies: []coalesce.Reply[string]{{Alone: true}}}
		if g := again.result(t); g.err == nil {
			t.Error("a lone request was put off for ever")
		}
	})
}

func TestDo_ReplyCarriesItsOwnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1, 8, 100)
		all := s.calls(t, 0, 2)
		s.next(t, 0).each()
		s.next(t, 1, 2).fate <- fate{replies: []coalesce.Reply[string]{{Err: errTorn}, {Answer: text(2)}}}
		all[1].failsWith(t, errTorn)
		all[2].isAnswered(t)
	})
}

func TestDo_PanicIsAnErrorOfItsSetAndTheSlotIsNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1, 8, 100)
		all := s.calls(t, 0, 2)
		for _, set := range [][]int{{0}, {1, 2}} {
			s.next(t, set...).fate <- fate{panics: "canary"}
			for _, n := range set {
				g := all[n].result(t)
				if g.err == nil || strings.Contains(g.err.Error(), "canary") {
					t.Errorf("after a panic caller %d was told %q and %v", n, g.answer, g.err)
				}
			}
		}
		next := s.call(t, 3)
		s.next(t, 3).each()
		next.isAnswered(t)
	})
}

func TestDo_WrongNumberOfRepliesIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1, 8, 100)
		all := s.calls(t, 0, 2)
		s.next(t, 0).fate <- fate{}
		s.next(t, 1, 2).fate <- fate{replies: replies([]int{1, 2, 3})}
		for _, c := range all {
			if g := c.result(t); g.err == nil || g.answer != "" {
				t.Errorf("caller %d was told %q and %v", c.n, g.answer, g.err)
			}
		}
	})
}

func TestDo_RunIsBoundedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := coalesce.New(coalesce.Config[int, string]{
			Run: func(ctx context.Context, _ []int) ([]coalesce.Reply[string], error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
			Slots: 1, MaxSet: 8, MaxWaiting: 8, Timeout: 3 * time.Second,
		})
		start := time.Now()
		if _, err := g.Do(t.Context(), 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("after %s told %v", time.Since(start), err)
		}
	})
}

func TestClose_LetsNobodyInAndWaitsForAllWhoAre(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(1, 8, 100)
		all := s.calls(t, 0, 3)
		first := s.next(t, 0)
		impatient, cancel := context.WithCancel(t.Context())
		gaveUp, closed := make(chan error, 1), make(chan error, 1)
		go func() { gaveUp <- s.Close(impatient) }()
		go func() { closed <- s.Close(t.Context()) }()
		synctest.Wait()
		late := s.call(t, 9)
		if g := late.result(t); fault.CodeOf(g.err) != fault.ServiceUnavailable {
			t.Errorf("who came late was told %v", g.err)
		}
		cancel()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) {
			t.Errorf("closing without patience gave %v", err)
		}
		all[2].hangUp()
		all[2].failsWith(t, context.Canceled)
		first.each()
		last := s.next(t, 1, 3)
		select {
		case err := <-closed:
			t.Errorf("closed with two under way: %v", err)
		default:
		}
		last.each()
		if err := <-closed; err != nil {
			t.Errorf("close: %v", err)
		}
		for _, n := range []int{0, 1, 3} {
			all[n].isAnswered(t)
		}
	})
}
