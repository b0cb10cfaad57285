//go:build system

package main_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// fuzzMutant is a fault planted between the server and schemathesis, which must say so.
type fuzzMutant struct {
	name       string
	caller     string
	operations []string
	phases     string // empty = coverage
	before     func(f *fuzzed, operationID string, r *http.Request)
	after      func(operationID string, e *exchange)
	finds      string // what schemathesis calls it
}

var fuzzMutants = []fuzzMutant{
	{
		name: "nothing is planted", caller: "session", operations: []string{"getBalance", "getAPIKey", "createAPIKey", "listTasks"},
		phases: "coverage,stateful",
	},
	{
		name: "a required member is missing", caller: "session", operations: []string{"getBalance"},
		after: onStatus(200, func(e *exchange) { e.swap(`"available"`, `"left"`) }),
		finds: "Response violates schema",
	},
	{
		name: "a status is not declared", caller: "nobody", operations: []string{"listModels"},
		after: onStatus(200, func(e *exchange) { e.Status = http.StatusAccepted }),
		finds: "Undocumented status code",
	},
	{
		name: "the content type is wrong", caller: "nobody", operations: []string{"listModels"},
		after: onStatus(200, func(e *exchange) { e.ResponseHeaders.Set("Content-Type", "text/html") }),
		finds: "Undocumented Content-Type",
	},
	{
		name: "a header is missing", caller: "nobody", operations: []string{"listModels"},
		after: onStatus(200, func(e *exchange) { e.ResponseHeaders.Del("X-Request-Id") }),
		finds: "Missing required response headers",
	},
	{
		name: "an unknown method is not told which are known", caller: "nobody", operations: []string{"listModels"},
		after: onStatus(405, func(e *exchange) { e.ResponseHeaders.Del("Allow") }),
		finds: "without required `Allow` header",
	},
	{
		name: "an unknown method works", caller: "nobody", operations: []string{"listModels"},
		after: onStatus(405, func(e *exchange) { e.Status = http.StatusOK }),
		finds: "Wrong response to undeclared method",
	},
	{
		name: "the server breaks", caller: "nobody", operations: []string{"listModels"},
		after: onStatus(200, func(e *exchange) { e.refuse(500, "INTERNAL_ERROR") }),
		finds: "Server error",
	},
	{
		name: "a refusal has a code that is not declared", caller: "session", operations: []string{"getAPIKey"},
		after: onStatus(404, func(e *exchange) { e.swap(`"NOT_FOUND"`, `"CONFLICT"`) }),
		finds: "declared_error_code",
	},
	{
		name: "an invalid request is accepted", caller: "session", operations: []string{"listTasks"},
		after: onStatus(400, func(e *exchange) {
			e.answer(200, `{"data":{"items":[],"pagination":{"page":1,"per_page":20,"total":0,"total_pages":0}},"error":null}`)
		}),
		finds: "Schema-violating request accepted",
	},
	{
		name: "a valid request is refused", caller: "session", operations: []string{"listTasks"},
		after: onStatus(200, func(e *exchange) { e.refuse(400, "BAD_REQUEST") }),
		finds: "Schema-valid request rejected",
	},
	{
		name: "a good credential is refused", caller: "session", operations: []string{"listTasks"},
		after: onStatus(200, func(e *exchange) { e.refuse(401, "UNAUTHORIZED") }),
		finds: "Schema-valid request rejected",
	},
	{
		name: "everybody is let in", caller: "session", operations: []string{"getBalance"},
		before: func(f *fuzzed, _ string, r *http.Request) { f.pose(r) },
		finds:  "API accepts requests without authentication",
	},
	{
		name: "a stranger sees what is not his", caller: "session", operations: []string{"createAPIKey", "getAPIKey"}, phases: "stateful",
		before: func(f *fuzzed, _ string, r *http.Request) {
			if strings.Contains(r.Header.Get("Cookie"), f.stranger.cookie.Value) {
				f.pose(r)
			}
		},
		finds: "Object-level authorization bypass",
	},
	{
		name: "what was just made is not there", caller: "session", operations: []string{"createAPIKey", "getAPIKey"}, phases: "stateful",
		after: func(operationID string, e *exchange) {
			if operationID == "getAPIKey" && e.Status == http.StatusOK {
				e.refuse(404, "NOT_FOUND")
			}
		},
		finds: "Created resource not found",
	},
	{
		name: "what was revoked goes on", caller: "session", operations: []string{"createAPIKey", "getAPIKey", "revokeAPIKey"}, phases: "stateful",
		after: func(operationID string, e *exchange) {
			if operationID == "getAPIKey" {
				e.swap(`"revoked"`, `"active"`)
			}
		},
		finds: "Deleted resource still available",
	},
}

// TestSystem_FuzzerNoticesPlantedFaults shows that each kind of fault is seen, and that nothing is seen without one.
func TestSystem_FuzzerNoticesPlantedFaults(t *testing.T) {
	f := newFuzzed(t)
	for _, m := range fuzzMutants {
		t.Run(m.name, func(t *testing.T) {
			w := walk{
				caller: m.caller, operations: m.operations, phases: orText(m.phases, "coverage"), examples: 30, seed: fuzzSeed,
				proxy: newFuzzProxy(t, f.URL, nil), dir: t.TempDir(),
			}
			if m.before != nil {
				w.proxy.before = func(operationID string, r *http.Request) { m.before(f, operationID, r) }
			}
			w.proxy.after = m.after
			code, printed := w.run(t, f)
			if m.finds == "" {
				if code != 0 {
					t.Errorf("schemathesis ended with %d:\n%s", code, printed)
				}
				return
			}
			if code != 1 || !strings.Contains(printed, m.finds) {
				t.Errorf("schemathesis ended with %d and does not speak of %q:\n%s", code, m.finds, printed)
			}
		})
	}
}

// pose lets a request pass for one of the session's owner.
func (f *fuzzed) pose(r *http.Request) {
	cookie := f.owners["session"].cookie
	r.Header.Set("Cookie", cookie.Name+"="+cookie.Value)
}

// onStatus tampers with the answers that have a status.
func onStatus(status int, tamper func(*exchange)) func(string, *exchange) {
	return func(_ string, e *exchange) {
		if e.Status == status {
			tamper(e)
		}
	}
}

// swap replaces a text in the body of an answer.
func (e *exchange) swap(old, replacement string) {
	e.ResponseBody = bytes.ReplaceAll(e.ResponseBody, []byte(old), []byte(replacement))
}

// answer replaces the answer, but for its headers.
func (e *exchange) answer(status int, body string) {
	e.Status, e.ResponseBody = status, []byte(body)
}

// refuse makes a refusal of the answer.
func (e *exchange) refuse(status int, code string) {
	body, err := json.Marshal(map[string]any{"data": nil, "error": map[string]string{
		"code": code, "message": "planted", "request_id": e.ResponseHeaders.Get("X-Request-Id"),
	}})
	if err != nil {
		panic(err)
	}
	e.answer(status, string(body))
}
