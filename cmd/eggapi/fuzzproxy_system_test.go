//go:build system

package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/eggapi/eggapi/internal/apitest"
)

// exchange is one request and its answer, as they were on the wire: a line of the file that tools/secondopinion reads.
type exchange struct {
	Method          string      `json:"method"`
	URL             string      `json:"url"`
	RequestHeaders  http.Header `json:"request_headers"`
	RequestBody     []byte      `json:"request_body"`
	Status          int         `json:"status"`
	ResponseHeaders http.Header `json:"response_headers"`
	ResponseBody    []byte      `json:"response_body"`
}

// recordedOfAKind bounds the recording of a run that goes on for hours, by caller, operation and status.
const recordedOfAKind = 2000

// recording keeps every exchange in a file.
type recording struct {
	mu   sync.Mutex
	file *os.File
	out  *bufio.Writer
}

func newRecording(t *testing.T) *recording {
	t.Helper()
	path := os.Getenv("EGGAPI_FUZZ_RECORD")
	if path == "" {
		path = filepath.Join(t.TempDir(), "exchanges.ndjson")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return &recording{file: f, out: bufio.NewWriter(f)}
}

func (r *recording) add(e exchange) {
	line, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = r.out.Write(append(line, '\n'))
}

// path gives the file, with all in it that was added.
func (r *recording) path(t *testing.T) string {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.out.Flush(); err != nil {
		t.Fatal(err)
	}
	return r.file.Name()
}

// fuzzProxy stands between one caller and the server. It counts, records and, to prove that faults are noticed, tampers.
type fuzzProxy struct {
	url    string
	target string // as in http://127.0.0.1:8080
	router routers.Router
	record *recording // nil = none
	before func(operationID string, r *http.Request)
	after  func(operationID string, e *exchange)
	next   *http.Transport

	mu       sync.Mutex
	count    map[string]map[int]int // answers by operation and status
	made     map[string]string      // ids of what was created, with the operation that did
	followed map[string]int         // from what was created to what was done with it
}

func newFuzzProxy(t *testing.T, target string, record *recording) *fuzzProxy {
	t.Helper()
	router, err := gorillamux.NewRouter(apitest.Contract())
	if err != nil {
		t.Fatal(err)
	}
	p := &fuzzProxy{
		target: target, router: router, record: record,
		count: map[string]map[int]int{}, made: map[string]string{}, followed: map[string]int{},
		next: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 8},
	}
	front := httptest.NewServer(p)
	t.Cleanup(front.Close)
	p.url = front.URL
	return p
}

// ServeHTTP passes a request on as it came, and its answer back.
func (p *fuzzProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation := p.operation(r)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	e := exchange{Method: r.Method, URL: r.URL.RequestURI(), RequestHeaders: r.Header.Clone(), RequestBody: body}
	if p.before != nil {
		p.before(operation, r)
	}
	if err := p.ask(r, &e); err != nil {
		// As if the server had cut the connection itself: schemathesis reports that.
		panic(http.ErrAbortHandler)
	}
	if p.after != nil {
		p.after(operation, &e)
	}
	p.saw(operation, e)
	for name, values := range e.ResponseHeaders {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	if e.ResponseHeaders.Get("Content-Type") == "" {
		w.Header()["Content-Type"] = nil // net/http would guess one
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(e.ResponseBody)
}

// ask completes the exchange with the server's answer.
func (p *fuzzProxy) ask(r *http.Request, e *exchange) error {
	out := r.Clone(r.Context())
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host = "http", strings.TrimPrefix(p.target, "http://")
	out.Host = ""
	out.Header.Del("Connection")
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(e.RequestBody)), int64(len(e.RequestBody))
	if len(e.RequestBody) == 0 {
		out.Body = http.NoBody
	}
	response, err := p.next.RoundTrip(out)
	if err != nil {
		return fmt.Errorf("pass a request on: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	e.Status, e.ResponseHeaders = response.StatusCode, response.Header
	e.ResponseBody, err = io.ReadAll(response.Body)
	return err
}

// operation names what a request is for; empty when the contract has no such operation.
func (p *fuzzProxy) operation(r *http.Request) string {
	route, _, err := p.router.FindRoute(r)
	if err != nil {
		return ""
	}
	return route.Operation.OperationID
}

func (p *fuzzProxy) saw(operation string, e exchange) {
	p.mu.Lock()
	if p.count[operation] == nil {
		p.count[operation] = map[int]int{}
	}
	p.count[operation][e.Status]++
	p.follow(operation, e)
	enough := p.count[operation][e.Status] > recordedOfAKind
	p.mu.Unlock()
	if p.record != nil && !enough {
		p.record.add(e)
	}
}

// follow counts what succeeded with what was created before.
func (p *fuzzProxy) follow(operation string, e exchange) {
	if e.Status == http.StatusCreated || e.Status == http.StatusAccepted {
		var answer struct{ Data struct{ ID string } }
		if json.Unmarshal(e.ResponseBody, &answer) == nil && answer.Data.ID != "" {
			p.made[answer.Data.ID] = operation
		}
		return
	}
	path, _, _ := strings.Cut(e.URL, "?")
	by := p.made[path[strings.LastIndex(path, "/")+1:]]
	if by != "" && operation != "" && e.Status < http.StatusBadRequest {
		p.followed[by+" -> "+operation]++
	}
}

// total counts all answers.
func (p *fuzzProxy) total() int {
	n := 0
	for _, statuses := range p.count {
		for _, count := range statuses {
			n += count
		}
	}
	return n
}

// succeeded tells whether an operation gave an answer below 400.
func (p *fuzzProxy) succeeded(operation string) bool {
	for status := range p.count[operation] {
		if status < http.StatusBadRequest {
			return true
		}
	}
	return false
}

// lines says how many answers of each status came back, an operation a line.
func (p *fuzzProxy) lines() []string {
	var lines []string
	for operation, statuses := range p.count {
		line := fmt.Sprintf("%-22s", orText(operation, "(none)"))
		var codes []int
		for status := range statuses {
			codes = append(codes, status)
		}
		slices.Sort(codes)
		for _, status := range codes {
			line += fmt.Sprintf("  %d: %d", status, statuses[status])
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

func orText(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
