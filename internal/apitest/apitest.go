// Package apitest starts the real service on a database of its own and checks every answer against the contract.
//
// Owns: the test server, accounts to call it with, the checked client, the list of answers seen.
// Does not own: databases (dbtest), and what any test asserts.
// May touch: every room; imported by tests only.
// Always true: no answer that the contract does not declare goes unnoticed.
package apitest

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/app"
	"github.com/eggapi/eggapi/internal/config"
	"github.com/eggapi/eggapi/internal/dbtest"
	"github.com/eggapi/eggapi/internal/mail"
	"github.com/eggapi/eggapi/internal/provider"
)

// Secrets of the test servers. All servers share them, so that two may share a database.
const (
	authSecret = "a-secret-of-the-tests-0123456789-abcdefghij"
	sealKey    = "test:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
)

// Options changes what a server is made of. The zero value suits most tests.
type Options struct {
	DatabaseURL     string           // share another server's database; "" = a fresh one
	Clock           func() time.Time // nil = the wall clock
	NoWork          bool             // serve only
	IPLimit         float64          // requests per second; 0 = more than anybody makes
	KeyLimit        float64          // requests per second; 0 = more than anybody makes
	WebhookSchedule []time.Duration  // nil = the documented one
	SignInLimit     float64          // sign-ins per minute and the like; 0 = as many as anybody wants
	Mail            mail.Transport   // nil = mails are dropped
	Providers       provider.Registry
	Config          func(*config.Config) // the last word on the settings
	LogTo           io.Writer            // nil = the output of the test, warnings and errors only
}

// Server is a running service.
type Server struct {
	URL         string
	DatabaseURL string
	Node        *app.Node
	Pool        *pgxpool.Pool
}

// New starts a server that ends with the test.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	if o.DatabaseURL == "" {
		o.DatabaseURL = dbtest.NewURL(t)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	s := &Server{URL: "http://" + l.Addr().String(), DatabaseURL: o.DatabaseURL}
	cfg := config.Config{
		Environment: "development", DatabaseURL: config.Secret(o.DatabaseURL), DataDir: t.TempDir(), PublicURL: s.URL,
		IPLimit: orNobodys(o.IPLimit), KeyLimit: orNobodys(o.KeyLimit), SignInLimit: o.SignInLimit,
		AuthSecrets: []config.Secret{authSecret}, SealKeys: []config.Secret{sealKey},
		SandboxForLive: true, EgressAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Workers: 20, WebhookWorkers: 20, DatabaseConns: 12, TaskLeaseSeconds: 6,
	}
	if o.Config != nil {
		o.Config(&cfg)
	}
	s.Node, err = app.New(t.Context(), app.Options{
		Config: cfg, Logger: newLogger(t, o.LogTo), Registry: prometheus.NewRegistry(), Clock: o.Clock, Work: !o.NoWork,
		WebhookSchedule: o.WebhookSchedule, Mail: o.Mail, Providers: o.Providers,
	})
	if err != nil {
		t.Fatalf("build the node: %v", err)
	}
	s.Pool = s.Node.Pool
	s.run(t, l)
	return s
}

// orNobodys leaves limits on where a test names none, so that their headers are on every answer.
func orNobodys(perSecond float64) float64 {
	if perSecond == 0 {
		return 1e6
	}
	return perSecond
}

func (s *Server) run(t testing.TB, l net.Listener) {
	t.Helper()
	if err := s.Node.Start(t.Context()); err != nil {
		t.Fatalf("start the node: %v", err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- s.Node.Serve(ctx, l, 5*time.Second) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		limit, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.Node.Stop(limit)
	})
	Eventually(t, "the key cache listens", func() bool { return s.Node.Keyring.Listening() })
}

// newLogger logs to w, or warnings and errors to the output of the test.
func newLogger(t testing.TB, w io.Writer) *slog.Logger {
	if w != nil {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	o := &testOutput{w: t.Output()}
	t.Cleanup(o.close)
	return slog.New(slog.NewJSONHandler(o, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// testOutput drops what comes after the end of the test, which the testing package would panic on.
type testOutput struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *testOutput) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(p)
}

func (o *testOutput) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.w = io.Discard
}

// Eventually waits at most 20 s for a condition.
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come to pass that %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Anonymous gives a client without a credential.
func (s *Server) Anonymous(t testing.TB) *apiclient.ClientWithResponses {
	return s.client(t, func(*http.Request) {})
}

// WithKey gives a client that sends an API key.
func (s *Server) WithKey(t testing.TB, key string) *apiclient.ClientWithResponses {
	return s.client(t, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+key) })
}

// WithSession gives a client that sends a session cookie, as a page of the dashboard would.
func (s *Server) WithSession(t testing.TB, cookie string) *apiclient.ClientWithResponses {
	return s.client(t, func(r *http.Request) {
		r.AddCookie(&http.Cookie{Name: s.Node.Sessions.CookieName(), Value: cookie})
		r.Header.Set("Origin", s.URL)
	})
}

func (s *Server) client(t testing.TB, edit func(*http.Request)) *apiclient.ClientWithResponses {
	t.Helper()
	c, err := apiclient.NewClientWithResponses(s.URL, apiclient.WithHTTPClient(Checked(t)),
		apiclient.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			edit(r)
			return nil
		}))
	if err != nil {
		t.Fatalf("make a client: %v", err)
	}
	return c
}
