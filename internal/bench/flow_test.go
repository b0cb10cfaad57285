//go:build system

package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	lookEvery  = 3 * time.Millisecond
	flowPeriod = 60 * time.Second // for what is under way at the end to be completed
)

// flowed is what came of tasks in a closed loop.
type flowed struct {
	Completed int     // within the time
	Accepted  int     // in all; each was completed in the end
	Seconds   float64 // how long orders were placed
}

func (f flowed) rate() rate { return rate{times: f.Completed, seconds: f.Seconds} }

// flow keeps tasks in flight for some seconds in a process of its own, and waits until the webhooks are out.
func (d *database) flow(t *testing.T, nodes []*service, orders string, seconds float64) flowed {
	t.Helper()
	o := order{Part: "flow", DatabaseURL: d.url, RequestsPath: orders, Conns: inFlight, Seconds: seconds}
	for _, n := range nodes {
		o.Addrs = append(o.Addrs, n.addr)
	}
	before := d.count(t, "tasks")
	out, err := command(t, o).Output()
	if err != nil {
		t.Fatalf("flow: %v", err)
	}
	var f flowed
	if err := json.Unmarshal(out, &f); err != nil || f.Completed == 0 {
		t.Fatalf("nothing was measured: %q %v", out, err)
	}
	if grown := d.count(t, "tasks") - before; grown != f.Accepted {
		t.Errorf("%d orders were accepted, yet there are %d more tasks", f.Accepted, grown)
	}
	d.awaitHooks(t)
	return f
}

// awaitHooks waits until every event has been delivered.
func (d *database) awaitHooks(t *testing.T) {
	t.Helper()
	awaitWithin(t, flowPeriod, "every webhook is out", func() bool {
		return d.count(t, "webhook_events where status = 'pending'") == 0
	})
}

// flow is the part of the process that orders, and looks from outside when each task is done.
func flow(ctx context.Context, o order) error {
	requests, err := readRequests(o.RequestsPath)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, o.DatabaseURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	watch := &watch{open: map[string]chan struct{}{}}
	lookCtx, stopLooking := context.WithCancel(ctx)
	defer stopLooking()
	looked := make(chan error, 1)
	go func() { looked <- watch.run(lookCtx, conn) }()

	var accepted, completed atomic.Int64
	errs := make([]error, o.Conns)
	var wg sync.WaitGroup
	start := time.Now()
	until := start.Add(o.duration())
	for i := range o.Conns {
		wg.Go(func() {
			errs[i] = orderOver(ctx, ordering{o.Addrs[i%len(o.Addrs)], requests, until, watch, &accepted, &completed})
		})
	}
	wg.Wait()
	stopLooking()
	if err := errors.Join(append(errs, <-looked)...); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(flowed{Completed: int(completed.Load()), Accepted: int(accepted.Load()), Seconds: o.Seconds})
}

// ordering is one of the places in flight.
type ordering struct {
	addr                string
	requests            []string
	until               time.Time
	watch               *watch
	accepted, completed *atomic.Int64
}

func orderOver(ctx context.Context, o ordering) error {
	c, err := dial(ctx, o.addr, o.until.Add(flowPeriod))
	if err != nil {
		return err
	}
	defer c.close()
	for time.Now().Before(o.until) {
		a, err := c.ask(o.requests[rand.IntN(len(o.requests))])
		if err == nil && a.status != http.StatusAccepted {
			err = fmt.Errorf("answered %d", a.status)
		}
		if err != nil {
			return err
		}
		o.accepted.Add(1)
		select {
		case <-o.watch.done(a.taskID()):
		case <-time.After(flowPeriod):
			return fmt.Errorf("task %s was not completed", a.taskID())
		}
		if time.Now().Before(o.until) {
			o.completed.Add(1)
		}
	}
	return nil
}

// watch tells of open tasks when they are done.
type watch struct {
	mu   sync.Mutex
	open map[string]chan struct{}
}

// done gives a channel that is closed once the task was seen to be completed.
func (w *watch) done(taskID string) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := make(chan struct{})
	w.open[taskID] = seen
	return seen
}

// run looks every few milliseconds, by one statement over the open tasks, until ctx ends.
func (w *watch) run(ctx context.Context, conn *pgx.Conn) error {
	for ctx.Err() == nil {
		if err := w.look(ctx, conn); err != nil && ctx.Err() == nil {
			return err
		}
		time.Sleep(lookEvery)
	}
	return nil
}

func (w *watch) look(ctx context.Context, conn *pgx.Conn) error {
	w.mu.Lock()
	ids := make([]string, 0, len(w.open))
	for id := range w.open {
		ids = append(ids, id)
	}
	w.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	rows, err := conn.Query(ctx, "select id from tasks where id = any($1) and status = 'completed'", ids)
	if err != nil {
		return err
	}
	done, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range done {
		close(w.open[id])
		delete(w.open, id)
	}
	return nil
}
