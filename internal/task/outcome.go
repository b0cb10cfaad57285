package task

import (
	"context"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/coalesce"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/ledger"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/provider"
)

// outcome is what a worker has to say of a task: images that were made, or that its time has come, or both.
type outcome struct {
	taskID string
	made   *made // added first; nil = none
	// judge says, of all that was done for the task, whether it is over, and what to say if it delivered nothing.
	judge func(attempts []db.Attempt, outputs []db.Output) (f provider.Failure, over bool)
}

// made is what a call gave, its files stored.
type made struct {
	attemptID  string
	costMicros int64
	outputs    []db.Output
}

// end ends a task whatever was done for it.
func (t *Tasks) end(ctx context.Context, taskID string, f provider.Failure) error {
	_, err := t.outcomes.Do(ctx, outcome{taskID: taskID, judge: func([]db.Attempt, []db.Output) (provider.Failure, bool) { return f, true }})
	return err
}

// outcomeSet notes what became of tasks, and ends those that are over, inside one transaction: images, state, usage, event,
// hold and ledger change together. The answer tells whether the task has ended. Those that had ended already are left as they
// are, whoever ended them.
func (t *Tasks) outcomeSet(ctx context.Context, set []outcome) ([]coalesce.Reply[bool], error) {
	replies := make([]coalesce.Reply[bool], len(set))
	var announced bool
	err := pg.InPipe(ctx, t.Pool, func(p *pg.Pipe) error {
		taskIDs := tasksOf(set)
		// The lock comes first: what is read and added after it cannot be overtaken by another's end of the task.
		locked := pg.Q.TaskLockSetAnyOwner(ctx, p, [][]string{taskIDs})
		noteMade(ctx, p, set)
		histories := noteHistories(ctx, p, taskIDs)
		books := ledger.LockHolds(ctx, p, taskIDs)
		if err := p.Send(ctx); err != nil {
			return err
		}
		open, err := pg.Rows(locked.Query)
		if err != nil {
			return fault.Wrap(err, "lock tasks")
		}
		known, err := histories.read()
		if err != nil {
			return err
		}
		if err := books.Read(); err != nil {
			return err
		}
		endings := judgeAll(set, open, known)
		failed, some, err := t.settleSet(ctx, p, books, endings)
		if err != nil {
			return err
		}
		announced = some
		for i, o := range set {
			replies[i].Err = failed[o.taskID]
			replies[i].Answer = replies[i].Err == nil && ended(o.taskID, open, endings)
		}
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(err, "note what became of tasks")
	}
	if announced {
		t.bell.ring(ctx, webhookQueue)
	}
	return replies, nil
}

func tasksOf(set []outcome) []string {
	taskIDs := make([]string, 0, len(set))
	seen := make(map[string]bool, len(set))
	for _, o := range set {
		if !seen[o.taskID] {
			seen[o.taskID] = true
			taskIDs = append(taskIDs, o.taskID)
		}
	}
	return taskIDs
}

// noteMade notes the statements that add what was made.
func noteMade(ctx context.Context, p *pg.Pipe, set []outcome) {
	var outputs db.OutputInsertSetAnyOwnerParams
	var attempts db.AttemptSucceedSetParams
	for _, o := range set {
		if o.made == nil {
			continue
		}
		attempts.IDs = append(attempts.IDs, o.made.attemptID)
		attempts.CostsMicros = append(attempts.CostsMicros, o.made.costMicros)
		for _, f := range o.made.outputs {
			outputs.TaskIDs = append(outputs.TaskIDs, o.taskID)
			outputs.Images = append(outputs.Images, f.Image)
			outputs.AttemptIDs = append(outputs.AttemptIDs, o.made.attemptID)
			outputs.Paths = append(outputs.Paths, f.Path)
			outputs.MIMEs = append(outputs.MIMEs, f.MIME)
			outputs.SizesBytes = append(outputs.SizesBytes, f.SizeBytes)
			outputs.Widths = append(outputs.Widths, f.Width)
			outputs.Heights = append(outputs.Heights, f.Height)
		}
	}
	if len(outputs.TaskIDs) > 0 {
		pg.Q.OutputInsertSetAnyOwner(ctx, p, []db.OutputInsertSetAnyOwnerParams{outputs})
	}
	if len(attempts.IDs) > 0 {
		pg.Q.AttemptSucceedSet(ctx, p, []db.AttemptSucceedSetParams{attempts})
	}
}

// judgeAll picks the open tasks that are over, each once.
func judgeAll(set []outcome, open []db.Task, known history) []ending {
	var endings []ending
	for _, task := range open {
		for _, o := range set {
			if o.taskID != task.ID {
				continue
			}
			if f, over := o.judge(known.attempts[task.ID], known.outputs[task.ID]); over {
				endings = append(endings, ending{task: task, outputs: known.outputs[task.ID], failure: f})
				break
			}
		}
	}
	return endings
}

// ended tells of a task that is not open any more, or is among those ended now.
func ended(taskID string, open []db.Task, endings []ending) bool {
	for _, e := range endings {
		if e.task.ID == taskID {
			return true
		}
	}
	for _, task := range open {
		if task.ID == taskID {
			return false
		}
	}
	return true
}
