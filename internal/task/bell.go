package task

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// bell wakes the workers of queues. The first ring is sent at once; those that come within a pause after it are sent
// together at its end, so that none is lost and not every task costs one.
type bell struct {
	wake   func(ctx context.Context, queues ...string) error
	logger *slog.Logger

	mu      sync.Mutex
	due     map[string]bool
	ringing bool
	closed  bool
}

const (
	ringTimeout = 5 * time.Second
	ringPause   = 4 * time.Millisecond
)

// ring wakes the workers of queues, and returns at once.
func (b *bell) ring(ctx context.Context, queues ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.wake == nil {
		return
	}
	if b.due == nil {
		b.due = map[string]bool{}
	}
	for _, q := range queues {
		b.due[q] = true
	}
	if b.ringing || len(b.due) == 0 {
		return
	}
	b.ringing = true
	go b.send(context.WithoutCancel(ctx))
}

// ringAfter wakes the workers of a queue in a while, as for a job that is due then.
func (b *bell) ringAfter(ctx context.Context, wait time.Duration, queue string) {
	ctx = context.WithoutCancel(ctx)
	time.AfterFunc(wait, func() { b.ring(ctx, queue) })
}

func (b *bell) send(ctx context.Context) {
	for queues := b.take(); len(queues) > 0; queues = b.take() {
		limit, cancel := context.WithTimeout(ctx, ringTimeout)
		if err := b.wake(limit, queues...); err != nil {
			// The workers' own poll makes it good.
			b.logger.WarnContext(ctx, "the workers could not be woken", "error", err)
		}
		cancel()
		time.Sleep(ringPause)
	}
}

func (b *bell) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var queues []string
	for q := range b.due {
		queues = append(queues, q)
	}
	clear(b.due)
	b.ringing = len(queues) > 0
	return queues
}

func (b *bell) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}
