package ratelimit

import (
	"context"
	"time"
)

// rememberTries is for a key that many requests note at the same moment; what is lost is only a trip to the store saved.
const rememberTries = 3

// allowTogether has the shared store decide. ok is false when it could not.
//
// This process remembers what each key had used by the store's last answers. Nothing but time gives a budget back, so
// who is over by that memory is refused without asking: a flood costs the store no more than what it may let through.
// When the store fails this process goes on from the same memory, so that nobody gets a fresh burst by that.
func (l *Limiter) allowTogether(ctx context.Context, key string, cost int) (result Result, ok bool) {
	if !l.shared.health.up.Load() {
		return Result{}, false
	}
	take, room := time.Duration(cost)*l.step, time.Duration(l.rule.Burst)*l.step
	until, now, err := l.store.GetWithTime(ctx, key)
	if err != nil {
		return Result{}, false
	}
	used := max(0, time.Duration(until-now.UnixNano()))
	if over := used + take - room; over > 0 && cost > 0 {
		return l.resultOf(verdict{used: min(used, room), over: over}), true
	}
	v, err := l.shared.decide(ctx, ask{key: key, take: take, room: room})
	if err != nil {
		return Result{}, false
	}
	l.remember(ctx, key, v.used)
	return l.resultOf(v), true
}

func (l *Limiter) resultOf(v verdict) Result {
	return Result{
		Allowed: v.allowed, Limit: l.rule.Burst, ResetAfter: v.used, RetryAfter: v.over,
		Remaining: l.rule.Burst - int((v.used+l.step-1)/l.step),
	}
}

// remember notes how much of its budget a key has used, unless more is known already.
func (l *Limiter) remember(ctx context.Context, key string, used time.Duration) {
	for range rememberTries {
		known, now, err := l.store.GetWithTime(ctx, key)
		until := now.Add(used).UnixNano()
		if err != nil || used <= 0 || known >= until {
			return
		}
		var noted bool
		if known == -1 {
			noted, err = l.store.SetIfNotExistsWithTTL(ctx, key, until, used)
		} else {
			noted, err = l.store.CompareAndSwapWithTTL(ctx, key, known, until, used)
		}
		if err != nil || noted {
			return
		}
	}
}
