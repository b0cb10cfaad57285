//go:build system

package main_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/internal/webhook"
)

// The main job over two processes that share nothing but the database and a folder.
func TestSystem_ServeAndWorkDoTheMainJobTogether(t *testing.T) {
	d := newDeployment(t)
	api, worker := d.serve(t, hostOf(d.url)), d.work(t)
	c := d.newCustomer(t)
	hooks := receive(t, func() string { return c.webhookSecret })

	taskID := submit(t, withKey(t, d.url, c.liveKey), "an egg between two processes", hooks.url)
	task := completed(t, withKey(t, d.url, c.liveKey), taskID)
	mustBeImage(t, task.Output.URL)
	if task.Cost != "$0.0100" {
		t.Errorf("the task cost %s", task.Cost)
	}
	hooks.mustVerify(t, `"task_id":"`+taskID+`"`, `"cost":"0.010000"`, `"url":"`+task.Output.URL+`"`)
	if diff := cmp.Diff([]string{"settle -$0.0100"}, chargesFor(t, c.session, taskID)); diff != "" {
		t.Errorf("the ledger: %s", diff)
	}
	if got := balanceOf(t, c.session).Available; got != "$9.9900" {
		t.Errorf("%s is available", got)
	}
	if code, printed := runToEnd(t, command{args: []string{"admin", "check"}, env: d.env}); code != 0 {
		t.Errorf("admin check: %d %s", code, printed)
	}
	mustMeasure(t, d, api)
	for _, n := range []node{worker, api} {
		code, took := n.stop(t, syscall.SIGTERM)
		t.Logf("%s stopped after %s", n.name, took.Round(time.Millisecond))
		if code != 0 {
			t.Errorf("%s ended with %d", n.name, code)
		}
	}
}

// mustMeasure expects the metrics on their own listener and nowhere else.
func mustMeasure(t *testing.T, d deployment, api node) {
	t.Helper()
	status, _, body := get(t, api.metrics)
	if status != http.StatusOK {
		t.Errorf("GET %s: %d", api.metrics, status)
	}
	mustContain(t, string(body), `eggapi_http_requests_total{operation="getTask",status="200"}`, "go_goroutines")
	status, _, body = get(t, d.url+"/metrics")
	if status != http.StatusNotFound {
		t.Errorf("GET /metrics where customers call: %d", status)
	}
	mustContain(t, string(body), `"code":"NOT_FOUND"`)
	mustNotContain(t, string(body), "eggapi_http")
}

// receiver is a customer's server for webhooks.
type receiver struct {
	url    string
	bodies chan string // of webhooks that verified
}

func receive(t *testing.T, secret func() string) *receiver {
	t.Helper()
	r := &receiver{bodies: make(chan string, 100)}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err == nil {
			err = webhook.Verify(secret(), request.Header.Get, body, time.Now(), time.Minute)
		}
		if err != nil {
			t.Errorf("a webhook: %v", err)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.bodies <- string(body)
	}))
	t.Cleanup(s.Close)
	r.url = s.URL + "/hooks"
	return r
}

func (r *receiver) mustVerify(t *testing.T, texts ...string) {
	t.Helper()
	select {
	case body := <-r.bodies:
		mustContain(t, body, texts...)
	case <-time.After(taskPatience):
		t.Fatal("no webhook has arrived")
	}
}

func TestSystem_MigrateBringsAnEmptyDatabaseUpToDate(t *testing.T) {
	env := []string{"DATABASE_URL=" + emptyDatabase(t)}
	status := command{args: []string{"migrate", "status"}, env: env}
	code, printed := runToEnd(t, status)
	if code != 0 {
		t.Errorf("migrate status: %d", code)
	}
	mustContain(t, printed, "pending  0001_", "pending  river ")
	mustNotContain(t, printed, "applied  ")
	for range 2 { // the second time has nothing to do
		if code, printed := runToEnd(t, command{args: []string{"migrate", "up"}, env: env}); code != 0 || !strings.Contains(printed, "current") {
			t.Fatalf("migrate up: %d %s", code, printed)
		}
	}
	_, printed = runToEnd(t, status)
	mustContain(t, printed, "applied  0001_", "applied  river ")
	mustNotContain(t, printed, "pending  ")
}
