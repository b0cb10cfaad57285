package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// Outcomes of an arrival that are no status.
const (
	statusFailed = -1 // no answer
	statusUnsent = -2 // every connection was busy until the end
)

// sample is one arrival. Times count from the start of the run.
type sample struct {
	due, sent, answered time.Duration
	status              int
}

// clock gives times of a run, on the monotonic clock.
type clock struct{ start time.Time }

func (c clock) now() time.Duration { return time.Since(c.start) }

func (c clock) micros(at time.Duration) int64 { return c.start.Add(at).UnixMicro() }

// drive makes the arrivals of a plan and gives what came of each. Each connection takes the next arrival off the
// schedule, waits until it is due, asks, and waits for the answer.
func (p plan) drive(ctx context.Context, out io.Writer) ([]sample, error) {
	callers := make([]*caller, p.conns)
	for i := range callers {
		callers[i] = &caller{addr: p.targets[i%len(p.targets)], timeout: p.timeout}
		if err := callers[i].dial(ctx); err != nil {
			return nil, err
		}
		defer callers[i].close()
	}
	r := &running{plan: p, schedule: newSchedule(p), clock: clock{time.Now().Add(p.delay)}, out: out}
	taken := make([][]sample, p.conns)
	var wg sync.WaitGroup
	for i, c := range callers {
		wg.Go(func() { taken[i] = r.work(ctx, c) })
	}
	wg.Wait()
	var all []sample
	for _, samples := range taken {
		all = append(all, samples...)
	}
	return all, ctx.Err()
}

// running is a plan under way.
type running struct {
	plan
	schedule *schedule
	clock    clock

	mu  sync.Mutex
	out io.Writer
}

func (r *running) work(ctx context.Context, c *caller) (samples []sample) {
	for ctx.Err() == nil {
		n, due, ok := r.schedule.next()
		if !ok {
			break
		}
		s := sample{due: due, status: statusUnsent}
		if wait := due - r.clock.now(); wait > 0 {
			select {
			case <-ctx.Done():
				return samples
			case <-time.After(wait):
			}
		}
		if s.sent = r.clock.now(); s.sent >= r.length {
			s.answered = r.length // at least
		} else {
			r.ask(ctx, c, &s, r.requests[(r.schedule.first+n)%len(r.requests)])
		}
		samples = append(samples, s)
	}
	return samples
}

func (r *running) ask(ctx context.Context, c *caller, s *sample, request string) {
	a, err := c.ask(ctx, request)
	s.status, s.answered = a.status, r.clock.now()
	if err != nil {
		s.status = statusFailed
		return
	}
	if id := a.id(); r.ids && a.status/100 == 2 && id != "" {
		r.mu.Lock()
		defer r.mu.Unlock()
		_, _ = fmt.Fprintln(r.out, id, r.clock.micros(s.due), r.clock.micros(s.answered))
	}
}
