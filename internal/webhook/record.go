package webhook

import (
	"context"
	"net/http"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/coalesce"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/pg"
)

// The states of an event.
const (
	statusPending   = "pending"
	statusDelivered = "delivered"
	statusExhausted = "exhausted"
)

// statusEnded, which is not stored, says that the event had ended before the try did.
const statusEnded = "ended"

// verdict is what a try means for its event.
type verdict struct {
	attempt int32 // counted from 1
	status  string
	nextTry time.Time // only when pending
}

// judge decides what follows the n-th try.
func (d *Deliverer) judge(eventID string, n int32, o outcome) verdict {
	switch {
	case o.delivered():
		return verdict{attempt: n, status: statusDelivered}
	case o.status == http.StatusGone, d.schedule.last(n):
		return verdict{attempt: n, status: statusExhausted}
	}
	next := d.clock().Add(d.schedule.after(eventID, n, o.retryAfter))
	return verdict{attempt: n, status: statusPending, nextTry: next}
}

// tried is how a try of an event went.
type tried struct {
	event   db.WebhookEvent
	outcome outcome
}

// record notes a try: a row of the log and the event's new state, in one commit, which those who come at the same time
// share. A try that ends after the event did, because two jobs were at it, is not noted.
func (d *Deliverer) record(ctx context.Context, e db.WebhookEvent, o outcome) (verdict, error) {
	// The receiver has the event: a stopping process must not forget that and send it again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	return d.records.Do(ctx, tried{e, o})
}

func (d *Deliverer) recordSet(ctx context.Context, set []tried) ([]coalesce.Reply[verdict], error) {
	replies := make([]coalesce.Reply[verdict], len(set))
	ids := make([]string, len(set))
	for i, t := range set {
		ids[i] = t.event.ID
	}
	err := pg.InPipe(ctx, d.pool, func(p *pg.Pipe) error {
		locked := pg.Q.WebhookEventLockSetAnyOwner(ctx, p, [][]string{ids})
		if err := p.Send(ctx); err != nil {
			return err
		}
		pending, err := pg.Rows(locked.Query)
		if err != nil {
			return fault.Wrap(err, "lock webhook events")
		}
		before := make(map[string]int32, len(pending))
		for _, e := range pending {
			before[e.ID] = e.Attempts
		}
		seen := make(map[string]bool, len(set))
		var log db.WebhookDeliveryInsertSetParams
		var notes db.WebhookEventNoteSetAnyOwnerParams
		for i, t := range set {
			// Of two tries of one event the later is put off: it counts on top of what the first comes to.
			if seen[t.event.ID] {
				replies[i].Alone = true
				continue
			}
			seen[t.event.ID] = true
			attempts, open := before[t.event.ID]
			if !open {
				replies[i].Answer = verdict{attempt: t.event.Attempts + 1, status: statusEnded}
				continue
			}
			v := d.judge(t.event.ID, attempts+1, t.outcome)
			d.addDelivery(&log, t, v.attempt)
			addNote(&notes, t.event.ID, v)
			replies[i].Answer = v
		}
		if len(log.IDs) > 0 {
			pg.Q.WebhookDeliveryInsertSet(ctx, p, []db.WebhookDeliveryInsertSetParams{log})
			pg.Q.WebhookEventNoteSetAnyOwner(ctx, p, []db.WebhookEventNoteSetAnyOwnerParams{notes})
		}
		return nil
	})
	return replies, fault.Wrap(err, "note how webhook tries went")
}

func (d *Deliverer) addDelivery(rows *db.WebhookDeliveryInsertSetParams, t tried, attempt int32) {
	rows.IDs = append(rows.IDs, id.New(id.WebhookDelivery, d.clock()))
	rows.EventIDs = append(rows.EventIDs, t.event.ID)
	rows.UserIDs = append(rows.UserIDs, t.event.UserID)
	rows.Attempts = append(rows.Attempts, attempt)
	status := 0
	if t.outcome.code == "" {
		status = t.outcome.status
	}
	rows.HttpStatuses = append(rows.HttpStatuses, int32(status))
	rows.ErrorCodes = append(rows.ErrorCodes, t.outcome.code)
	rows.ResponseBodies = append(rows.ResponseBodies, t.outcome.reply)
	rows.DurationsMs = append(rows.DurationsMs, int32(min(t.outcome.duration, time.Hour).Milliseconds())) //nolint:gosec // at most an hour
}

func addNote(rows *db.WebhookEventNoteSetAnyOwnerParams, eventID string, v verdict) {
	rows.IDs = append(rows.IDs, eventID)
	rows.Statuses = append(rows.Statuses, v.status)
	rows.Attempts = append(rows.Attempts, v.attempt)
	rows.NextAttemptAts = append(rows.NextAttemptAts, v.nextTry)
}
