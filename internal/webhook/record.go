package webhook

import (
	"context"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eggapi/eggapi/gen/db"
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

// record notes a try: a row of the log and the event's new state, in one transaction. A try that ends after the
// event did, because two jobs were at it, is not noted.
func (d *Deliverer) record(ctx context.Context, e db.WebhookEvent, o outcome) (v verdict, err error) {
	// The receiver has the event: a stopping process must not forget that and send it again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	err = pg.InTx(ctx, d.pool, func(tx pgx.Tx) error {
		before, err := pg.Q.WebhookEventLockAnyOwner(ctx, tx, e.ID)
		if pg.NoRows(err) {
			v = verdict{attempt: e.Attempts + 1, status: statusEnded}
			return nil
		}
		if err != nil {
			return fault.Wrap(err, "lock a webhook event")
		}
		v = d.judge(e.ID, before+1, o)
		if err := d.insertDelivery(ctx, tx, e, v.attempt, o); err != nil {
			return err
		}
		return update(ctx, tx, e.ID, v)
	})
	return v, err
}

func (d *Deliverer) insertDelivery(ctx context.Context, tx pgx.Tx, e db.WebhookEvent, attempt int32, o outcome) error {
	row := db.WebhookDeliveryInsertParams{
		ID: id.New(id.WebhookDelivery, d.clock()), EventID: e.ID, UserID: e.UserID, Attempt: attempt, ResponseBody: o.reply,
		DurationMs: int32(min(o.duration, time.Hour).Milliseconds()), //nolint:gosec // at most an hour
	}
	if o.code != "" {
		row.ErrorCode = &o.code
	} else {
		status := int32(o.status) //nolint:gosec // three digits
		row.HttpStatus = &status
	}
	return fault.Wrap(pg.Q.WebhookDeliveryInsert(ctx, tx, row), "log a webhook delivery")
}

func update(ctx context.Context, tx pgx.Tx, eventID string, v verdict) (err error) {
	if v.status == statusPending {
		_, err = pg.Q.WebhookEventAttemptedAnyOwner(ctx, tx, db.WebhookEventAttemptedAnyOwnerParams{
			ID: eventID, Attempts: v.attempt, NextAttemptAt: v.nextTry,
		})
	} else {
		_, err = pg.Q.WebhookEventEndAnyOwner(ctx, tx, db.WebhookEventEndAnyOwnerParams{
			ID: eventID, Attempts: v.attempt, Status: v.status,
		})
	}
	return fault.Wrap(err, "note how a webhook try went")
}
