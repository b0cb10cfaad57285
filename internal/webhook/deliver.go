package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/coalesce"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/fetch"
	"github.com/eggapi/eggapi/internal/pg"
)

const (
	postTimeout   = 15 * time.Second
	recordTimeout = 5 * time.Second
	jobTimeout    = 30 * time.Second
)

// Poster sends one request to a customer's URL; *fetch.Client is one.
type Poster interface {
	Post(ctx context.Context, r fetch.PostRequest) (fetch.PostResponse, error)
}

// DelivererConfig is what a Deliverer works with.
type DelivererConfig struct {
	Pool    *pgxpool.Pool
	Secrets *Secrets
	Poster  Poster
	Clock   func() time.Time
	Logger  *slog.Logger

	// Schedule gives the delay before each try; the first is made at once. Empty means DefaultSchedule.
	Schedule []time.Duration
	// Jitter is the part by which a delay is lengthened or shortened at most: 0 means 0.2, below 0 none.
	Jitter float64
}

// Deliverer is the worker that delivers events. One is shared by all jobs of a process.
type Deliverer struct {
	river.WorkerDefaults[DeliverArgs]
	pool     *pgxpool.Pool
	secrets  *Secrets
	poster   Poster
	clock    func() time.Time
	logger   *slog.Logger
	schedule schedule
	gate     *gate
	reads    *coalesce.Group[string, *addressed]
	records  *coalesce.Group[tried, verdict]
}

// addressed is an event with its owner's secret.
type addressed struct {
	db.WebhookEvent
	secret string // "" when the owner has none yet
}

// NewDeliverer returns a worker to be added to a River client that works the queue named by Queue.
func NewDeliverer(c DelivererConfig) *Deliverer {
	const slots, maxSet, maxWaiting = 1, 256, 4096
	d := &Deliverer{
		pool: c.Pool, secrets: c.Secrets, poster: c.Poster, clock: c.Clock, logger: c.Logger,
		schedule: newSchedule(c.Schedule, c.Jitter), gate: newGate(c.Clock),
	}
	d.reads = coalesce.New(coalesce.Config[string, *addressed]{
		Run: d.readSet, Apart: pg.RolledBack, Slots: slots, MaxSet: maxSet, MaxWaiting: maxWaiting,
	})
	d.records = coalesce.New(coalesce.Config[tried, verdict]{
		Run: d.recordSet, Apart: pg.RolledBack, Slots: slots, MaxSet: maxSet, MaxWaiting: maxWaiting,
	})
	return d
}

// Timeout bounds one job: one try and what is written before and after it.
func (d *Deliverer) Timeout(*river.Job[DeliverArgs]) time.Duration { return jobTimeout }

// NextRetry tells River when to run a job again that gave an error: after a failed try by the schedule, after
// trouble of our own or a worker's death soon. It is never in the past, where River would use its own policy.
func (d *Deliverer) NextRetry(job *river.Job[DeliverArgs]) time.Time {
	now := d.clock()
	if next := job.Args.nextTry; !next.IsZero() {
		return later(next, now)
	}
	return now.Add(ownDelay(job.Attempt))
}

// Work makes one try. An event that has ended, that another job was given to, or whose next try is not due, is left alone.
func (d *Deliverer) Work(ctx context.Context, job *river.Job[DeliverArgs]) error {
	a, err := d.reads.Do(ctx, job.Args.EventID)
	if err != nil {
		return err
	}
	if a == nil {
		return river.JobCancel(errors.New("the webhook event does not exist"))
	}
	e := a.WebhookEvent
	// Sweep gives an event to a new job when the old one's worker has died, and River may revive the old one.
	if e.Status != statusPending || e.JobID != job.ID {
		return nil
	}
	// A worker died between noting a failed try and telling River, which then runs the job too early.
	if wait := e.NextAttemptAt.Sub(d.clock()); e.Attempts > 0 && wait > 0 {
		return river.JobSnooze(wait)
	}
	s, wait := d.gate.take(hostOf(e.URL), e.UserID)
	if s == nil {
		return river.JobSnooze(wait)
	}
	o, err := d.try(ctx, s, a)
	if err != nil {
		return err
	}
	v, err := d.record(ctx, e, o)
	if err != nil {
		return err
	}
	d.log(ctx, e, o, v)
	if v.status != statusPending {
		return nil
	}
	job.Args.nextTry = v.nextTry
	return fmt.Errorf("try %d to deliver the webhook failed: %s", v.attempt, o.reason())
}

// readSet reads events; nil stands for one that does not exist.
func (d *Deliverer) readSet(ctx context.Context, ids []string) ([]coalesce.Reply[*addressed], error) {
	rows, err := pg.Q.WebhookEventGetSetAnyOwner(ctx, d.pool, ids)
	if err != nil {
		return nil, fault.Wrap(err, "read webhook events")
	}
	found := make(map[string]coalesce.Reply[*addressed], len(rows))
	for _, row := range rows {
		a := &addressed{WebhookEvent: row.WebhookEvent}
		var r coalesce.Reply[*addressed]
		if row.KeyID != nil {
			a.secret, r.Err = d.secrets.sealer.Open(a.UserID, *row.KeyID, row.Ciphertext)
		}
		if r.Err == nil {
			r.Answer = a
		}
		found[a.ID] = r
	}
	replies := make([]coalesce.Reply[*addressed], len(ids))
	for i, eventID := range ids {
		replies[i] = found[eventID]
	}
	return replies, nil
}

// try makes one signed request. It gives an error only when no try was made, or when we broke it off ourselves.
func (d *Deliverer) try(ctx context.Context, s *slot, e *addressed) (o outcome, err error) {
	defer func() { s.release(o.code == codeTimeout) }()
	secret := e.secret
	if secret == "" {
		if secret, err = d.secrets.Ensure(ctx, e.UserID); err != nil {
			return outcome{}, err
		}
	}
	started := d.clock()
	body := []byte(e.Payload)
	headers := Sign(secret, e.ID, started, body)
	headers["Content-Type"] = "application/json"
	r, err := d.poster.Post(ctx, fetch.PostRequest{URL: e.URL, Header: headers, Body: body, Timeout: postTimeout})
	if err != nil && ctx.Err() != nil {
		return outcome{}, fault.Wrap(ctx.Err(), "deliver a webhook")
	}
	if err != nil {
		o = outcome{code: codeOf(err)}
		d.logger.DebugContext(ctx, "webhook receiver gave no answer", "event_id", e.ID, "reason", loggable(err))
	} else {
		o = answered(r, secret)
	}
	o.duration = max(d.clock().Sub(started), 0)
	return o, nil
}

func (d *Deliverer) log(ctx context.Context, e db.WebhookEvent, o outcome, v verdict) {
	level := slog.LevelDebug // the table has every try
	switch v.status {
	case statusPending:
		level = slog.LevelInfo
	case statusExhausted:
		level = slog.LevelWarn
	}
	d.logger.LogAttrs(ctx, level, "webhook tried",
		slog.String("event_id", e.ID), slog.String("task_id", e.TaskID), slog.Int("attempt", int(v.attempt)),
		slog.String("status", v.status), slog.Int("http_status", o.status), slog.String("error_code", o.code),
		slog.Int64("duration_ms", o.duration.Milliseconds()))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
