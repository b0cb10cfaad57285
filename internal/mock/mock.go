// Package mock answers the contract from memory, for other people's tests.
//
// Owns: the memory behind `eggapi mock`, its handlers, its workers, scripted failures, and the key and secret it prints.
// Does not own: the gate and the form of errors (server), drawing (provider), what a request may ask for (task), signatures (webhook).
// May touch: gen, gen/api, gen/db, handlers for the system tag, auth, fault, fetch, id, ledger, money, provider, ratelimit, server, task, webhook.
// Always true: nothing is written to disk, no database is asked, and only loopback is called unless more was opened.
package mock

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/eggapi/eggapi/gen"
	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/handlers"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/fetch"
	"github.com/eggapi/eggapi/internal/provider"
	"github.com/eggapi/eggapi/internal/ratelimit"
	"github.com/eggapi/eggapi/internal/server"
)

// Options is what a mock is made of. The zero value of all but PublicURL and Logger suits most tests.
type Options struct {
	PublicURL       string // what clients call; it stands in the URLs of images
	Logger          *slog.Logger
	Latency         time.Duration  // added to every task while it is processing
	Deadline        time.Duration  // after which a task fails with timeout; 0 = the real service's, 5 or 10 minutes
	Egress          []netip.Prefix // networks that may be called besides loopback
	WebhookSchedule []time.Duration
	TrustedOrigins  []string // besides PublicURL
	TrustedProxies  []netip.Prefix
	IPLimit         float64          // requests per second; 0 = off
	KeyLimit        float64          // requests per second; 0 = off
	TestKeyLimit    float64          // of test keys; 0 = off
	Clock           func() time.Time // nil = the wall clock
}

// Mock is a running mock: an http.Handler, and the tasks and webhooks under way behind it.
type Mock struct {
	o       Options
	door    http.Handler
	system  *handlers.Handlers // answers for the tag system, and is asked for nothing else
	cookies *auth.Sessions     // names and signatures of cookies; it has no database and is asked for nothing else
	secret  string             // signs the cookies of this process
	outside *fetch.Client
	sandbox *provider.Sandbox
	drawing *semaphore.Weighted
	files   *files
	memory  *memory

	life context.Context // of the tasks, which outlive the requests that made them
	end  context.CancelFunc
	work sync.WaitGroup
}

var _ api.StrictServerInterface = (*Mock)(nil)

// New makes a mock. It fails on a contract the door refuses and on networks that make no sense.
func New(ctx context.Context, o Options) (*Mock, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if len(o.WebhookSchedule) == 0 {
		o.WebhookSchedule = defaultSchedule()
	}
	o.PublicURL = strings.TrimSuffix(o.PublicURL, "/")
	m := &Mock{
		o: o, secret: rand.Text() + rand.Text(), sandbox: provider.NewSandbox(o.Clock),
		drawing: semaphore.NewWeighted(drawingUnits), files: newFiles(), memory: newMemory(),
	}
	m.life, m.end = context.WithCancel(context.WithoutCancel(ctx))
	var err error
	m.cookies, err = auth.NewSessions(auth.SessionConfig{
		Clock: o.Clock, Logger: o.Logger, Secrets: []string{m.secret}, Secure: strings.HasPrefix(o.PublicURL, "https://"),
		PublicURL: o.PublicURL, Origins: o.TrustedOrigins,
	})
	if err != nil {
		return nil, fault.Wrap(err, "prepare the sessions")
	}
	if m.outside, err = fetch.New(policy(o.Egress)); err != nil {
		return nil, fmt.Errorf("prepare outgoing calls: %w", err)
	}
	asYAML, asJSON, err := handlers.NewDocuments(gen.Contract)
	if err != nil {
		return nil, err
	}
	m.system = handlers.New(handlers.Deps{ContractYAML: asYAML, ContractJSON: asJSON, Ready: ready})
	return m, m.openDoor(ctx)
}

// openDoor puts the real service's door before this memory.
func (m *Mock) openDoor(ctx context.Context) error {
	door, err := server.New(ctx, server.Deps{
		Contract: gen.Contract, Handlers: m, Keys: keyring{m}, Sessions: sessions{m.cookies, m}, Files: m.files, Pages: http.HandlerFunc(notFound),
		Translate: func(err error) error { return err }, Registry: prometheus.NewRegistry(), Logger: m.o.Logger, Clock: m.o.Clock,
		TrustedOrigins: append([]string{m.o.PublicURL}, m.o.TrustedOrigins...), TrustedProxies: m.o.TrustedProxies,
		IPLimit: rule(m.o.IPLimit), KeyLimit: rule(m.o.KeyLimit), TestKeyLimit: rule(m.o.TestKeyLimit), Between: m.play,
	})
	m.door = door
	return err
}

// rule allows a burst of twice what is allowed per second, as the real service does.
func rule(perSecond float64) ratelimit.Rule {
	return ratelimit.Rule{PerSecond: perSecond, Burst: max(1, int(2*perSecond))}
}

// Header is on every answer, so that nobody takes a mock for the service.
const Header = "EggAPI-Mock"

type answerKey struct{}

// ServeHTTP answers one request.
func (m *Mock) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(Header, "in-memory")
	// Better Auth's operations set cookies, which no answer of the contract has a place for.
	m.door.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), answerKey{}, w.Header())))
}

// answerHeader gives the header of the answer to the request of ctx.
func answerHeader(ctx context.Context) http.Header {
	h, _ := ctx.Value(answerKey{}).(http.Header)
	return h
}

// Close ends the tasks and webhooks under way and waits for them. No request may come any more.
func (m *Mock) Close() {
	m.end()
	m.work.Wait()
	m.outside.Close()
}

// now is a time as PostgreSQL would keep it: UTC in microseconds.
func (m *Mock) now() time.Time { return m.o.Clock().UTC().Truncate(time.Microsecond) }

// pause waits. It is false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
