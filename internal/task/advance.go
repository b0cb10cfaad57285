package task

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/provider"
)

var errLeaseLost = errors.New("another worker took the task over")

// Advancer works tasks off the queue.
type Advancer struct {
	river.WorkerDefaults[AdvanceArgs]
	// Tasks gives what tasks are worked with. It is asked when work begins, since the queue's client
	// is made from its workers and the work needs the client.
	Tasks func() *Tasks
}

// Timeout is none: a task's own deadline bounds the work, and its lease tells whether the worker lives.
func (a *Advancer) Timeout(*river.Job[AdvanceArgs]) time.Duration { return -1 }

// NextRetry comes soon, since what failed here is ours, not a provider's.
func (a *Advancer) NextRetry(job *river.Job[AdvanceArgs]) time.Time {
	return a.Tasks().Clock().Add(time.Duration(job.Attempt) * time.Second)
}

// Work takes a task as far as it can go without waiting. Run again at any point, it goes on
// from what is stored; for a task that has ended or is another worker's it does nothing.
func (a *Advancer) Work(ctx context.Context, job *river.Job[AdvanceArgs]) error {
	tasks := a.Tasks()
	w := &work{Tasks: tasks, taskID: job.Args.TaskID, owner: fmt.Sprintf("%s/%d", tasks.Node, job.ID)}
	held, err := tasks.leases.Do(ctx, leaseRequest{w.taskID, w.owner})
	if err != nil {
		return err
	}
	if !held.held {
		return nil
	}
	w.noted = held.noted
	t := held.task
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx, stop := context.WithDeadline(ctx, t.DeadlineAt)
	defer stop()
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		w.keepLease(ctx, cancel)
	}()
	wait, err := w.run(ctx, held)
	late := errors.Is(ctx.Err(), context.DeadlineExceeded)
	cancel(nil)
	<-kept // or a renewal under way would outlast the release
	if w.ended.Load() {
		return nil
	}
	defer w.release(ctx)
	switch {
	case late:
		return tasks.end(context.WithoutCancel(ctx), t.ID, provider.TimeoutFailure)
	case err != nil:
		return err
	case wait > 0:
		tasks.bell.ringAfter(ctx, wait, Queue)
		return river.JobSnooze(wait)
	}
	return nil
}

// work is one worker's hold on one task.
type work struct {
	*Tasks
	taskID string
	owner  string
	noted  []note           // calls that were noted with the lease
	inputs []provider.Input // fetched once per run
	ended  atomic.Bool      // the task has
}

// run goes from step to step until the task ends (0) or has to wait.
func (w *work) run(ctx context.Context, held lease) (time.Duration, error) {
	goods, err := w.catalogue.get(ctx)
	if err != nil {
		return 0, err
	}
	p := progress{task: held.task, routes: w.routes(goods, held.task), attempts: held.attempts, outputs: held.outputs, now: w.Clock()}
	if lost, err := w.abandonLostCalls(ctx, held.attempts); err != nil {
		return 0, err
	} else if lost {
		if p, err = w.reread(ctx, p); err != nil {
			return 0, err
		}
	}
	for ctx.Err() == nil {
		todo := p.next()
		if todo.over() {
			return 0, w.end(ctx, failureOf(todo.failure))
		}
		if len(todo.calls) > 0 {
			if err := w.fetchInputs(ctx, p.task); err != nil {
				return 0, w.end(ctx, provider.InputImageFailure)
			}
		}
		wait, err := w.step(ctx, p, todo)
		if err != nil || wait > 0 || w.ended.Load() {
			return wait, err
		}
		if p, err = w.reread(ctx, p); err != nil {
			return 0, err
		}
	}
	return 0, context.Cause(ctx)
}

func (w *work) end(ctx context.Context, f provider.Failure) error {
	err := w.Tasks.end(ctx, w.taskID, f)
	w.ended.Store(err == nil)
	return err
}

func failureOf(c provider.Class) provider.Failure {
	if c == "" {
		return provider.UnavailableFailure
	}
	return provider.PublicFailure(c)
}

// reread brings p up to what is stored, by renewing the lease.
func (w *work) reread(ctx context.Context, p progress) (progress, error) {
	held, err := w.leases.Do(ctx, leaseRequest{w.taskID, w.owner})
	if err != nil {
		return p, err
	}
	if !held.held {
		return p, errLeaseLost
	}
	p.attempts, p.outputs, p.now = held.attempts, held.outputs, w.Clock()
	return p, nil
}

// routes gives the ways a task may go: the sandbox alone for test tasks, else what the catalogue says and this
// process can reach.
func (t *Tasks) routes(goods *goods, of db.Task) []provider.Route {
	if of.Environment != EnvironmentLive {
		return []provider.Route{{ID: "sandbox", Provider: "sandbox", UpstreamModel: "sandbox", Caps: provider.SandboxCaps()}}
	}
	var routes []provider.Route
	for _, route := range goods.routes[of.Model] {
		if t.Providers[route.Provider] != nil && (route.Provider != "sandbox" || t.SandboxForLive) {
			routes = append(routes, route)
		}
	}
	return routes
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
