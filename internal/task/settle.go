package task

import (
	"context"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/ledger"
	"github.com/eggapi/eggapi/internal/meter"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/provider"
	"github.com/eggapi/eggapi/internal/webhook"
)

const webhookQueue = webhook.Queue

// ending is a locked, open task that is over.
type ending struct {
	task    db.Task
	outputs []db.Output
	failure provider.Failure // what to say if there are no outputs
}

// chargeMicros is what a task costs in the end: the images that were delivered. None cost nothing.
func (e ending) chargeMicros() int64 {
	if e.task.Environment != EnvironmentLive {
		return 0
	}
	return e.task.UnitPriceMicros * int64(len(e.outputs))
}

// unusedMicros is what was set aside for a task and is not charged.
func (e ending) unusedMicros() int64 {
	if e.task.Environment != EnvironmentLive {
		return 0
	}
	return e.task.UnitPriceMicros*int64(e.task.NumOutputs) - e.chargeMicros()
}

// settleSet notes the statements that end tasks: with k of n images delivered a task completes and k are charged for; with
// none it fails and costs nothing. It gives the tasks that cannot be settled, which are left open, and tells whether
// an event was put into the outbox.
func (t *Tasks) settleSet(ctx context.Context, p *pg.Pipe, books *ledger.Set, endings []ending) (failed map[string]error, announced bool, err error) {
	failed = map[string]error{}
	var ends db.TaskEndSetAnyOwnerParams
	var used db.UsageInsertSetParams
	var events []webhook.Event
	var releases []meter.Release
	for _, e := range endings {
		if e.task.Environment == EnvironmentLive {
			if err := books.Settle(ledger.Settlement{
				TaskID: e.task.ID, UserID: e.task.UserID, ChargeMicros: e.chargeMicros(), Now: t.Clock(),
			}); err != nil {
				failed[e.task.ID] = fault.Wrap(err, "settle a task")
				continue
			}
		}
		addEnd(&ends, e)
		t.addUsage(&used, e)
		if e.task.MeteredSince != nil && e.task.APIKeyID != nil {
			releases = append(releases, meter.Release{
				KeyID: *e.task.APIKeyID, MeteredSince: *e.task.MeteredSince, UnusedMicros: e.unusedMicros(),
				Unguarded: e.task.Environment != EnvironmentLive,
			})
		}
		if e.task.WebhookURL != nil {
			events = append(events, t.event(e))
		}
	}
	if len(ends.IDs) > 0 {
		pg.Q.TaskEndSetAnyOwner(ctx, p, []db.TaskEndSetAnyOwnerParams{ends})
	}
	if len(used.IDs) > 0 {
		pg.Q.UsageInsertSet(ctx, p, []db.UsageInsertSetParams{used})
	}
	if _, err := webhook.Enqueue(ctx, p, events); err != nil {
		return nil, false, err
	}
	books.Write(ctx, p)
	meter.NoteReleases(ctx, p, releases)
	return failed, len(events) > 0, nil
}

func addEnd(rows *db.TaskEndSetAnyOwnerParams, e ending) {
	status := StatusCompleted
	if len(e.outputs) == 0 {
		status = StatusFailed
	}
	rows.IDs = append(rows.IDs, e.task.ID)
	rows.Statuses = append(rows.Statuses, status)
	rows.CostsMicros = append(rows.CostsMicros, e.chargeMicros())
	rows.Errors = append(rows.Errors, e.failure.Message)
	rows.FailureCodes = append(rows.FailureCodes, e.failure.Code)
	rows.FailureRetryables = append(rows.FailureRetryables, e.failure.Retryable)
}

func (t *Tasks) addUsage(rows *db.UsageInsertSetParams, e ending) {
	if len(e.outputs) == 0 {
		return
	}
	rows.IDs = append(rows.IDs, id.New(id.Usage, t.Clock()))
	rows.UserIDs = append(rows.UserIDs, e.task.UserID)
	rows.Environments = append(rows.Environments, e.task.Environment)
	rows.TaskIDs = append(rows.TaskIDs, e.task.ID)
	rows.APIKeyIDs = append(rows.APIKeyIDs, orEmpty(e.task.APIKeyID))
	rows.Models = append(rows.Models, e.task.Model)
	rows.Types = append(rows.Types, e.task.Type)
	rows.Units = append(rows.Units, int32(len(e.outputs))) //nolint:gosec // at most four
	rows.CostsMicros = append(rows.CostsMicros, e.chargeMicros())
}

func (t *Tasks) event(e ending) webhook.Event {
	event := webhook.Event{
		UserID: e.task.UserID, Environment: e.task.Environment, TaskID: e.task.ID, URL: *e.task.WebhookURL,
		Failed: len(e.outputs) == 0, Model: e.task.Model, CostMicros: e.chargeMicros(), EndedAt: t.Clock(),
	}
	if event.Failed {
		event.Error = e.failure.Message
	}
	for _, o := range e.outputs {
		event.OutputURLs = append(event.OutputURLs, t.Store.URL(o.Path))
	}
	return event
}
