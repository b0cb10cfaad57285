// Package coalesce lets callers share work: what is asked while a run is under way forms the next run.
//
// Owns: who runs with whom, the bound on who waits, what becomes of a set that failed whole.
// Does not own: what a run does; it is given as a function of a set.
// May touch: fault.
// Always true: a request is answered once, with what its own run gave; nothing waits for a timer; with a free slot a request runs at once and alone.
package coalesce

import (
	"context"
	"sync"
	"time"

	"github.com/eggapi/eggapi/internal/fault"
)

// Reply is what one request of a set came to.
type Reply[A any] struct {
	Answer A
	Err    error
	// Alone asks that the request be run once more, by itself: it could not be decided together with the others.
	Alone bool
}

// Config says how a Group works. Run, Slots, MaxSet and MaxWaiting are needed.
type Config[Q, A any] struct {
	// Run answers a set: one Reply for each request, in the same order. An error is the fate of all of them. Its context
	// outlives the callers, who may hang up without harm to the others.
	Run func(ctx context.Context, set []Q) ([]Reply[A], error)
	// Apart tells of an error of Run that nothing was done, so that the requests of a set may be run one by one: what one
	// of them brought about shall not hit the others. Nil = never.
	Apart func(err error) bool
	// Slots is how many sets run at the same time.
	Slots int
	// MaxSet bounds how many requests one run takes.
	MaxSet int
	// MaxWaiting bounds how many requests wait. Who comes on top is refused with SERVICE_UNAVAILABLE.
	MaxWaiting int
	// Timeout bounds one run; 0 = 15 s.
	Timeout time.Duration
}

// Runs of single requests that follow a set which failed whole. They have slots of their own, so that a request that waits
// long for a lock does not hold up the sets behind it.
const apartSlots = 4

var (
	errFull   = fault.New(fault.ServiceUnavailable, "the service is temporarily unavailable").After(time.Second)
	errClosed = fault.New(fault.ServiceUnavailable, "the service is shutting down").After(time.Second)
)

// Group runs requests of one kind. It is safe for concurrent use.
type Group[Q, A any] struct {
	cfg   Config[Q, A]
	apart chan struct{} // a token for each request that is run by itself

	mu      sync.Mutex
	waiting []*call[Q, A] // in the order of their coming; those that gave up stay until they are passed over
	waits   int           // how many of them have not given up
	running int
	closed  bool
	open    sync.WaitGroup // every call that was let in
}

// call is one request on its way.
type call[Q, A any] struct {
	ctx     context.Context // its caller's, which tells whether he still waits
	request Q
	taken   bool // by a run; guarded by the group's mutex
	gone    bool // its caller gave up before that
	reply   Reply[A]
	done    chan struct{}
}

// New makes a group.
func New[Q, A any](c Config[Q, A]) *Group[Q, A] {
	if c.Timeout == 0 {
		c.Timeout = 15 * time.Second
	}
	if c.Apart == nil {
		c.Apart = func(error) bool { return false }
	}
	return &Group[Q, A]{cfg: c, apart: make(chan struct{}, apartSlots)}
}

// Do has a request answered. A caller whose ctx ends before its run began gets the error of ctx, and nothing is done for
// it; once its run has begun it gets the true answer, however late. It fails with SERVICE_UNAVAILABLE when too many wait
// or the group is closed.
func (g *Group[Q, A]) Do(ctx context.Context, request Q) (A, error) {
	c := &call[Q, A]{ctx: ctx, request: request, done: make(chan struct{})}
	alone, err := g.enter(ctx, c)
	if err != nil {
		var none A
		return none, err
	}
	defer g.open.Done()
	if alone {
		g.run(ctx, []*call[Q, A]{c})
		g.pass(ctx)
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		if g.giveUp(c) {
			var none A
			return none, ctx.Err()
		}
		<-c.done
	}
	return c.reply.Answer, c.reply.Err
}

// enter lets a call in. alone says that a slot is free and taken for it; else it waits for its turn.
func (g *Group[Q, A]) enter(ctx context.Context, c *call[Q, A]) (alone bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case g.closed:
		return false, errClosed
	case g.running < g.cfg.Slots:
		g.running++
		c.taken, alone = true, true
	case g.waits >= g.cfg.MaxWaiting:
		return false, errFull
	default:
		g.waiting = append(g.waiting, c)
		g.waits++
	}
	g.open.Add(1)
	return alone, nil
}

// giveUp takes a call out unless a run has it.
func (g *Group[Q, A]) giveUp(c *call[Q, A]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.taken {
		return false
	}
	c.gone = true
	g.waits--
	return true
}

// pass hands a slot on to those who wait, or gives it back.
func (g *Group[Q, A]) pass(ctx context.Context) {
	set := g.next()
	if set == nil {
		return
	}
	go func() {
		for ; set != nil; set = g.next() {
			g.run(ctx, set)
		}
	}()
}

// next takes the set that runs now. Without one, the slot is free again.
func (g *Group[Q, A]) next() []*call[Q, A] {
	g.mu.Lock()
	defer g.mu.Unlock()
	var set []*call[Q, A]
	n := 0
	for ; n < len(g.waiting) && len(set) < g.cfg.MaxSet; n++ {
		if c := g.waiting[n]; !c.gone {
			c.taken = true
			set = append(set, c)
		}
	}
	rest := copy(g.waiting, g.waiting[n:])
	clear(g.waiting[rest:])
	g.waiting = g.waiting[:rest]
	g.waits -= len(set)
	if len(set) == 0 {
		g.running--
	}
	return set
}

// Waiting tells how many requests wait for a run.
func (g *Group[Q, A]) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waits
}

// Close lets nobody in any more and waits, until ctx ends, for all who are.
func (g *Group[Q, A]) Close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	drained := make(chan struct{})
	go func() {
		g.open.Wait()
		close(drained)
	}()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), "wait for those who share a run")
	}
}
