package coalesce

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"
)

// run answers a set, and sees to it that each of its calls is answered whatever happens.
func (g *Group[Q, A]) run(ctx context.Context, set []*call[Q, A]) {
	replies, err := g.ask(ctx, set)
	for i, c := range set {
		switch {
		case err != nil && (len(set) == 1 || !g.cfg.Apart(err)):
			c.answer(Reply[A]{Err: err})
		case err != nil || (replies[i].Alone && len(set) > 1):
			go g.runApart(ctx, c)
		default:
			c.answer(replies[i])
		}
	}
}

// runApart runs one request of a set by itself. While it waits for its turn nothing is done for it, so its caller may still
// give up, and does not wait for longer than a run may take.
func (g *Group[Q, A]) runApart(ctx context.Context, c *call[Q, A]) {
	patience := time.NewTimer(g.cfg.Timeout)
	defer patience.Stop()
	select {
	case g.apart <- struct{}{}:
	case <-c.ctx.Done():
		c.answer(Reply[A]{Err: c.ctx.Err()})
		return
	case <-patience.C:
		c.answer(Reply[A]{Err: errFull})
		return
	}
	defer func() { <-g.apart }()
	g.run(ctx, []*call[Q, A]{c})
}

// ask calls Run under its time limit. A panic becomes an error of the set: in a goroutine of the group's own it would
// end the process, and in a caller's the slot would be lost.
func (g *Group[Q, A]) ask(ctx context.Context, set []*call[Q, A]) (replies []Reply[A], err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.cfg.Timeout)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			// The panic's value may hold a secret; its type and the stack are enough to find it.
			err = fmt.Errorf("a shared run panicked with a %T\n%s", cause, debug.Stack())
		}
	}()
	requests := make([]Q, len(set))
	for i, c := range set {
		requests[i] = c.request
	}
	replies, err = g.cfg.Run(ctx, requests)
	if err == nil && len(replies) != len(set) {
		return nil, fmt.Errorf("a shared run gave %d replies to %d requests", len(replies), len(set))
	}
	if err == nil && len(set) == 1 && replies[0].Alone {
		return nil, fmt.Errorf("a request that ran alone asked to be run alone")
	}
	return replies, err
}

func (c *call[Q, A]) answer(r Reply[A]) {
	c.reply = r
	close(c.done)
}
