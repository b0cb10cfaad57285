package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/wneessen/go-mail"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

const (
	sendTimeout = 30 * time.Second
	firstPause  = 10 * time.Second
	longPause   = 30 * time.Minute
)

// Transport carries a mail away. An error that is not Refused is worth another try.
type Transport interface {
	Send(ctx context.Context, m *mail.Msg) error
	// From is the address that mails come from.
	From() string
}

// Refused is a mail that the mail server will not take, however often it is tried.
type Refused struct{ Code int } // the server's reply code

// Error gives the refusal. The server's own words may repeat the address and are left out.
func (r Refused) Error() string {
	return fmt.Sprintf("the mail server refused the mail with code %d", r.Code)
}

// LinkFunc makes the link of a mail when it is sent. It gives ErrGone when there is no point any more, and "" for a mail
// without a link.
type LinkFunc func(ctx context.Context, m Message) (string, error)

// SenderConfig says what a Sender works with. Every field is needed.
type SenderConfig struct {
	Pool      db.DBTX
	Transport Transport
	Link      LinkFunc
	Clock     func() time.Time
	Logger    *slog.Logger
}

// Sender sends the mails of the queue. A mail may be sent twice when a process dies right after sending; both then have
// one Message-ID.
type Sender struct {
	river.WorkerDefaults[Message]
	c SenderConfig
}

// NewSender gives the worker of Queue.
func NewSender(c SenderConfig) *Sender { return &Sender{c: c} }

// Timeout bounds one try.
func (*Sender) Timeout(*river.Job[Message]) time.Duration { return sendTimeout }

// NextRetry doubles the pause from 10 seconds to half an hour.
func (s *Sender) NextRetry(job *river.Job[Message]) time.Time {
	pause := longPause
	if doublings := job.Attempt - 1; doublings < 8 {
		pause = min(firstPause<<max(doublings, 0), longPause)
	}
	return s.c.Clock().Add(pause)
}

// Work sends one mail.
func (s *Sender) Work(ctx context.Context, job *river.Job[Message]) error {
	m := job.Args
	to, err := s.address(ctx, m)
	if err != nil {
		return s.concluded(ctx, m, err)
	}
	link, err := s.c.Link(ctx, m)
	if err != nil {
		return s.concluded(ctx, m, err)
	}
	msg, err := s.write(job.ID, to, m, link)
	if err != nil {
		return s.concluded(ctx, m, err)
	}
	if err := s.c.Transport.Send(ctx, msg); err != nil {
		return s.concluded(ctx, m, err)
	}
	s.c.Logger.InfoContext(ctx, "mail sent", "template", m.Template, "user_id", m.UserID)
	return nil
}

// concluded ends a job that another try would not help, and has the others tried again.
func (s *Sender) concluded(ctx context.Context, m Message, err error) error {
	if errors.Is(err, ErrGone) {
		return river.JobCancel(ErrGone)
	}
	var refused Refused
	s.c.Logger.WarnContext(ctx, "a mail could not be sent", "template", m.Template, "user_id", m.UserID, "error", err)
	if errors.As(err, &refused) {
		return river.JobCancel(refused)
	}
	return err
}

func (s *Sender) address(ctx context.Context, m Message) (string, error) {
	if m.UserID == "" {
		return "", ErrGone
	}
	row, err := pg.Q.UserByID(ctx, s.c.Pool, m.UserID)
	if pg.NoRows(err) {
		return "", ErrGone
	}
	if m.To != "" {
		return m.To, fault.Wrap(err, "look for who gets a mail")
	}
	return row.User.Email, fault.Wrap(err, "look for who gets a mail")
}

func (s *Sender) write(jobID int64, to string, m Message, link string) (*mail.Msg, error) {
	subject, body, err := compose(m, link)
	if err != nil {
		return nil, err
	}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := msg.From(s.c.Transport.From()); err != nil {
		return nil, fault.Wrap(err, "set who a mail is from")
	}
	if err := msg.To(to); err != nil {
		return nil, Refused{Code: 553} // what a server would say of such an address
	}
	msg.Subject(subject)
	msg.SetDateWithValue(s.c.Clock())
	msg.SetMessageIDWithValue(fmt.Sprintf("mail-%d@%s", jobID, domainOf(s.c.Transport.From())))
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no holiday notices, please
	msg.SetBodyString(mail.TypeTextPlain, body)
	return msg, nil
}
