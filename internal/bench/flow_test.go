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

// flowPeriod is how long what is under way at the end may take to be completed.
const flowPeriod = 60 * time.Second

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
	watch := newWatch()
	stopLooking := watch.start(ctx, conn)

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
	if err := errors.Join(errors.Join(errs...), stopLooking()); err != nil {
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
		done := make(chan struct{})
		o.watch.add(a.taskID(), func(time.Time) { close(done) })
		select {
		case <-done:
		case <-time.After(flowPeriod):
			return fmt.Errorf("task %s was not completed", a.taskID())
		}
		if time.Now().Before(o.until) {
			o.completed.Add(1)
		}
	}
	return nil
}
