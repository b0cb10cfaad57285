package task

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/provider"
	"github.com/eggapi/eggapi/internal/storage"
)

// How a step that follows a paid call is kept up while the database or the storage is away.
const (
	persistFor   = 30 * time.Second
	persistPause = 200 * time.Millisecond
)

// classStorage marks a call whose images were made but could not be stored. They are never made again.
const classStorage = provider.Class("storage_failed")

// step makes the calls that are due and asks after those that run. It gives how long to wait
// when nothing but waiting is left.
func (w *work) step(ctx context.Context, p progress, todo plan) (time.Duration, error) {
	waits := make([]time.Duration, len(todo.running))
	err := inParallel(len(todo.running)+len(todo.calls), func(i int) error {
		if i < len(todo.running) {
			var err error
			waits[i], err = w.poll(ctx, p, todo.running[i])
			return err
		}
		return w.submit(ctx, p, todo.calls[i-len(todo.running)])
	})
	if err != nil || len(todo.calls) > 0 {
		return 0, err
	}
	wait := todo.wait
	for _, d := range waits {
		if d == 0 {
			return 0, nil
		}
		if wait == 0 || d < wait {
			wait = d
		}
	}
	return wait, nil
}

// submit makes one call. Its row is there before the call, so that a crash in between is seen and never guessed at.
func (w *work) submit(ctx context.Context, p progress, c call) error {
	t := p.task
	attemptID, err := w.note(ctx, c)
	if err != nil {
		return err
	}
	submission, err := w.Providers[c.route.Provider].Submit(ctx, provider.Request{
		AttemptID: attemptID, UpstreamModel: c.route.UpstreamModel, Prompt: t.Prompt, NegativePrompt: orEmpty(t.NegativePrompt),
		AspectRatio: t.AspectRatio, Resolution: t.Resolution, Count: len(c.images), Inputs: w.inputs, Try: c.try, FirstIndex: int(c.images[0]),
	})
	switch {
	case err != nil:
		return w.failed(ctx, attemptID, err)
	case submission.Ref != nil:
		return w.keepRef(ctx, attemptID, *submission.Ref)
	}
	return w.keepImages(ctx, p, db.Attempt{ID: attemptID, Images: c.images}, submission.Done)
}

func (w *work) keepRef(ctx context.Context, attemptID string, ref provider.Ref) error {
	encoded, err := json.Marshal(ref)
	if err != nil {
		return fault.Wrap(err, "encode a reference")
	}
	return w.persist(ctx, func(ctx context.Context) error {
		_, err := pg.Q.AttemptRunning(ctx, w.Pool, db.AttemptRunningParams{ID: attemptID, Ref: encoded})
		return err
	})
}

// poll asks after a running call. It gives 0 when the call has ended, else when to ask again.
func (w *work) poll(ctx context.Context, p progress, a db.Attempt) (time.Duration, error) {
	var ref provider.Ref
	if err := json.Unmarshal(a.Ref, &ref); err != nil {
		return 0, fault.Wrap(err, "decode a reference")
	}
	upstream := w.Providers[a.Provider]
	if upstream == nil {
		return 0, w.failed(ctx, a.ID, &provider.Error{Class: provider.Fallback, Code: "provider_gone"})
	}
	status, err := upstream.Poll(ctx, ref)
	if err != nil {
		if class, _ := provider.ClassOf(err); class == provider.RetrySame || ctx.Err() != nil {
			return time.Second, context.Cause(ctx) // the question failed, not the call
		}
		return 0, w.failed(ctx, a.ID, err)
	}
	if status.State != provider.Done {
		return max(status.NextPoll, 50*time.Millisecond), nil
	}
	return 0, w.keepImages(ctx, p, a, status.Result)
}

// keepImages stores what a call gave, and ends the task if that was all it lacked. Files come first: a row without its
// file would be a broken promise.
func (w *work) keepImages(ctx context.Context, p progress, a db.Attempt, r *provider.Result) error {
	images := r.Images[:min(len(r.Images), len(a.Images))]
	files := make([]db.Output, len(images))
	err := w.persist(ctx, func(ctx context.Context) error {
		return inParallel(len(images), func(i int) error {
			m := images[i]
			path, err := w.Store.Put(ctx, storage.Object{TaskID: p.task.ID, Index: int(a.Images[i]), MIME: m.MIME, Data: m.Data})
			files[i] = db.Output{
				Image: a.Images[i], Path: path, MIME: m.MIME, SizeBytes: int64(len(m.Data)),
				Width: int32(m.Width), Height: int32(m.Height), //nolint:gosec // bounded by the provider package
			}
			return err
		})
	})
	if err != nil {
		return w.failed(ctx, a.ID, &provider.Error{Class: classStorage, Code: "storage_failed", MaybeCharged: true, Err: err})
	}
	o := outcome{taskID: p.task.ID, made: &made{attemptID: a.ID, costMicros: r.CostMicros, outputs: files}, judge: p.judge}
	return w.persist(ctx, func(ctx context.Context) error {
		ended, err := w.outcomes.Do(ctx, o)
		if ended {
			w.ended.Store(true)
		}
		return err
	})
}

// judge tells whether a task is over once these calls and files are all there is of it.
func (p progress) judge(attempts []db.Attempt, outputs []db.Output) (provider.Failure, bool) {
	p.attempts, p.outputs = attempts, outputs
	todo := p.next()
	return failureOf(todo.failure), todo.over()
}

// failed notes why a call gave nothing. A call cut short by our own shutdown or lost lease is
// ambiguous: the provider may have made the image.
func (w *work) failed(ctx context.Context, attemptID string, cause error) error {
	class, retryAfter := provider.ClassOf(cause)
	if class == provider.Canceled {
		class = provider.Ambiguous
	}
	var e *provider.Error
	if !errors.As(cause, &e) {
		e = &provider.Error{Msg: cause.Error()}
	}
	w.Logger.WarnContext(ctx, "a provider call failed", "task_id", w.taskID, "attempt_id", attemptID,
		"class", string(class), "http_status", e.HTTPStatus, "error_code", e.Code)
	return w.persist(ctx, func(ctx context.Context) error {
		_, err := pg.Q.AttemptFail(ctx, w.Pool, db.AttemptFailParams{
			ID: attemptID, Class: string(class), HttpStatus: orNilInt(e.HTTPStatus), ErrorCode: orNilText(e.Code),
			Detail: orNilText(e.Msg), RetryAfterMs: retryAfter.Milliseconds(), MaybeCharged: e.MaybeCharged || class == provider.Ambiguous,
		})
		return fault.Wrap(err, "end a call")
	})
}

// abandonLostCalls ends the calls a dead worker had sent without noting an answer. Holding the
// lease, this worker knows that nobody waits for them any more.
func (w *work) abandonLostCalls(ctx context.Context, attempts []db.Attempt) (some bool, err error) {
	for _, a := range attempts {
		if a.State != "submitting" {
			continue
		}
		lost := &provider.Error{Class: provider.Ambiguous, Code: "worker_lost", MaybeCharged: true}
		if err := w.failed(ctx, a.ID, lost); err != nil {
			return some, err
		}
		some = true
	}
	return some, nil
}

// persist keeps trying to store the outcome of a call that cannot be made again, even after the task's own
// time is up, for a bounded while.
func (w *work) persist(ctx context.Context, store func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), persistFor)
	defer cancel()
	for {
		err := store(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		w.Logger.WarnContext(ctx, "the outcome of a call could not be stored, and is tried again", "task_id", w.taskID, "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(persistPause):
		}
	}
}

// inParallel runs f for 0 to n-1 at once and gives the first error once all have returned.
func inParallel(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func orNilText(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func orNilInt(n int) *int32 {
	if n == 0 {
		return nil
	}
	v := int32(n) //nolint:gosec // an HTTP status
	return &v
}
