package ratelimit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// watched runs health over a store that is well or not, in a time of its own, and notes when it was tried.
type watched struct {
	*health
	mu    sync.Mutex
	begun time.Time
	tries []time.Duration
}

func watch(t *testing.T, sick error) *watched {
	t.Helper()
	w := &watched{begun: time.Now(), health: newHealth(SharedConfig{
		Clock: time.Now, Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
	})}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		w.run(ctx, func(context.Context) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.tries = append(w.tries, time.Since(w.begun))
			return sick
		})
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	synctest.Wait()
	return w
}

// since gives when the store was tried after a moment, counted from it.
func (w *watched) since(from time.Duration) []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var tries []time.Duration
	for _, at := range w.tries {
		if at > from {
			tries = append(tries, at-from)
		}
	}
	return tries
}

func (w *watched) fail() {
	for range fallAfter {
		w.note(errBroken)
	}
	synctest.Wait()
}

func TestHealth_SickStoreIsTriedEverMoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, errors.New("sick"))
		time.Sleep(20 * time.Second)
		var want []time.Duration
		for _, milliseconds := range []int{250, 750, 1750, 3750, 7750, 11750, 15750, 19750} {
			want = append(want, time.Duration(milliseconds)*time.Millisecond)
		}
		if diff := cmp.Diff(want, w.since(0)); diff != "" {
			t.Errorf("tried at: %s", diff)
		}
		if w.up.Load() {
			t.Error("a sick store is asked")
		}
	})
}

func TestHealth_WellStoreIsAskedUntilManyFailuresInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, nil)
		for _, well := range []bool{false, true} {
			for range fallAfter - 1 {
				w.note(errBroken)
			}
			if !w.up.Load() {
				t.Fatal("fell too soon")
			}
			if !well {
				w.note(nil)
			}
		}
		w.note(errBroken)
		if w.up.Load() {
			t.Error("so many in a row are not enough")
		}
	})
}

func TestHealth_StoreThatFallsAgainAndAgainIsTriedEverMoreSeldomUntilItHasBeenWellForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, nil)
		for _, milliseconds := range []int{250, 500, 1000, 2000, 4000, 4000} {
			want := time.Duration(milliseconds) * time.Millisecond
			fell := time.Since(w.begun)
			w.fail()
			time.Sleep(5 * time.Second)
			if tries := w.since(fell); len(tries) != 1 || tries[0] != want {
				t.Errorf("tried again after %v, want %v", tries, want)
			}
		}
		time.Sleep(calm)
		fell := time.Since(w.begun)
		w.fail()
		time.Sleep(leastPause)
		synctest.Wait()
		if tries := w.since(fell); len(tries) != 1 || !w.up.Load() {
			t.Errorf("after a calm time tried again after %v", tries)
		}
	})
}
