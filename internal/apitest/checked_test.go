package apitest

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

const goodTask = `{"data":{"id":"gen_01jz3v9m4r8q5t7w9x0y1z2a3b","status":"pending","model":"nanobanana","type":"image_generate",` +
	`"cost":"$0.00","created_at":"2026-05-08T10:30:00Z"},"error":null}`

const goodRefusal = `{"data":null,"error":{"code":"NOT_FOUND","message":"Task not found","request_id":"req_1"}}`

// Each answer is wrong in one way that a schema open to growth would let pass, or that it would not.
func TestCheck_NoticesEveryAnswerThatIsNotTheContracts(t *testing.T) {
	t.Parallel()
	replaced := func(body, old, with string) string {
		if !strings.Contains(body, old) {
			t.Fatalf("%s is not in %s", old, body)
		}
		return strings.Replace(body, old, with, 1)
	}
	for name, tt := range map[string]struct {
		status int
		header map[string]string
		body   string
		want   string
	}{
		"a good answer":                 {200, nil, goodTask, ""},
		"a good refusal":                {404, nil, goodRefusal, ""},
		"a status that is not declared": {418, nil, goodRefusal, "status is not supported"},
		"a member that is not declared": {200, nil, replaced(goodTask, `"cost"`, `"secret":"x","cost"`), "body.data.secret is not declared"},
		"a member in the envelope":      {200, nil, replaced(goodTask, `"error"`, `"debug":1,"error"`), "body.debug is not declared"},
		"a member that is missing":      {200, nil, replaced(goodTask, `"model":"nanobanana",`, ``), `property "model" is missing`},
		"a member of another type":      {200, nil, replaced(goodTask, `"nanobanana"`, `7`), "must be a string"},
		"a value nobody knows":          {200, nil, replaced(goodTask, `"pending"`, `"sleeping"`), `body.data.status is "sleeping"`},
		"a text that is too long":       {200, nil, replaced(goodTask, `nanobanana`, strings.Repeat("a", 101)), "maximum string length"},
		"a header that is not declared": {200, map[string]string{"X-Powered-By": "egg"}, goodTask, "header X-Powered-By"},
		"a header that is missing":      {429, nil, replaced(goodRefusal, "NOT_FOUND", "RATE_LIMITED"), `"Retry-After" missing`},
		"a header of another type":      {429, map[string]string{"Retry-After": "soon"}, replaced(goodRefusal, "NOT_FOUND", "RATE_LIMITED"), "Retry-After"},
		"no request id":                 {200, map[string]string{"X-Request-Id": ""}, goodTask, "no X-Request-Id"},
		"a code of another status":      {404, nil, replaced(goodRefusal, "NOT_FOUND", "CONFLICT"), "error code CONFLICT is not declared"},
		"a code nobody knows":           {404, nil, replaced(goodRefusal, "NOT_FOUND", "TEAPOT"), `body.error.code is "TEAPOT"`},
		"another media type":            {200, map[string]string{"Content-Type": "text/html"}, goodTask, "text/html"},
		"no JSON":                       {200, nil, "<html>", "invalid character"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://egg.example/v1/tasks/gen_1", nil)
		if err != nil {
			t.Fatal(err)
		}
		response := &http.Response{StatusCode: tt.status, Request: r, Header: http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"req_1"}}}
		for name, value := range tt.header {
			response.Header.Del(name)
			if value != "" {
				response.Header.Set(name, value)
			}
		}
		got := check(r, response, []byte(tt.body))
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestCoverage_AsksForEachStatusCodeHeaderAndShownMember(t *testing.T) {
	t.Parallel()
	op := Contract().Paths.Value("/v1/tasks/{id}").Get
	has := func(status, line string) bool {
		return slices.Contains(promises("getTask "+status, op.Responses.Value(status).Value), "getTask "+status+line)
	}
	for status, lines := range map[string][]string{
		"200": {"", " header X-Request-Id", " header RateLimit", " body .data.status: a text", " body .data.output.urls[]: an image", " body .error: null"},
		"404": {"", " code NOT_FOUND"},
		"429": {"", " code RATE_LIMITED", " header Retry-After"},
	} {
		for _, line := range lines {
			if !has(status, line) {
				t.Errorf("%s%s is not asked for", status, line)
			}
		}
	}
	declared, missing := Coverage()
	if len(missing) == 0 || len(missing) > len(declared) {
		t.Errorf("a run of no tests misses %d of %d", len(missing), len(declared))
	}
}

func TestShape_TellsKindsOfTextApart(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"$0.00": "no money", "$0.0100": "money", "-$0.0100": "a charge", "0.0100": "a text", "$0.010": "a text",
		"2026-05-08T10:30:00Z": "a time", "2026-05-08T10:30:00.000Z": "a time in milliseconds", "2026-05-08": "a text",
		"gen_01jz3v9m4r8q5t7w9x0y1z2a3b": "an id gen_", "gen_1": "a text", "key_01jz3v9m4r8q5t7w9x0y1z2a3b": "an id key_",
	} {
		if got := kind(text); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	got := shape(map[string]any{"a": []any{map[string]any{"b": true, "c": nil}}, "d": 1.0}, "")
	slices.Sort(got)
	if want := []string{".a[].b: a truth", ".a[].c: null", ".d: a number"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestUndeclaredMember_LooksIntoListsAndJoinedSchemas(t *testing.T) {
	t.Parallel()
	part := openapi3.NewObjectSchema().WithProperty("a", openapi3.NewStringSchema())
	joined := &openapi3.SchemaRef{Value: &openapi3.Schema{AllOf: openapi3.SchemaRefs{part.NewRef()}}}
	list := &openapi3.SchemaRef{Value: &openapi3.Schema{Items: joined}}
	if got := undeclaredMember(list, []any{map[string]any{"a": "x"}}, "body"); got != "" {
		t.Error(got)
	}
	if got := undeclaredMember(list, []any{map[string]any{"a": "x"}, map[string]any{"b": "x"}}, "body"); got != "body[1].b is not declared" {
		t.Error(got)
	}
	free := &openapi3.SchemaRef{Value: &openapi3.Schema{Extensions: map[string]any{"x-free-form": true}}}
	if got := undeclaredMember(free, map[string]any{"b": "x"}, "body"); got != "" {
		t.Error(got)
	}
}
