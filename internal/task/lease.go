package task

import (
	"context"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/coalesce"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/pg"
)

// leaseRequest asks for the sole right to work on a task.
type leaseRequest struct{ taskID, owner string }

// lease is a task with all that is known of it, for the one who may work on it.
type lease struct {
	held     bool // else the task has ended or is another worker's
	task     db.Task
	attempts []db.Attempt // oldest first
	outputs  []db.Output
	noted    []note // the first calls, whose rows were written with the lease
}

// leaseSet takes or renews leases, and notes the first calls for tasks that nothing was done for yet: what nearly every task
// needs next. The commit is durable only if calls were noted. A lease lost in a crash of the database is one nobody acted
// on, since a call is noted after its lease, by the lease's owner alone, and made when the note is durable.
func (t *Tasks) leaseSet(ctx context.Context, set []leaseRequest) ([]coalesce.Reply[lease], error) {
	asked := db.TaskLeaseSetAnyOwnerParams{LeaseSeconds: int32(t.leaseSeconds())} //nolint:gosec // a small setting
	for _, r := range set {
		asked.IDs = append(asked.IDs, r.taskID)
		asked.LeaseOwners = append(asked.LeaseOwners, r.owner)
	}
	// Read before the transaction, which may not wait for another connection.
	goods, err := t.catalogue.get(ctx)
	if err != nil {
		return nil, err
	}
	replies := make([]coalesce.Reply[lease], len(set))
	err = pg.InPipe(ctx, t.Pool, func(p *pg.Pipe) error {
		leased := pg.Q.TaskLeaseSetAnyOwner(ctx, p, []db.TaskLeaseSetAnyOwnerParams{asked})
		histories := noteHistories(ctx, p, asked.IDs)
		if err := p.Send(ctx); err != nil {
			return err
		}
		rows, err := pg.Rows(leased.Query)
		if err != nil {
			return err
		}
		known, err := histories.read()
		if err != nil {
			return err
		}
		var first []note
		for i, l := range leases(set, rows, known) {
			l.noted = t.firstCalls(goods, l, set[i].owner)
			first = append(first, l.noted...)
			replies[i].Answer = l
		}
		if len(first) == 0 {
			p.Note("set local synchronous_commit to off")
			return nil
		}
		noteCalls(ctx, p, first)
		return nil
	})
	return replies, fault.Wrap(err, "lease tasks")
}

// leases gives each request what it got. Of two jobs for one task in a set, one has the lease.
func leases(set []leaseRequest, rows []db.Task, known history) []lease {
	tasks := make(map[string]db.Task, len(rows))
	for _, row := range rows {
		tasks[row.ID] = row
	}
	got := make([]lease, len(set))
	for i, r := range set {
		if row, ok := tasks[r.taskID]; ok && *row.LeaseOwner == r.owner {
			got[i] = lease{held: true, task: row, attempts: known.attempts[r.taskID], outputs: known.outputs[r.taskID]}
		}
	}
	return got
}

// firstCalls are the calls that a task needs which nothing was done for yet. Images to work from are fetched first, so with
// them there are none.
func (t *Tasks) firstCalls(goods *goods, l lease, owner string) []note {
	if !l.held || len(l.attempts) > 0 || len(l.task.ImageURLs) > 0 {
		return nil
	}
	todo := progress{task: l.task, routes: t.routes(goods, l.task), outputs: l.outputs, now: t.Clock()}.next()
	var first []note
	for _, c := range todo.calls {
		first = append(first, note{id: id.New(id.Attempt, t.Clock()), taskID: l.task.ID, owner: owner, call: c})
	}
	return first
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
