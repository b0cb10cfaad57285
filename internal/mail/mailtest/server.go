// Package mailtest is a mail server for tests.
//
// Owns: the conversation of SMTP as a real server holds it, and scripted refusals.
// Does not own: what is tested with it.
// May touch: the SMTP library; imported by tests only.
// Always true: a mail counts as received only when the whole conversation was right.
package mailtest

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// The account that may send through the server.
const (
	Username = "egg"
	Password = "a mail password"
)

// Received is a mail as the server got it.
type Received struct {
	From, To string // of the envelope
	TLS      bool   // it came encrypted
	Data     string
}

// Server is a mail server that keeps what it receives.
type Server struct {
	addr string
	tls  bool
	open bool

	mu     sync.Mutex
	mails  []Received
	asked  int
	refuse func(n int) error
}

// Options changes what a server is made of.
type Options struct {
	Addr string      // where to listen; "" = any free port
	TLS  *tls.Config // nil = plain text
	Open bool        // anybody may send
	// Refuse gives the answer to the n-th recipient, counted from 1; nil takes it.
	Refuse func(n int) error
}

// TryLater is the answer of a server that is busy, and Unknown that of one that will never take the mail.
var (
	TryLater = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try again later"}
	Unknown  = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user here"}
)

// New starts a server that ends with the test.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", o.Addr)
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	s := &Server{addr: l.Addr().String(), tls: o.TLS != nil, open: o.Open, refuse: o.Refuse}
	server := smtp.NewServer(s)
	server.Domain, server.TLSConfig, server.AllowInsecureAuth = "mail.example.com", o.TLS, o.TLS == nil
	server.ReadTimeout, server.WriteTimeout, server.MaxRecipients = 10*time.Second, 10*time.Second, 1
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	return s
}

// URL is the setting that sends through the server.
func (s *Server) URL() string {
	query := url.Values{"from": {"EggAPI <egg@example.com>"}}
	if !s.tls {
		query.Set("tls", "off")
	}
	u := url.URL{Scheme: "smtp", User: url.UserPassword(Username, Password), Host: s.addr, RawQuery: query.Encode()}
	return u.String()
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.addr }

// Mails gives what was received, the oldest first.
func (s *Server) Mails() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Received(nil), s.mails...)
}

// Asked tells how many recipients were named.
func (s *Server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// NewSession begins a conversation.
func (s *Server) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{server: s, conn: c}, nil
}

type session struct {
	server *Server
	conn   *smtp.Conn
	known  bool
	mail   Received
}

// AuthMechanisms names how one may prove who one is.
func (*session) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth proves it.
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != Username || password != Password {
			return errors.New("wrong account")
		}
		s.known = true
		return nil
	}), nil
}

// Mail begins a mail.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.known && !s.server.open {
		return smtp.ErrAuthRequired
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.mail = Received{From: from, TLS: encrypted}
	return nil
}

// Rcpt names who gets it.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.asked++
	if s.server.refuse != nil {
		if err := s.server.refuse(s.server.asked); err != nil {
			return err
		}
	}
	s.mail.To = to
	return nil
}

// Data takes it.
func (s *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mail.Data = string(data)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.mails = append(s.server.mails, s.mail)
	return nil
}

// Reset forgets a mail that was begun.
func (s *session) Reset() { s.mail = Received{} }

// Logout ends the conversation.
func (*session) Logout() error { return nil }
