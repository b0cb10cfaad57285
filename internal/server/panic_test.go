package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/server"
)

const canary = "c4n4ry"

// clean holds an answer against the text of every failure of ours.
func clean(t *testing.T, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	got := strings.TrimSpace(strings.ReplaceAll(w.Body.String(), w.Header().Get("X-Request-Id"), "ID"))
	if w.Code != status || got != body || w.Header().Get("X-Request-Id") == "" {
		t.Errorf("answered %d %s %v, want %d %s", w.Code, got, w.Header(), status, body)
	}
}

const (
	internal500 = `{"data":null,"error":{"code":"INTERNAL_ERROR","message":"internal error","request_id":"ID"}}`
	busy503     = `{"data":null,"error":{"code":"SERVICE_UNAVAILABLE","message":"the service is temporarily unavailable","request_id":"ID"}}`
)

func TestServer_PanicIsAnErrorOfOursWithoutAWordOfIt(t *testing.T) {
	t.Parallel()
	var nothing *rooms
	var panics func()
	d, log := deps()
	d.Handlers = rooms{
		health: func(context.Context) (api.GetHealthResponseObject, error) { panics(); return nil, nil },
		signIn: func(context.Context) (api.SignInEmailResponseObject, error) { panics(); return nil, nil },
	}
	ask := open(t, d)
	for name, cause := range map[string]func(){
		"text": func() { panic(canary) }, "error": func() { panic(errors.New(canary)) }, "nil pointer": func() { _ = nothing.health },
		"refusal": func() { panic(fault.New(fault.NotFound, canary)) }, "abort": func() { panic(http.ErrAbortHandler) },
	} {
		log.reset()
		panics = cause
		first := ask(request("GET", "/healthz"))
		clean(t, first, 500, internal500)
		second := ask(withJSON(request("POST", "/api/auth/sign-in/email"), `{"email":"a","password":"b"}`))
		clean(t, second, 500, `{"code":"INTERNAL_SERVER_ERROR","message":"internal error"}`)
		text := log.String()
		if strings.Contains(text, canary) {
			t.Errorf("%s: the log repeats the panic's value: %s", name, text)
		}
		if !strings.Contains(text, "panic_test.go") || !strings.Contains(text, first.Header().Get("X-Request-Id")) || !strings.Contains(text, `"status":500`) {
			t.Errorf("%s: the log does not tell where and for whom: %s", name, text)
		}
	}
}

func TestServer_PanicAfterTheFirstByteCutsTheConnection(t *testing.T) {
	t.Parallel()
	d, log := deps()
	d.Files = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "whole" {
			_, _ = io.WriteString(w, "all of it")
			return
		}
		_, _ = io.WriteString(w, "half of it")
		w.(http.Flusher).Flush()
		panic(canary)
	})
	e, err := server.New(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(e)
	t.Cleanup(s.Close)
	read := func(path string) (string, error) {
		response, err := s.Client().Get(s.URL + "/files/" + path)
		if err != nil {
			return "", err
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		return string(body), err
	}
	if got, err := read("half"); err == nil || strings.Contains(got, "INTERNAL") || strings.Contains(got, canary) {
		t.Errorf("read %q, %v", got, err)
	}
	if !strings.Contains(log.String(), "a handler panicked") || strings.Contains(log.String(), canary) {
		t.Errorf("the log is %s", log)
	}
	if got, err := read("whole"); err != nil || got != "all of it" {
		t.Errorf("the next request: %q, %v", got, err)
	}
}

func TestServer_WhateverAHandlerGivesUpWithHasARowInTheTable(t *testing.T) {
	t.Parallel()
	statuses := map[fault.Code]int{
		"BAD_REQUEST": 400, "VALIDATION_ERROR": 400, "UNAUTHORIZED": 401, "FORBIDDEN": 403, "INSUFFICIENT_BALANCE": 403, "NOT_FOUND": 404,
		"METHOD_NOT_ALLOWED": 405, "CONFLICT": 409, "PAYLOAD_TOO_LARGE": 413, "UNSUPPORTED_MEDIA_TYPE": 415, "IDEMPOTENCY_MISMATCH": 422,
		"RATE_LIMITED": 429, "QUOTA_EXCEEDED": 429, "INTERNAL_ERROR": 500, "UPSTREAM_ERROR": 502, "SERVICE_UNAVAILABLE": 503,
	}
	if len(statuses) != len(fault.Codes()) {
		t.Errorf("%d codes, %d in this test", len(fault.Codes()), len(statuses))
	}
	fail := failing(t)
	for _, code := range fault.Codes() {
		refusal := fmt.Errorf("while doing something: %w", fault.New(code, "public").Because(errors.New(canary)))
		w, log := fail(refusal)
		clean(t, w, statuses[code], fmt.Sprintf(`{"data":null,"error":{"code":%q,"message":"public","request_id":"ID"}}`, code))
		if waits := statuses[code] == 429 || code == "SERVICE_UNAVAILABLE"; waits != (w.Header().Get("Retry-After") == "1") {
			t.Errorf("%s: Retry-After is %q", code, w.Header().Get("Retry-After"))
		}
		if told := strings.Contains(log, canary) && strings.Contains(log, `"level":"ERROR"`); told != (statuses[code] >= 500) {
			t.Errorf("%s: the log is %s", code, log)
		}
	}
}

func TestServer_CauseIsForTheLogAndNotForTheCaller(t *testing.T) {
	t.Parallel()
	fail := failing(t)
	for name, tt := range map[string]struct {
		err    error
		status int
		body   string
	}{
		"unknown":          {errors.New(canary), 500, internal500},
		"cancelled":        {fmt.Errorf("%s: %w", canary, context.Canceled), 503, busy503},
		"out of time":      {fmt.Errorf("%s: %w", canary, context.DeadlineExceeded), 503, busy503},
		"translated":       {errForeign, 503, `{"data":null,"error":{"code":"SERVICE_UNAVAILABLE","message":"translated","request_id":"ID"}}`},
		"nothing whatever": {nil, 500, internal500},
	} {
		w, log := fail(tt.err)
		clean(t, w, tt.status, tt.body)
		if tt.err != nil && !strings.Contains(log, canary) {
			t.Errorf("%s: the log does not tell the cause: %s", name, log)
		}
	}
}

var errForeign = errors.New(canary + " of another room")

// failing gives what asks one server whose handler gives up with err each time, and what it logs of that.
func failing(t *testing.T) func(err error) (*httptest.ResponseRecorder, string) {
	t.Helper()
	var cause error
	d, log := deps()
	d.Handlers = rooms{health: func(context.Context) (api.GetHealthResponseObject, error) { return nil, cause }}
	d.Translate = func(err error) error {
		if errors.Is(err, errForeign) {
			return fault.New(fault.ServiceUnavailable, "translated").Because(err)
		}
		return err
	}
	ask := open(t, d)
	return func(err error) (*httptest.ResponseRecorder, string) {
		log.reset()
		cause = err
		w := ask(request("GET", "/healthz"))
		return w, log.String()
	}
}

func TestServer_RefusalTellsItsFieldsAndItsTime(t *testing.T) {
	t.Parallel()
	refusal := fault.New(fault.ValidationError, "no").WithFields(fault.Field{In: "body", Name: "a", Rule: "b", Message: "c"}).After(1_500_000_000)
	w, _ := failing(t)(refusal)
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if fields := fmt.Sprint(got["error"].(map[string]any)["fields"]); fields != "[map[in:body message:c name:a rule:b]]" {
		t.Errorf("fields are %s", fields)
	}
	if w.Header().Get("Retry-After") != "2" {
		t.Errorf("Retry-After is %q", w.Header().Get("Retry-After"))
	}
}

func TestServer_CountsAnswersByOperationAndStatus(t *testing.T) {
	t.Parallel()
	d, _ := deps()
	registry := prometheus.NewRegistry()
	d.Registry = registry
	d.Handlers = rooms{health: func(context.Context) (api.GetHealthResponseObject, error) {
		return api.GetHealth200JSONResponse{Data: api.Health{Status: api.HealthStatusOk}}, nil
	}}
	ask := open(t, d)
	for _, path := range []string{"/healthz", "/healthz", "/healthz?x=1", "/v1/account", "/" + canary} {
		ask(request("GET", path))
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			got[family.GetName()+" "+strings.Join(labels, " ")] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for series, want := range map[string]float64{
		"eggapi_http_requests_total getHealth 200": 2, "eggapi_http_requests_total getHealth 400": 1, "eggapi_http_requests_total getAccount 401": 1,
		"eggapi_http_requests_total none 404": 1, "eggapi_http_request_seconds getHealth": 3,
	} {
		if got[series] != want {
			t.Errorf("%s is %v, want %v: %v", series, got[series], want, got)
		}
	}
}
