package apitest

import (
	"context"
	"regexp"
	"sync"
	"testing"

	"github.com/wneessen/go-mail"
)

// Mail is one that was sent.
type Mail struct {
	To, Subject, Body string
}

// Mailbox takes the mails of a server and keeps them.
type Mailbox struct {
	mu    sync.Mutex
	mails []Mail
}

// From is the address that mails come from.
func (*Mailbox) From() string { return "EggAPI <egg@example.com>" }

// Send keeps a mail.
func (b *Mailbox) Send(_ context.Context, m *mail.Msg) error {
	body, err := m.GetParts()[0].GetContent()
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mails = append(b.mails, Mail{To: m.GetTo()[0].Address, Subject: m.GetGenHeader(mail.HeaderSubject)[0], Body: string(body)})
	return nil
}

// All gives the mails that came, the oldest first.
func (b *Mailbox) All() []Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Mail(nil), b.mails...)
}

var linkInMail = regexp.MustCompile(`https?://\S+`)

// Link waits for the n-th mail, counted from 1, and gives whom it went to and its link.
func (b *Mailbox) Link(t testing.TB, n int) (to, link string) {
	t.Helper()
	Eventually(t, "a mail comes", func() bool { return len(b.All()) >= n })
	m := b.All()[n-1]
	return m.To, linkInMail.FindString(m.Body)
}
