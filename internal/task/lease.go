package task

import (
	"context"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/pg/coalesce"
)

// leaseRequest asks for the sole right to work on a task.
type leaseRequest struct{ taskID, owner string }

// lease is a task with all that is known of it, for the one who may work on it.
type lease struct {
	held     bool // else the task has ended or is another worker's
	task     db.Task
	attempts []db.Attempt // oldest first
	outputs  []db.Output
}

// leaseSet takes or renews leases. The commit is not waited for to be durable: a lease lost in a crash of the database is
// one nobody acted on, since the note of a call, which is durable, is written by the lease's owner alone and after it.
func (t *Tasks) leaseSet(ctx context.Context, set []leaseRequest) ([]coalesce.Reply[lease], error) {
	asked := db.TaskLeaseSetAnyOwnerParams{LeaseSeconds: int32(t.leaseSeconds())} //nolint:gosec // a small setting
	for _, r := range set {
		asked.IDs = append(asked.IDs, r.taskID)
		asked.LeaseOwners = append(asked.LeaseOwners, r.owner)
	}
	var rows []db.Task
	var known history
	err := pg.InPipe(ctx, t.Pool, func(p *pg.Pipe) error {
		p.Note("set local synchronous_commit to off")
		leased := pg.Q.TaskLeaseSetAnyOwner(ctx, p, []db.TaskLeaseSetAnyOwnerParams{asked})
		histories := noteHistories(ctx, p, asked.IDs)
		if err := p.Send(ctx); err != nil {
			return err
		}
		var err error
		if rows, err = pg.Rows(leased.Query); err != nil {
			return err
		}
		known, err = histories.read()
		return err
	})
	if err != nil {
		return nil, fault.Wrap(err, "lease tasks")
	}
	tasks := make(map[string]db.Task, len(rows))
	for _, row := range rows {
		tasks[row.ID] = row
	}
	replies := make([]coalesce.Reply[lease], len(set))
	for i, r := range set {
		row, ok := tasks[r.taskID]
		// Of two jobs for one task in a set, one has the lease.
		if ok && *row.LeaseOwner == r.owner {
			replies[i].Answer = lease{held: true, task: row, attempts: known.attempts[r.taskID], outputs: known.outputs[r.taskID]}
		}
	}
	return replies, nil
}

// history is what was done for some tasks, by task.
type history struct {
	attempts map[string][]db.Attempt // oldest first
	outputs  map[string][]db.Output  // in order
}

// histories are queries that were noted.
type histories struct {
	attempts *db.AttemptListSetBatchResults
	outputs  *db.OutputListSetAnyOwnerBatchResults
}

func noteHistories(ctx context.Context, p *pg.Pipe, taskIDs []string) histories {
	return histories{
		attempts: pg.Q.AttemptListSet(ctx, p, [][]string{taskIDs}), outputs: pg.Q.OutputListSetAnyOwner(ctx, p, [][]string{taskIDs}),
	}
}

func (h histories) read() (history, error) {
	known := history{attempts: map[string][]db.Attempt{}, outputs: map[string][]db.Output{}}
	attempts, err := pg.Rows(h.attempts.Query)
	if err != nil {
		return known, fault.Wrap(err, "list attempts")
	}
	for _, a := range attempts {
		known.attempts[a.TaskID] = append(known.attempts[a.TaskID], a)
	}
	outputs, err := pg.Rows(h.outputs.Query)
	if err != nil {
		return known, fault.Wrap(err, "list outputs")
	}
	for _, o := range outputs {
		known.outputs[o.TaskID] = append(known.outputs[o.TaskID], o)
	}
	return known, nil
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
			if l, err := w.leases.Do(ctx, leaseRequest{w.taskID, w.owner}); err == nil && !l.held {
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
