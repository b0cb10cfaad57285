package task

import (
	"context"
	"errors"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/provider"
)

const (
	sweepEvery = 5 * time.Second
	sweepRows  = 200
)

// Sweep looks every 5 s, until the context ends, for tasks that nobody will advance. Any number of processes may
// sweep at once: each act is guarded by the task's own state.
func (t *Tasks) Sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := t.SweepOnce(ctx); err != nil && ctx.Err() == nil {
			t.Logger.WarnContext(ctx, "the sweep for lost tasks failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// SweepOnce ends what is past its deadline, gives up on what broke every worker that tried, and queues the rest of
// what was lost again.
func (t *Tasks) SweepOnce(ctx context.Context) error {
	late, err := pg.Q.TaskSweepLateAnyOwner(ctx, t.Pool, sweepRows)
	if err != nil {
		return fault.Wrap(err, "look for late tasks")
	}
	// One task that cannot be helped must not keep the others waiting.
	var failures []error
	for _, taskID := range late {
		failures = append(failures, t.end(ctx, taskID, provider.TimeoutFailure))
	}
	lost, err := pg.Q.TaskSweepLostAnyOwner(ctx, t.Pool, db.TaskSweepLostAnyOwnerParams{
		LeaseSeconds: int32(t.leaseSeconds()), RowLimit: sweepRows, //nolint:gosec // a small setting
	})
	if err != nil {
		return fault.Wrap(err, "look for lost tasks")
	}
	for _, l := range lost {
		failures = append(failures, t.rescue(ctx, l))
	}
	return errors.Join(failures...)
}

func (t *Tasks) rescue(ctx context.Context, l db.TaskSweepLostAnyOwnerRow) error {
	if l.Discarded {
		return t.end(ctx, l.ID, provider.UnavailableFailure)
	}
	t.Logger.WarnContext(ctx, "a lost task was queued again", "task_id", l.ID)
	return pg.InTx(ctx, t.Pool, func(tx pg.Tx) error {
		job, err := t.River.InsertTx(ctx, tx, AdvanceArgs{TaskID: l.ID}, nil)
		if err != nil {
			return fault.Wrap(err, "queue a task again")
		}
		err = pg.Q.TaskSetJobAnyOwner(ctx, tx, db.TaskSetJobAnyOwnerParams{ID: l.ID, JobID: job.Job.ID})
		return fault.Wrap(err, "note the new job")
	})
}
