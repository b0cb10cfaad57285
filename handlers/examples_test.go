package handlers_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
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
			p := props{}
			s.becomeTheExamples(t, s.ada.UserID)
			if op.id == "signUpEmail" {
				s.exec(t, `update "user" set "email" = "id" || '@example.com'`)
			}
			if strings.Contains(op.path, "{id}") {
				p = s.newProps(t)
			}
			r := op.request(p, s.allowed(t, op, s.ada))
			r.body = body
			r.path += queryExamples(apitest.Contract().Paths.Value(op.path).Parameters, declared.Parameters)
			r = r.with(headerExamples(declared.Parameters))
			r.path = strings.NewReplacer("nobodys", exampleToken, "eyJhbGciOiJIUzI1NiJ9.eyJlbWFpbCI6ImFkYUBleGFtcGxlLmNvbSJ9.c2lnbmF0dXJl",
				strings.TrimPrefix(linkQueries["verifyEmail"], "?token=")).Replace(r.path)
			leadsOn := op.id == "resetPasswordCallback"
			if a := s.do(t, r); a.status >= http.StatusMultipleChoices && !leadsOn || leadsOn && !strings.HasSuffix(a.header.Get("Location"), "?token="+exampleToken) {
				t.Errorf("%s %s answered %d %s", op.id, r.path+r.body, a.status, a.body)
			}
			executed++
		}
	}
	if executed < len(operations) {
		t.Errorf("%d requests for %d operations", executed, len(operations))
	}
}

const exampleToken = "kT3vQ9xWm2Zp7LsRb5YcNd8f"

// becomeTheExamples gives a user the address, the password and the reset that the examples speak of.
func (s *stage) becomeTheExamples(t *testing.T, userID string) {
	t.Helper()
	s.exec(t, `update "user" set "email" = "id" || '@example.com' where "email" = 'ada@example.com'`)
	s.exec(t, `update "user" set "email" = 'ada@example.com' where "id" = $1`, userID)
	s.exec(t, `delete from "verification"`)
	s.exec(t, `insert into "verification" ("id", "identifier", "value", "expiresAt") values ($1, 'reset-password:' || $2, $1, now() + interval '1 hour')`, userID, exampleToken)
	s.givePassword(t, userID)
}

// givePassword lets a user sign in with "correct horse 1", without hashing it.
func (s *stage) givePassword(t testing.TB, userID string) {
	t.Helper()
	s.exec(t, `insert into "account" ("id", "accountId", "providerId", "userId", "password", "updatedAt") values ($1, $1, 'credential', $1, $2, now())`, userID,
		"000102030405060708090a0b0c0d0e0f:e1b18b259c033c57dadfd9a3cc9964090a97aa0cded555fb3c4825e3268623459d93d426946b1ffa084ec946ce31d59eb3b0c57780bf5f7c30a633115ed2481d")
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
