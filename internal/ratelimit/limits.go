package ratelimit

import (
	"sync"
	"time"
)

// maxRules bounds how many limiters are kept; one that is not kept is made anew, which costs little.
const maxRules = 1024

// Limits gives limiters of any rule over one memory of callers: a caller has one budget, whatever rule he is held to at
// the moment. It is safe for concurrent use.
type Limits struct {
	store  Store
	shared *Shared

	mu     sync.RWMutex
	byRule map[Rule]*Limiter
}

// NewLimits makes the memory, in this process for up to 100,000 callers. With shared, which may be nil, budgets are
// common to all processes that share it, for as long as it answers.
func NewLimits(clock func() time.Time, shared *Shared) (*Limits, error) {
	store, err := NewStore(clock)
	if err != nil {
		return nil, err
	}
	return &Limits{store: store, shared: shared, byRule: map[Rule]*Limiter{}}, nil
}

// Of gives the limiter of a rule. It fails on a rule that makes no sense.
func (l *Limits) Of(rule Rule) (*Limiter, error) {
	l.mu.RLock()
	limiter := l.byRule[rule]
	l.mu.RUnlock()
	if limiter != nil {
		return limiter, nil
	}
	limiter, err := NewWithStore(rule, l.store)
	if err != nil {
		return nil, err
	}
	limiter.shared = l.shared
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.byRule) >= maxRules {
		clear(l.byRule)
	}
	l.byRule[rule] = limiter
	return limiter, nil
}
