// Package mail writes to users.
//
// Owns: what mails say, the job that sends one, the way to the mail server, trying again.
// Does not own: when somebody is written to, and what a link in a mail is good for (who asks for the mail does).
// May touch: gen/db, pg, fault, river, the mail library.
// Always true: a mail's job commits with what caused it; a job holds no secret; nobody waits for a mail server.
package mail

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

// Queue is the River queue that mails are sent in.
const Queue = "mail"

// maxAttempts with the pauses of NextRetry is some six hours.
const maxAttempts = 20

// ErrGone is what a LinkFunc gives when a mail has lost its point: the user or what the link was good for is no more.
var ErrGone = errors.New("the mail has lost its point")

// Message is one mail to one user. River keeps it and shows it, so nothing in it may be secret.
type Message struct {
	Template string            `json:"template"`         // a constant of this package
	UserID   string            `json:"user_id"`          // "" = nobody: the job ends without a mail
	To       string            `json:"to,omitempty"`     // "" = the user's address when it is sent
	Values   map[string]string `json:"values,omitempty"` // what the template and the link are made of
}

// Kind names the job to River.
func (Message) Kind() string { return "mail.send" }

// InsertOpts are the options of every such job.
func (Message) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Queue, MaxAttempts: maxAttempts}
}

// Inserter is the part of River's client that stores jobs.
type Inserter interface {
	InsertTx(ctx context.Context, tx pg.Tx, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
}

// Outbox takes mails that are to be sent. The zero Outbox takes none.
type Outbox struct {
	river  func() Inserter
	logger *slog.Logger
	told   sync.Once
}

// NewOutbox gives an outbox. river is asked for when a mail is put in, and is nil where no mail server is configured:
// then what was to be sent is dropped, and the first such mail is noted in the log.
func NewOutbox(river func() Inserter, logger *slog.Logger) *Outbox {
	return &Outbox{river: river, logger: logger}
}

// Enqueue sends a mail once tx is committed. It fails when the template is unknown or the database does.
func (o *Outbox) Enqueue(ctx context.Context, tx pg.Tx, m Message) error {
	if _, ok := letters[m.Template]; !ok {
		return errors.New("enqueue a mail: there is no such template")
	}
	if o.river == nil {
		if o.logger != nil {
			o.told.Do(func() {
				o.logger.WarnContext(ctx, "mails are not sent, because EGGAPI_SMTP_URL is not set", "template", m.Template)
			})
		}
		return nil
	}
	_, err := o.river().InsertTx(ctx, tx, m, nil)
	return fault.Wrap(err, "enqueue a mail")
}
