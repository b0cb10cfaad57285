package main

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// schedule says when each request is due, whatever the service does.
type schedule struct {
	plan
	first int // which request the first arrival makes

	mu     sync.Mutex
	random *rand.Rand
	count  int
	last   time.Duration // when the last was due, for random distances
}

func newSchedule(p plan) *schedule {
	random := rand.New(rand.NewPCG(p.seed, 0)) //nolint:gosec // nobody is to be surprised by it
	return &schedule{plan: p, random: random, first: random.IntN(max(1, len(p.requests)))}
}

// next gives the number of the next arrival, from 0, and when it is due after the start. It is false when there are
// no more.
func (s *schedule) next() (n int, due time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poisson {
		due = s.last + time.Duration(s.random.ExpFloat64()/s.rate*float64(time.Second))
	} else {
		due = time.Duration(math.Round(float64(s.count) / s.rate * float64(time.Second)))
	}
	if due >= s.length || s.count >= s.most {
		return 0, 0, false
	}
	s.last = due
	s.count++
	return s.count - 1, due, true
}
