package server_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/eggapi/eggapi/gen"
	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/server"
)

// rooms answers with what a test puts in; every other operation panics, since its interface is nil.
type rooms struct {
	api.StrictServerInterface
	health func(ctx context.Context) (api.GetHealthResponseObject, error)
	signIn func(ctx context.Context) (api.SignInEmailResponseObject, error)
	tasks  func(ctx context.Context) (api.ListTasksResponseObject, error)
}

// GetHealth answers.
func (r rooms) GetHealth(ctx context.Context, _ api.GetHealthRequestObject) (api.GetHealthResponseObject, error) {
	return r.health(ctx)
}

// SignInEmail answers.
func (r rooms) SignInEmail(ctx context.Context, _ api.SignInEmailRequestObject) (api.SignInEmailResponseObject, error) {
	return r.signIn(ctx)
}

// ListTasks answers.
func (r rooms) ListTasks(ctx context.Context, _ api.ListTasksRequestObject) (api.ListTasksResponseObject, error) {
	return r.tasks(ctx)
}

// The one key and the one session that the doorkeepers of the tests know.
const (
	goodKey     = "egg_good"
	goodSession = "signed"
)

type doorkeeper struct{}

// Recall remembers nothing for sure.
func (doorkeeper) Recall(string) (auth.Principal, auth.Recall, error) {
	return auth.Principal{}, auth.RecallStale, nil
}

// Authenticate knows goodKey.
func (doorkeeper) Authenticate(_ context.Context, key string) (auth.Principal, error) {
	if key != goodKey {
		return auth.Principal{}, fault.New(fault.Unauthorized, "Invalid API key")
	}
	return auth.Principal{Kind: auth.KindKey, UserID: "usr_ada", KeyID: "key_ada", Environment: "live", Rights: adasRights}, nil
}

var adasRights = &auth.Rights{Scopes: auth.Scopes()}

func (doorkeeper) CountRequest(context.Context, auth.Principal) error { return nil }

type receptionist struct{}

// CookieName is session.
func (receptionist) CookieName() string { return "session" }

// DontRememberName is forget.
func (receptionist) DontRememberName() string { return "forget" }

// DontRemembers remembers.
func (receptionist) DontRemembers(string) bool     { return false }
func (receptionist) Clearing(string) []auth.Cookie { return nil }

// Authenticate knows goodSession.
func (receptionist) Authenticate(_ context.Context, cookie string) (auth.Principal, error) {
	if cookie != goodSession {
		return auth.Principal{}, fault.New(fault.Unauthorized, "Your session is invalid")
	}
	return auth.Principal{Kind: auth.KindSession, UserID: "usr_ada", Environment: "live"}, nil
}

// deps are those of a server on which nothing works but the door, and the log it writes.
func deps() (server.Deps, *transcript) {
	log := &transcript{}
	return server.Deps{
		Contract: gen.Contract, Handlers: rooms{}, Keys: doorkeeper{}, Sessions: receptionist{}, Files: http.NotFoundHandler(),
		Pages: http.NotFoundHandler(), Translate: func(err error) error { return err }, Registry: prometheus.NewRegistry(),
		Logger: slog.New(slog.NewJSONHandler(log, nil)), Clock: time.Now, TrustedOrigins: []string{"https://egg.example"},
	}, log
}

// transcript is a log that can be read while it is written.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds to the log.
func (l *transcript) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String gives the whole log.
func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// reset forgets what was logged.
func (l *transcript) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}

// open builds a server and gives what makes requests of it. Building takes a while: tests share one where they can.
func open(t *testing.T, d server.Deps) func(*http.Request) *httptest.ResponseRecorder {
	t.Helper()
	e, err := server.New(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return func(r *http.Request) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		return w
	}
}

func request(method, path string, header ...string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func withJSON(r *http.Request, body string) *http.Request {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

// edited gives the contract after a change.
func edited(t *testing.T, edit func(doc *openapi3.T)) []byte {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(gen.Contract)
	if err != nil {
		t.Fatal(err)
	}
	edit(doc)
	document, err := doc.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return document
}
