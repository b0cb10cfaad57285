//go:build system

package bench

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/eggapi/eggapi/gen"
	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/server"
)

// gateFigure is what the door costs for one operation, without a network, a database or a limit.
type gateFigure struct {
	name              string
	ns, allocs, bytes int64
	maxAllocs         int64
}

// Allocations do not depend on how busy the machine is, so they are what is held to a bound.
const (
	maxAllocsGet  = 22 // three are for its one optional parameter of the query
	maxAllocsPost = 50
)

func measureGates() []gateFigure {
	figures := []gateFigure{
		{name: "GET /v1/tasks/{id}", maxAllocs: maxAllocsGet},
		{name: "POST /v1/generate", maxAllocs: maxAllocsPost},
	}
	for i, benchmark := range []func(*testing.B){BenchmarkDoorGet, BenchmarkDoorPost} {
		r := testing.Benchmark(benchmark)
		figures[i].ns, figures[i].allocs, figures[i].bytes = r.NsPerOp(), r.AllocsPerOp(), r.AllocedBytesPerOp()
	}
	return figures
}

func BenchmarkDoorGet(b *testing.B) {
	benchmarkDoor(b, httptest.NewRequestWithContext(b.Context(), http.MethodGet, sampleTask, nil), "")
}

func BenchmarkDoorPost(b *testing.B) {
	r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/v1/generate", nil)
	r.Header.Set("Content-Type", "application/json")
	benchmarkDoor(b, r, orderBody)
}

func benchmarkDoor(b *testing.B, r *http.Request, body string) {
	b.Helper()
	e := newDoor(b)
	r.Header.Set("Authorization", "Bearer anything")
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		// The server makes a request and a body for each call, which is not the door's to answer for.
		fresh := *r
		if body != "" {
			fresh.Body, fresh.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		}
		clear(w.header)
		e.ServeHTTP(w, &fresh)
	}
	if w.status == 0 || w.status >= http.StatusBadRequest {
		b.Fatalf("answered %d", w.status)
	}
}

func newDoor(b *testing.B) *echo.Echo {
	b.Helper()
	e, err := server.New(b.Context(), server.Deps{
		Contract: gen.Contract, Handlers: answering{}, Keys: anyKey{}, Sessions: noSession{}, Files: http.NotFoundHandler(), Pages: http.NotFoundHandler(),
		Translate: func(err error) error { return err }, Registry: prometheus.NewRegistry(), Clock: time.Now,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatalf("build the door: %v", err)
	}
	return e
}

// discard takes an answer and keeps its status.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// answering answers two operations at once; the others are never asked.
type answering struct{ api.StrictServerInterface }

var answeredTask = api.Task{ID: "gen_7", Status: "pending", Model: "nanobanana", Type: "image_generate", Cost: "$0.00"}

func (answering) GetTask(context.Context, api.GetTaskRequestObject) (api.GetTaskResponseObject, error) {
	return api.GetTask200JSONResponse{Data: answeredTask}, nil
}

func (answering) Generate(context.Context, api.GenerateRequestObject) (api.GenerateResponseObject, error) {
	return api.Generate202JSONResponse{Body: api.TaskEnvelope{Data: answeredTask}}, nil
}

type anyKey struct{}

func (anyKey) Authenticate(context.Context, string) (auth.Principal, error) {
	return auth.Principal{Kind: auth.KindKey, UserID: firstUser, KeyID: "key_1", Environment: auth.EnvironmentLive, Role: "user", Rights: allRights}, nil
}

func (k anyKey) Recall(key string) (auth.Principal, auth.Recall, error) {
	p, err := k.Authenticate(context.Background(), key)
	return p, auth.RecallFresh, err
}

var allRights = &auth.Rights{Scopes: auth.Scopes(), TimeZone: "UTC"}

func (anyKey) CountRequest(context.Context, auth.Principal) error { return nil }

type noSession struct{}

func (noSession) CookieName() string            { return "session" }
func (noSession) DontRememberName() string      { return "dont" }
func (noSession) DontRemembers(string) bool     { return false }
func (noSession) Clearing(string) []auth.Cookie { return nil }
func (noSession) Authenticate(context.Context, string) (auth.Principal, error) {
	return auth.Principal{}, nil
}
