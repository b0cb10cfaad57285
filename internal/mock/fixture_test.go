package mock_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/mock"
)

// newMock serves a mock until the test ends, and gives its URL.
func newMock(t testing.TB, o mock.Options) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	o.PublicURL = "http://" + l.Addr().String()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := mock.New(t.Context(), o)
	if err != nil {
		t.Fatalf("make a mock: %v", err)
	}
	s := &http.Server{Handler: m}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-served
		m.Close()
	})
	return o.PublicURL
}

// call is one request.
type call struct {
	method, path, body string
	header             http.Header
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send sends a request and holds its answer against the contract.
func send(t testing.TB, baseURL string, c call) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), c.method, baseURL+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatalf("make a request: %v", err)
	}
	if c.body == "" {
		r.Body = nil
	}
	if c.header != nil {
		r.Header = c.header.Clone()
	}
	if c.body != "" && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := apitest.Checked(t).Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: body}
}

// member gives the text at a path of member names such as data.id, "" when there is none.
func (a answer) member(path string) string {
	var v any
	if json.NewDecoder(bytes.NewReader(a.body)).Decode(&v) != nil {
		return ""
	}
	for name := range strings.SplitSeq(path, ".") {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	text, _ := v.(string)
	return text
}

func withKey(key string) http.Header { return http.Header{"Authorization": {"Bearer " + key}} }

// generate asks for an image with a test key and gives the task's id.
func generate(t testing.TB, baseURL, body string) string {
	t.Helper()
	a := send(t, baseURL, call{method: "POST", path: "/v1/generate", body: body, header: withKey(mock.Key)})
	if a.status != http.StatusAccepted {
		t.Fatalf("generate: %d %s", a.status, a.body)
	}
	return a.member("data.id")
}

// end waits for the end of a task.
func end(t testing.TB, baseURL string, header http.Header, taskID string) answer {
	t.Helper()
	var last answer
	apitest.Eventually(t, "task "+taskID+" ends", func() bool {
		last = send(t, baseURL, call{method: "GET", path: "/v1/tasks/" + taskID, header: header})
		return last.member("data.completed_at") != ""
	})
	return last
}

// operation is one of the contract, with where it is found.
type operation struct {
	*openapi3.Operation
	method, path string
}

// operations gives the contract's operations by id.
func operations() map[string]operation {
	all := map[string]operation{}
	for path, item := range apitest.Contract().Paths.Map() {
		for method, op := range item.Operations() {
			all[op.OperationID] = operation{op, method, path}
		}
	}
	return all
}

// operationOf gives the id of the operation that a request is for, "" for none.
func operationOf(method, target string) string {
	target, _, _ = strings.Cut(target, "?")
	for operationID, op := range operations() {
		if op.method == method && regexp.MustCompile("^"+regexp.MustCompile(`\{\w+\}`).ReplaceAllString(op.path, "[^/]+")+"$").MatchString(target) {
			return operationID
		}
	}
	return ""
}
