package handlers_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/webhook"
)

// What the contract shows as a request is what people send first.
func TestExamples_EveryRequestOfTheContractIsAccepted(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	executed := 0
	for _, op := range operations {
		declared := apitest.Contract().Paths.Value(op.path).GetOperation(op.method)
		for _, body := range bodyExamples(t, declared) {
			s.ada = s.newAccount(t) // whose keys no other example has changed
			r := op.request(s.newProps(t), s.allowed(t, op, s.ada))
			r.body = body
			r.path += queryExamples(apitest.Contract().Paths.Value(op.path).Parameters, declared.Parameters)
			r = r.with(headerExamples(declared.Parameters))
			if a := s.do(t, r); a.status >= http.StatusMultipleChoices {
				t.Errorf("%s %s answered %d %s", op.id, r.path+r.body, a.status, a.body)
			}
			executed++
		}
	}
	if executed < len(operations) {
		t.Errorf("%d requests for %d operations", executed, len(operations))
	}
}

// bodyExamples gives the example bodies in the order of their names; one empty body where the operation takes none.
func bodyExamples(t *testing.T, op *openapi3.Operation) []string {
	t.Helper()
	if op.RequestBody == nil {
		return []string{""}
	}
	examples := op.RequestBody.Value.Content.Get("application/json").Examples
	if len(examples) == 0 {
		t.Errorf("%s has no example of its body", op.OperationID)
	}
	var bodies []string
	for _, name := range slices.Sorted(maps.Keys(examples)) {
		body, err := json.Marshal(examples[name].Value.Value)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, string(body))
	}
	return bodies
}

func queryExamples(lists ...openapi3.Parameters) string {
	query := url.Values{}
	for _, p := range slices.Concat(lists...) {
		if text, ok := p.Value.Example.(string); ok && p.Value.In == openapi3.ParameterInQuery {
			query.Set(p.Value.Name, text)
		}
	}
	if len(query) == 0 {
		return ""
	}
	return "?" + query.Encode()
}

// headerExamples leaves the Idempotency-Key to the first body: with another it is refused, as it should be.
func headerExamples(parameters openapi3.Parameters) http.Header {
	header := http.Header{}
	for _, p := range parameters {
		if text, ok := p.Value.Example.(string); ok && p.Value.In == openapi3.ParameterInHeader && p.Value.Name != "Idempotency-Key" {
			header.Set(p.Value.Name, text)
		}
	}
	return header
}

func TestExamples_WebhooksOfTheContractAreThoseThatAreSent(t *testing.T) {
	t.Parallel()
	const taskID = "gen_01jz3v9m4r8q5t7w9x0y1z2a3b"
	image := "https://eggapi.example.com/files/images/" + taskID + "/0.png"
	for name, e := range map[string]webhook.Event{
		"task.completed": {TaskID: taskID, Model: "nanobanana", OutputURLs: []string{image}, CostMicros: 10_000, EndedAt: time.Unix(1778236212, 0)},
		"task.failed": {
			TaskID: taskID, Model: "nanobanana", Failed: true, EndedAt: time.Unix(1778236202, 0),
			Error: "Content moderation: prompt contains prohibited content",
		},
	} {
		callback := apitest.Contract().Paths.Value("/v1/generate").Post.Callbacks[name].Value
		for _, item := range callback.Map() {
			want := bodyExamples(t, item.Post)
			var shown, sent any
			if err := json.Unmarshal([]byte(want[0]), &shown); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(webhook.Body(e), &sent); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(shown, sent); diff != "" {
				t.Errorf("%s: shown (-), sent (+)\n%s", name, diff)
			}
		}
	}
}
