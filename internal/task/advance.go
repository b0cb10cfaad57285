package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/provider"
)

var errLeaseLost = errors.New("another worker took the task over")

// Advancer works tasks off the queue.
type Advancer struct {
	river.WorkerDefaults[AdvanceArgs]
	// Node gives what tasks are worked with. It is asked when work begins, since the queue's client
	// is made from its workers and the work needs the client.
	Node func() Deps
}

// Timeout is none: a task's own deadline bounds the work, and its lease tells whether the worker lives.
func (a *Advancer) Timeout(*river.Job[AdvanceArgs]) time.Duration { return -1 }

// NextRetry comes soon, since what failed here is ours, not a provider's.
func (a *Advancer) NextRetry(job *river.Job[AdvanceArgs]) time.Time {
	return a.Node().Clock().Add(time.Duration(job.Attempt) * time.Second)
}

// Work takes a task as far as it can go without waiting. Run again at any point, it goes on
// from what is stored; for a task that has ended or is another worker's it does nothing.
func (a *Advancer) Work(ctx context.Context, job *river.Job[AdvanceArgs]) error {
	d := a.Node()
	w := &work{Deps: d, taskID: job.Args.TaskID, owner: fmt.Sprintf("%s/%d", d.Node, job.ID)}
	t, err := w.lease(ctx)
	if pg.NoRows(err) {
		return nil
	}
	if err != nil {
		return fault.Wrap(err, "lease a task")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx, stop := context.WithDeadline(ctx, t.DeadlineAt)
	defer stop()
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		w.keepLease(ctx, cancel)
	}()
	wait, err := w.run(ctx, t)
	late := errors.Is(ctx.Err(), context.DeadlineExceeded)
	cancel(nil)
	<-kept // or a renewal under way would outlast the release
	defer w.release(ctx)
	switch {
	case late:
		return d.end(context.WithoutCancel(ctx), t.ID, provider.TimeoutFailure)
	case err != nil:
		return err
	case wait > 0:
		return river.JobSnooze(wait)
	}
	return nil
}

// work is one worker's hold on one task.
type work struct {
	Deps
	taskID string
	owner  string
	inputs []provider.Input // fetched once per run
}

func (w *work) lease(ctx context.Context) (db.Task, error) {
	return pg.Q.TaskLeaseAnyOwner(ctx, w.Pool, db.TaskLeaseAnyOwnerParams{
		ID: w.taskID, LeaseOwner: w.owner, LeaseSeconds: int32(w.leaseSeconds()), //nolint:gosec // a small setting
	})
}

// keepLease renews the lease and stops the work when it was lost, as after a long pause of this process.
func (w *work) keepLease(ctx context.Context, cancel context.CancelCauseFunc) {
	every := time.NewTicker(time.Duration(w.leaseSeconds()) * time.Second / 3)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			if _, err := w.lease(ctx); pg.NoRows(err) {
				cancel(errLeaseLost)
				return
			}
		}
	}
}

func (w *work) release(ctx context.Context) {
	// The lease runs out by itself when this fails.
	_, _ = pg.Q.TaskLeaseReleaseAnyOwner(context.WithoutCancel(ctx), w.Pool,
		db.TaskLeaseReleaseAnyOwnerParams{ID: w.taskID, LeaseOwner: w.owner})
}

// run goes from step to step until the task ends (0) or has to wait.
func (w *work) run(ctx context.Context, t db.Task) (time.Duration, error) {
	routes, err := w.routes(ctx, t)
	if err != nil {
		return 0, err
	}
	if err := w.abandonLostCalls(ctx); err != nil {
		return 0, err
	}
	for ctx.Err() == nil {
		p, err := w.progress(ctx, t, routes)
		if err != nil {
			return 0, err
		}
		todo := p.next()
		if todo.over() {
			return 0, w.end(ctx, t.ID, failureOf(todo.failure))
		}
		if len(todo.calls) > 0 {
			if err := w.fetchInputs(ctx, t); err != nil {
				return 0, w.end(ctx, t.ID, provider.InputImageFailure)
			}
		}
		wait, err := w.step(ctx, t, todo)
		if err != nil || wait > 0 {
			return wait, err
		}
	}
	return 0, context.Cause(ctx)
}

func failureOf(c provider.Class) provider.Failure {
	if c == "" {
		return provider.UnavailableFailure
	}
	return provider.PublicFailure(c)
}

func (w *work) progress(ctx context.Context, t db.Task, routes []provider.Route) (progress, error) {
	attempts, err := pg.Q.AttemptList(ctx, w.Pool, t.ID)
	if err != nil {
		return progress{}, fault.Wrap(err, "list attempts")
	}
	outputs, err := pg.Q.OutputListAnyOwner(ctx, w.Pool, t.ID)
	if err != nil {
		return progress{}, fault.Wrap(err, "list outputs")
	}
	return progress{task: t, routes: routes, attempts: attempts, outputs: outputs, now: w.Clock()}, nil
}

// routes gives the ways a task may go: the sandbox alone for test tasks, else what the catalogue says and this
// process can reach.
func (w *work) routes(ctx context.Context, t db.Task) ([]provider.Route, error) {
	if t.Environment != EnvironmentLive {
		return []provider.Route{{ID: "sandbox", Provider: "sandbox", UpstreamModel: "sandbox", Caps: provider.SandboxCaps()}}, nil
	}
	rows, err := pg.Q.RouteList(ctx, w.Pool, t.Model)
	if err != nil {
		return nil, fault.Wrap(err, "list routes")
	}
	var routes []provider.Route
	for _, row := range rows {
		if w.Providers[row.Provider] == nil || (row.Provider == "sandbox" && !w.SandboxForLive) {
			continue
		}
		route := provider.Route{ID: row.ID, Provider: row.Provider, UpstreamModel: row.UpstreamModel, Priority: int(row.Priority)}
		if err := errors.Join(json.Unmarshal(row.Caps, &route.Caps), json.Unmarshal(row.CostMicros, &route.CostMicros)); err != nil {
			return nil, fault.Wrap(err, "read route "+row.ID)
		}
		routes = append(routes, route)
	}
	return routes, nil
}

// fetchInputs gets the images to work from. The customer's URLs go no further than this process.
func (w *work) fetchInputs(ctx context.Context, t db.Task) error {
	if w.inputs != nil || len(t.ImageURLs) == 0 {
		return nil
	}
	inputs := make([]provider.Input, len(t.ImageURLs))
	err := inParallel(len(inputs), func(i int) error {
		image, err := w.Images.Image(ctx, t.ImageURLs[i])
		if err != nil {
			return err
		}
		inputs[i] = provider.Input{Data: image.Data, MIME: image.MIME, Width: image.Width, Height: image.Height}
		return nil
	})
	if err != nil {
		w.Logger.InfoContext(ctx, "an input image was not to be had", "task_id", t.ID, "error", err)
		return err
	}
	w.inputs = inputs
	return nil
}
