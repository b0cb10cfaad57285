package webhook

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

const (
	sweepLimit = 500
	sweepAfter = time.Minute // more than jobTimeout and recordTimeout together

	forgetRows = 1000
	forgetFor  = 5 * time.Second
)

// Sweep gives a new job to pending events whose try is overdue by a minute and whose job is gone, discarded, finished
// or has been running for a minute: at most 500 in a call. Any number of processes may call it at once.
func (d *Deliverer) Sweep(ctx context.Context, client *river.Client[pgx.Tx]) error {
	var found int
	err := pg.InTx(ctx, d.pool, func(tx pgx.Tx) error {
		ids, err := pg.Q.WebhookEventLockLostAnyOwner(ctx, tx, db.WebhookEventLockLostAnyOwnerParams{
			OverdueSince: d.clock().Add(-sweepAfter), RowLimit: sweepLimit,
		})
		if err != nil || len(ids) == 0 {
			return fault.Wrap(err, "find webhook events without a job")
		}
		found = len(ids)
		return d.giveJobs(ctx, tx, client, ids)
	})
	if err != nil {
		return err
	}
	if found > 0 {
		d.logger.WarnContext(ctx, "webhook events had lost their job", "events", found)
	}
	return nil
}

func (d *Deliverer) giveJobs(ctx context.Context, tx pgx.Tx, client *river.Client[pgx.Tx], ids []string) error {
	params := make([]river.InsertManyParams, len(ids))
	for i, eventID := range ids {
		params[i].Args = DeliverArgs{EventID: eventID}
	}
	inserted, err := client.InsertManyTx(ctx, tx, params)
	if err != nil {
		return fault.Wrap(err, "enqueue webhook deliveries again")
	}
	set := db.WebhookEventSetJobsAnyOwnerParams{NextAttemptAt: d.clock()}
	for _, r := range inserted {
		// By what the job says: the order of the results is nowhere promised.
		var args DeliverArgs
		if err := json.Unmarshal(r.Job.EncodedArgs, &args); err != nil {
			return fault.Wrap(err, "read a job's arguments")
		}
		set.IDs = append(set.IDs, args.EventID)
		set.Jobs = append(set.Jobs, r.Job.ID)
	}
	return fault.Wrap(pg.Q.WebhookEventSetJobsAnyOwner(ctx, tx, set), "note the new jobs of webhook events")
}

// Forget removes events that ended more than some days ago, with the log of their tries; 0 days keeps all. It takes a
// thousand at a time, for at most 5 s. Any number of processes may call it at once.
func (d *Deliverer) Forget(ctx context.Context, days int) error {
	if days == 0 {
		return nil
	}
	begun := d.clock()
	for d.clock().Sub(begun) < forgetFor {
		n, err := pg.Q.WebhookEventForgetAnyOwner(ctx, d.pool, db.WebhookEventForgetAnyOwnerParams{
			EndedBefore: begun.AddDate(0, 0, -days), MaxRows: forgetRows,
		})
		if err != nil || n < forgetRows {
			return fault.Wrap(err, "forget webhook events")
		}
	}
	return nil
}
