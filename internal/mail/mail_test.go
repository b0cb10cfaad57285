package mail

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/wneessen/go-mail"

	"github.com/eggapi/eggapi/internal/mail/mailtest"
)

var noon = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

func newSender(t *testing.T, transport Transport) *Sender {
	t.Helper()
	return NewSender(SenderConfig{Transport: transport, Clock: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler)})
}

func TestNextRetry_DoublesFromTenSecondsToHalfAnHour(t *testing.T) {
	t.Parallel()
	s := newSender(t, nil)
	for attempt, want := range map[int]time.Duration{1: 10 * time.Second, 2: 20 * time.Second, 8: 1280 * time.Second, 9: 30 * time.Minute, 20: 30 * time.Minute, 1000: 30 * time.Minute} {
		job := &river.Job[Message]{JobRow: &rivertype.JobRow{Attempt: attempt}}
		if got := s.NextRetry(job).Sub(noon); got != want {
			t.Errorf("after try %d: %v, want %v", attempt, got, want)
		}
	}
}

func TestCompose_EveryTemplateHasASubjectAndItsLink(t *testing.T) {
	t.Parallel()
	for name := range letters {
		m := Message{Template: name, Values: map[string]string{
			"new_email": "new@example.com", "link": "https://elsewhere.example", "name": "production", "hint": "egg_live_Ab12…z9K4", "expires_at": "noon",
		}}
		linked := name != KeyExpires
		subject, body, err := compose(m, "https://egg.example/x")
		if err != nil || subject == "" || strings.Contains(subject, "\n") || strings.Contains(body, "elsewhere") || linked != strings.Contains(body, "\n\nhttps://egg.example/x\n\n") {
			t.Errorf("%s: %q, %v\n%s", name, subject, err, body)
		}
	}
	if _, _, err := compose(Message{Template: ConfirmEmailChange}, "x"); err == nil {
		t.Error("a mail with a hole in it was composed")
	}
}

func TestNewServer_TakesAddressesAndNamesWhatIsWrongWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"smtp://egg:pass@mail.example.com:587?from=egg@example.com", "smtps://egg:p%40ss@mail.example.com?from=EggAPI+%3Cegg@example.com%3E",
		"smtp://localhost:25?from=egg@example.com&tls=off",
	} {
		if _, err := NewServer(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, why := range map[string]string{
		"":                                   "from must be",
		"smtp://egg:canary@mail.example.com": "from must be",
		"smtp://egg:canary@mail.example.com?from=canary":              "from must be",
		"http://egg:canary@mail.example.com?from=egg@example.com":     "smtp:// or smtps://",
		"smtp://egg:canary@?from=egg@example.com":                     "smtp:// or smtps://",
		"smtp://egg:can\x00ary@mail.example.com?from=egg@example.com": "not a URL",
	} {
		if _, err := NewServer(bad); err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// certificate makes one for 127.0.0.1 and the pool that trusts it.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

func send(t *testing.T, s *Server) error {
	t.Helper()
	msg, err := newSender(t, s).write(7, "ada@example.com", Message{Template: VerifyEmail}, "https://egg.example/x")
	if err != nil {
		t.Fatal(err)
	}
	return s.Send(t.Context(), msg)
}

func TestSend_IsEncryptedAndNeverFallsBackToPlainText(t *testing.T) {
	t.Parallel()
	config, pool := certificate(t)
	encrypted, plain := mailtest.New(t, mailtest.Options{TLS: config}), mailtest.New(t, mailtest.Options{Open: true})
	s, err := NewServer(encrypted.URL())
	if err != nil {
		t.Fatal(err)
	}
	if err := send(t, s); err == nil || len(encrypted.Mails()) != 0 {
		t.Error("a server that nobody vouches for got the mail")
	}
	s.options = append(s.options, mail.WithTLSConfig(&tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}))
	if err := send(t, s); err != nil || len(encrypted.Mails()) != 1 || !encrypted.Mails()[0].TLS {
		t.Errorf("%v, %+v", err, encrypted.Mails())
	}
	for _, address := range []string{strings.ReplaceAll(plain.URL(), "tls=off", "x=y"), "smtp://" + plain.Addr() + "?from=egg@example.com"} {
		if s, err = NewServer(address); err != nil {
			t.Fatal(err)
		}
		if err := send(t, s); err == nil || plain.Asked() != 0 {
			t.Errorf("%s, without TLS, got the password or the mail", address)
		}
	}
}

func TestSend_TellsWhatIsWorthAnotherTry(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		answer  error
		refused bool
	}{{mailtest.TryLater, false}, {mailtest.Unknown, true}} {
		s, err := NewServer(mailtest.New(t, mailtest.Options{Refuse: func(int) error { return tt.answer }}).URL())
		if err != nil {
			t.Fatal(err)
		}
		var refused Refused
		if err := send(t, s); err == nil || errors.As(err, &refused) != tt.refused || strings.Contains(err.Error(), "ada@") {
			t.Errorf("%v: %v", tt.answer, err)
		}
	}
	if _, err := newSender(t, &Folder{}).write(7, "ada@example.com\nBcc: eve@example.com", Message{Template: VerifyEmail}, "x"); err == nil {
		t.Error("an address brought a header along")
	}
}

func TestFolder_KeepsMailsForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mail")
	var told string
	f, err := NewFolder(dir, func() time.Time { return noon }, func(to, subject, body string) { told = to + ": " + subject + "\n" + body })
	if err != nil {
		t.Fatal(err)
	}
	msg, err := newSender(t, f).write(7, "ada@example.com", Message{Template: VerifyEmail}, "https://egg.example/x")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Send(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "20300102T120000.000000000Z.eml")
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "https://egg.example/x") || !strings.Contains(string(text), "To: <ada@example.com>") {
		t.Errorf("%v\n%s", err, text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if !strings.HasPrefix(told, "ada@example.com: Confirm your e-mail address\n") || !strings.Contains(told, "https://egg.example/x") {
		t.Errorf("told %s", told)
	}
}
