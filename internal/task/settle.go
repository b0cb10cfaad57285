package task

import (
	"context"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/ledger"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/provider"
	"github.com/eggapi/eggapi/internal/webhook"
)

// ending is a task whose time has come, and what to say if it delivered nothing.
type ending struct {
	taskID  string
	failure provider.Failure
}

// end settles one task in a transaction of its own.
func (d Deps) end(ctx context.Context, taskID string, f provider.Failure) error {
	return pg.InTx(ctx, d.Pool, func(tx pg.Tx) error {
		return d.settleSet(ctx, tx, []ending{{taskID: taskID, failure: f}})
	})
}

// settleSet ends tasks inside one transaction: state, usage, event, hold and ledger change together.
// Those that have ended already are left as they are, whoever ended them.
func (d Deps) settleSet(ctx context.Context, tx pg.Tx, set []ending) error {
	for _, e := range set {
		t, err := pg.Q.TaskLockAnyOwner(ctx, tx, e.taskID)
		if pg.NoRows(err) {
			continue
		}
		if err != nil {
			return fault.Wrap(err, "lock a task")
		}
		if err := d.settle(ctx, tx, t, e.failure); err != nil {
			return err
		}
	}
	return nil
}

// settle ends a locked, open task: with k of n images delivered it completes and k are charged for; with
// none it fails and costs nothing.
func (d Deps) settle(ctx context.Context, tx pg.Tx, t db.Task, f provider.Failure) error {
	outputs, err := pg.Q.OutputListAnyOwner(ctx, tx, t.ID)
	if err != nil {
		return fault.Wrap(err, "list outputs")
	}
	var charge int64
	if t.Environment == EnvironmentLive {
		charge = t.UnitPriceMicros * int64(len(outputs))
	}
	end := db.TaskEndAnyOwnerParams{ID: t.ID, Status: StatusCompleted, CostMicros: charge}
	if len(outputs) == 0 {
		end.Status, end.Error, end.FailureCode, end.FailureRetryable = StatusFailed, &f.Message, &f.Code, &f.Retryable
	}
	if n, err := pg.Q.TaskEndAnyOwner(ctx, tx, end); err != nil || n == 0 {
		return fault.Wrap(err, "end a task")
	}
	if err := d.record(ctx, tx, t, outputs, charge); err != nil {
		return err
	}
	if err := d.announce(ctx, tx, t, outputs, end); err != nil {
		return err
	}
	if t.Environment != EnvironmentLive {
		return nil
	}
	// Last, since it locks the account until the commit.
	return ledger.Settle(ctx, tx, ledger.Settlement{TaskID: t.ID, UserID: t.UserID, ChargeMicros: charge, Now: d.Clock()})
}

func (d Deps) record(ctx context.Context, tx pg.Tx, t db.Task, outputs []db.Output, charge int64) error {
	if len(outputs) == 0 {
		return nil
	}
	err := pg.Q.UsageInsert(ctx, tx, db.UsageInsertParams{
		ID: id.New(id.Usage, d.Clock()), UserID: t.UserID, Environment: t.Environment, TaskID: t.ID, APIKeyID: t.APIKeyID,
		Model: t.Model, Type: t.Type, Units: int32(len(outputs)), CostMicros: charge, //nolint:gosec // at most four
	})
	return fault.Wrap(err, "record usage")
}

func (d Deps) announce(ctx context.Context, tx pg.Tx, t db.Task, outputs []db.Output, end db.TaskEndAnyOwnerParams) error {
	if t.WebhookURL == nil {
		return nil
	}
	event := webhook.Event{
		UserID: t.UserID, Environment: t.Environment, TaskID: t.ID, URL: *t.WebhookURL, Failed: end.Status == StatusFailed,
		Model: t.Model, Error: orEmpty(end.Error), CostMicros: end.CostMicros, EndedAt: d.Clock(),
	}
	for _, o := range outputs {
		event.OutputURLs = append(event.OutputURLs, d.Store.URL(o.Path))
	}
	_, err := webhook.Enqueue(ctx, tx, d.River, event)
	return err
}
