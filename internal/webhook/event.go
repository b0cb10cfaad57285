// Package webhook tells customers how their tasks ended.
//
// Owns: the signing secrets, the payload, the outbox row and its job, signing, trying again, the log of tries.
// Does not own: deciding that a task has ended, and which addresses may be called (internal/fetch does).
// May touch: gen/db, pg, fault, id, money, audit, fetch, river.
// Always true: an event and its job commit with the end of the task; every try of an event has its id; no secret leaves unsealed but to its owner.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/riverqueue/river"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/money"
	"github.com/eggapi/eggapi/internal/pg"
)

// Queue is the River queue that deliveries run in.
const Queue = "webhooks"

// jobAttempts is how often River runs one job that fails. The tries of an event are counted in its own row.
const jobAttempts = 10

// Event is the end of one task, to be announced to one URL.
type Event struct {
	UserID      string
	Environment string // live or test
	TaskID      string
	URL         string
	Failed      bool // else completed
	Model       string
	OutputURLs  []string // empty when Failed
	Error       string   // public text; only when Failed
	CostMicros  int64    // micro-USD, >= 0
	EndedAt     time.Time
}

// DeliverArgs names the event that a job delivers, and nothing else: River keeps and shows its arguments.
type DeliverArgs struct {
	EventID string `json:"event_id"`

	// nextTry carries what Work decided to NextRetry, which River calls next with the same job.
	nextTry time.Time
}

// Kind names the job to River.
func (DeliverArgs) Kind() string { return "webhook.deliver" }

// InsertOpts are the options of every such job.
func (DeliverArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Queue, MaxAttempts: jobAttempts}
}

// Enqueue notes the statement that puts events into the outbox, each with the job that delivers it, as part of p. It gives
// the events' ids in their order, which every try carries. The statement fails on a second event of the same type for a task.
func Enqueue(ctx context.Context, p *pg.Pipe, events []Event) (eventIDs []string, err error) {
	if len(events) == 0 {
		return nil, nil
	}
	rows := db.WebhookEventInsertSetParams{JobKind: DeliverArgs{}.Kind(), JobQueue: Queue, JobMaxAttempts: jobAttempts}
	for _, e := range events {
		if e.EndedAt.IsZero() {
			return nil, errors.New("enqueue a webhook: the event has no time")
		}
		rows.IDs = append(rows.IDs, id.New(id.WebhookEvent, e.EndedAt))
		rows.UserIDs = append(rows.UserIDs, e.UserID)
		rows.Environments = append(rows.Environments, e.Environment)
		rows.TaskIDs = append(rows.TaskIDs, e.TaskID)
		rows.Types = append(rows.Types, e.eventType())
		rows.URLs = append(rows.URLs, e.URL)
		rows.Payloads = append(rows.Payloads, string(Body(e)))
		rows.NextAttemptAts = append(rows.NextAttemptAts, e.EndedAt)
	}
	pg.Q.WebhookEventInsertSet(ctx, p, []db.WebhookEventInsertSetParams{rows})
	return rows.IDs, nil
}

// payload is the flat body. The order of its fields is the order of the keys.
type payload struct {
	Event     string  `json:"event"`
	TaskID    string  `json:"task_id"`
	Status    string  `json:"status"`
	Model     string  `json:"model"`
	Output    *output `json:"output"`
	Error     *string `json:"error"`
	Cost      string  `json:"cost"`
	Timestamp int64   `json:"timestamp"`
}

type output struct {
	URL  string   `json:"url"`
	URLs []string `json:"urls"`
}

// Body gives the payload of an event: the bytes that are stored, signed and sent. The cost is in USD with six
// decimals, the timestamp in Unix seconds.
func Body(e Event) []byte {
	p := payload{
		Event: e.eventType(), TaskID: e.TaskID, Status: e.taskStatus(), Model: e.Model,
		Cost:      money.Plain(e.CostMicros),
		Timestamp: e.EndedAt.Unix(),
	}
	if e.Failed {
		p.Error = &e.Error
	} else if len(e.OutputURLs) > 0 {
		p.Output = &output{URL: e.OutputURLs[0], URLs: e.OutputURLs}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // keeps the & of a URL readable
	_ = enc.Encode(p)        // strings and numbers into memory: cannot fail
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func (e Event) eventType() string { return "task." + e.taskStatus() }

func (e Event) taskStatus() string {
	if e.Failed {
		return "failed"
	}
	return "completed"
}
