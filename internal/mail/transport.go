package mail

import (
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/eggapi/eggapi/internal/fault"
)

// Server is a mail server that mails are handed to.
type Server struct {
	host    string
	from    string
	options []mail.Option
}

// NewServer reads the address of a mail server: smtp://user:password@host:587?from=egg@example.com, with STARTTLS;
// smtps:// for TLS from the start (port 465); tls=off in the query for a server on this machine that has none. It fails
// naming what is wrong and never a value.
func NewServer(address string) (*Server, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("it is not a URL")
	}
	query := u.Query()
	from := query.Get("from")
	if _, err := netmail.ParseAddress(from); err != nil {
		return nil, errors.New("from must be an e-mail address")
	}
	s := &Server{host: u.Hostname(), from: from}
	port := 587
	s.options = []mail.Option{mail.WithTimeout(sendTimeout), mail.WithTLSPolicy(mail.TLSMandatory)}
	switch {
	case u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps":
		return nil, errors.New("it must begin with smtp:// or smtps:// and name a host")
	case u.Scheme == "smtps":
		port = 465
		s.options = []mail.Option{mail.WithTimeout(sendTimeout), mail.WithSSL()}
	case query.Get("tls") == "off":
		s.options = []mail.Option{mail.WithTimeout(sendTimeout), mail.WithTLSPolicy(mail.NoTLS)}
	}
	if u.Port() != "" {
		if port, err = strconv.Atoi(u.Port()); err != nil {
			return nil, errors.New("the port is no number")
		}
	}
	s.options = append(s.options, mail.WithPort(port), mail.WithHELO(domainOf(from)))
	if name := u.User.Username(); name != "" {
		password, _ := u.User.Password()
		kind := mail.SMTPAuthAutoDiscover
		if query.Get("tls") == "off" {
			kind = mail.SMTPAuthPlainNoEnc
		}
		s.options = append(s.options, mail.WithUsername(name), mail.WithPassword(password), mail.WithSMTPAuth(kind))
	}
	_, err = mail.NewClient(s.host, s.options...)
	return s, fault.Wrap(err, "set up the mail client")
}

// From is the address that mails come from.
func (s *Server) From() string { return s.from }

// Send hands a mail to the server, within 30 s.
func (s *Server) Send(ctx context.Context, m *mail.Msg) error {
	client, err := mail.NewClient(s.host, s.options...)
	if err != nil {
		return fault.Wrap(err, "set up the mail client")
	}
	err = client.DialAndSendWithContext(ctx, m)
	var failed *mail.SendError
	if !errors.As(err, &failed) {
		return fault.Wrap(err, "reach the mail server")
	}
	if code := failed.ErrorCode(); !failed.IsTemp() && code >= 500 {
		return Refused{Code: code}
	}
	return fmt.Errorf("the mail server did not take the mail now: code %d", failed.ErrorCode())
}

// Folder keeps mails as .eml files instead of sending them, for development.
type Folder struct {
	dir   string
	told  func(to, subject, body string)
	clock func() time.Time
}

// NewFolder makes the folder when it is missing. told hears of each mail.
func NewFolder(dir string, clock func() time.Time, told func(to, subject, body string)) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(err, "make the folder for mails")
	}
	return &Folder{dir: dir, told: told, clock: clock}, nil
}

// From is the address that mails come from.
func (*Folder) From() string { return "EggAPI <eggapi@localhost>" }

// Send writes the mail to a file.
func (f *Folder) Send(_ context.Context, m *mail.Msg) error {
	name := f.clock().UTC().Format("20060102T150405.000000000Z") + ".eml"
	if err := m.WriteToFile(filepath.Join(f.dir, name)); err != nil {
		return fault.Wrap(err, "write a mail to a file")
	}
	if err := os.Chmod(filepath.Join(f.dir, name), 0o600); err != nil { // its link is a key to the account
		return fault.Wrap(err, "close a mail's file")
	}
	body, err := m.GetParts()[0].GetContent()
	if err != nil {
		return fault.Wrap(err, "read a mail")
	}
	f.told(m.GetTo()[0].Address, m.GetGenHeader(mail.HeaderSubject)[0], string(body))
	return nil
}

func domainOf(address string) string {
	_, domain, _ := strings.Cut(strings.TrimSuffix(address, ">"), "@")
	return domain
}
