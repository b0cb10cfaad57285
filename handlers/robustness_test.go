package handlers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/eggapi/eggapi/internal/apitest"
)

// innards are words that only the program itself knows. None may show in an answer.
var innards = regexp.MustCompile(`(?i)unmarshal|GenerateRequest|Key: '|json:|\bGo\b|golang|strconv|openapi3|kin-openapi|echo\.|pgx|SQLSTATE|sql:|goroutine|\.go:|nil pointer|interface \{\}|map\[|` +
	`JSONPointer|doesn't match schema|"schema"`)

const canary = "c4n4ry"

// decent holds a refusal against the rules for all refusals.
func decent(t *testing.T, what string, a answer) {
	t.Helper()
	if a.status < 400 || a.status > 499 {
		t.Errorf("%s: %d %s", what, a.status, a.body)
		return
	}
	// A request id may spell anything.
	said := bytes.ReplaceAll(a.body, []byte(a.header.Get("X-Request-Id")), nil)
	if found := innards.Find(said); found != nil {
		t.Errorf("%s: tells of its innards (%s): %s", what, found, a.body)
	}
	if bytes.Contains(a.body, []byte(canary)) {
		t.Errorf("%s: the value comes back: %s", what, a.body)
	}
	if r := a.refusal(); r.Code == "" || r.Message == "" {
		t.Errorf("%s: %d without a code and a message: %s", what, a.status, a.body)
	}
	if id := a.header.Get("X-Request-Id"); !regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(id) {
		t.Errorf("%s: the request id is %q", what, id)
	}
}

// malformed are bodies that no operation takes, with what is said of them.
var malformed = map[string]string{
	`{"%[1]s":"` + canary + `","%[1]s":"` + canary + `"}`:                 "request body names a member twice",
	`{"%[1]s":"a","\u%04[2]x%[3]s":"b"}`:                                  "request body names a member twice", // the same name, escaped
	`{"x":{"y":1,"y":2}}`:                                                 "request body names a member twice",
	`{"%[1]s":"` + canary + `"} {}`:                                       "request body holds more than one JSON value",
	`{"%[1]s":"` + canary + `"}` + canary:                                 "request body holds more than one JSON value",
	`{} null`:                                                             "request body holds more than one JSON value",
	`{"%[1]s":"` + canary + `\u0000"}`:                                    "request body holds a NUL character",
	`{"` + canary + `\u0000":1}`:                                          "request body holds a NUL character",
	`{"%[1]s":"` + canary + "\x00" + `"}`:                                 "request body is not valid JSON",
	`{"%[1]s":"` + canary + "\xff" + `"}`:                                 "request body is not valid JSON",
	`{"%[1]s":"` + canary + "\xc0\xaf" + `"}`:                             "request body is not valid JSON",
	`{"%[1]s":"` + canary + "\xed\xa0\x80" + `"}`:                         "request body is not valid JSON",
	`{"%[1]s":"` + canary + `\ud800"}`:                                    "request body is not valid JSON",
	`{"%[1]s":"` + canary + `\udc00\ud800"}`:                              "request body is not valid JSON",
	`{"%[1]s":"` + canary + "\n" + `"}`:                                   "request body is not valid JSON",
	`{"%[1]s":"` + canary + `\x"}`:                                        "request body is not valid JSON",
	`{"%[1]s":` + canary + `}`:                                            "request body is not valid JSON",
	`{"%[1]s":"` + canary:                                                 "request body is not valid JSON",
	`{"%[1]s":"` + canary + `",}`:                                         "request body is not valid JSON",
	`{'%[1]s':'` + canary + `'}`:                                          "request body is not valid JSON",
	`{"%[1]s":"` + canary + `" /* ` + canary + ` */}`:                     "request body is not valid JSON",
	`{"%[1]s":01}`:                                                        "request body is not valid JSON",
	`{"%[1]s":+1}`:                                                        "request body is not valid JSON",
	`{"%[1]s":.5}`:                                                        "request body is not valid JSON",
	`{"%[1]s":NaN}`:                                                       "request body is not valid JSON",
	`{"%[1]s":Infinity}`:                                                  "request body is not valid JSON",
	"\xef\xbb\xbf" + `{"%[1]s":"` + canary + `"}`:                         "request body is not valid JSON",
	"\xff\xfe{\x00}\x00":                                                  "request body is not valid JSON",
	`model=` + canary + `&prompt=` + canary:                               "request body is not valid JSON",
	`{"x":` + strings.Repeat(`[`, 64) + strings.Repeat(`]`, 64) + `}`:     "request body is nested too deeply",
	`{"x":` + strings.Repeat(`{"y":`, 64) + `1` + strings.Repeat(`}`, 65): "request body is nested too deeply",
	strings.Repeat(`[`, 100_000):                                          "request body is nested too deeply",
	" ":                                                                   "request body is not valid JSON",
}

func TestRobustness_MalformedJSONIsRefusedByEveryOperationAndNothingIsStored(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	p := s.newProps(t)
	before := s.stored(t)
	for _, op := range operations {
		if !op.hasBody() {
			continue
		}
		member := map[string]string{"generate": "prompt", "createAPIKey": "name", "updateAPIKey": "name"}[op.id]
		if member == "" {
			member = "email"
		}
		for body, message := range malformed {
			r := op.request(p, s.allowed(t, op, s.ada))
			r.body = strings.NewReplacer("%[1]s", member, "%04[2]x", fmt.Sprintf("%04x", member[0]), "%[3]s", member[1:]).Replace(body)
			a := s.do(t, r)
			decent(t, op.id+" "+first(r.body), a)
			if got := a.refusal().Message; got != message || a.status != http.StatusBadRequest {
				t.Errorf("%s %q: %d %q, want %q", op.id, first(r.body), a.status, got, message)
			}
		}
	}
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}

func first(body string) string { return body[:min(len(body), 60)] }

func TestRobustness_BodyOfTheWrongKindIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	p := s.newProps(t)
	before := s.stored(t)
	for _, op := range operations {
		if !op.hasBody() {
			continue
		}
		bodies := []string{`null`, `[]`, `[{}]`, `"` + canary + `"`, `1`, `true`, `{"a":` + strings.Repeat(`[`, 62) + strings.Repeat(`]`, 62) + `}`, ``}
		for _, body := range bodies {
			// Better Auth's client may add members, and signs out with an empty body or none.
			lenient := slices.Contains([]string{"signOut", "revokeSessions", "revokeOtherSessions"}, op.id)
			if (op.id == "updateUser" || op.id == "deleteUser") && strings.HasPrefix(body, "{") {
				continue // what they ask of members has tests of its own
			}
			if lenient && (body == `` || strings.HasPrefix(body, "{")) {
				continue
			}
			r := op.request(p, s.allowed(t, op, s.ada))
			r.body = body
			a := s.do(t, r)
			decent(t, op.id+" "+body, a)
			if got := a.refusal(); a.status != http.StatusBadRequest || got.Code != "VALIDATION_ERROR" || got.Message != "request validation failed" {
				t.Errorf("%s %s: %d %s", op.id, body, a.status, a.body)
			}
		}
	}
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}

func TestRobustness_NumbersAreTakenAsWrittenOrNotAtAll(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	before := s.stored(t)
	for _, name := range []string{"num_outputs", "duration"} {
		for _, number := range []string{
			"1.5", "0", "-1", "-0", "-0.0", "1e309", "-1e309", "1e3", "1e-1", "2147483648", "4294967297", "9007199254740993", "9223372036854775808",
			"18446744073709551617", "1" + strings.Repeat("0", 400), `"1"`, "true", "[1]", "null", "1e1000000000",
		} {
			a := s.do(t, post("/v1/generate", `{"model":"nanobanana","prompt":"a fox","`+name+`":`+number+`}`, withKey(s.ada.LiveKey)))
			decent(t, name+" "+number, a)
			if f := a.refusal().Fields; len(f) > 0 && (f[0].Name != name || f[0].In != "body") {
				t.Errorf("%s %s: fields are %+v", name, number, f)
			}
		}
	}
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
	for _, number := range []string{"1.0", "1e0", "10e-1"} {
		a := s.do(t, post("/v1/generate", `{"model":"nanobanana","prompt":"a fox","num_outputs":`+number+`}`, withKey(s.ada.LiveKey)))
		decent(t, number, a)
	}
}

func TestRobustness_NullIsNotTheDefault(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	before := s.stored(t)
	for _, name := range []string{"negative_prompt", "aspect_ratio", "num_outputs", "duration", "resolution", "image_urls", "webhook_url"} {
		a := s.do(t, post("/v1/generate", `{"model":"nanobanana","prompt":"a fox","`+name+`":null}`, withKey(s.ada.LiveKey)))
		decent(t, name, a)
		if f := a.refusal().Fields; len(f) != 1 || f[0].Name != name || f[0].Rule != "type" && f[0].Rule != "enum" {
			t.Errorf("%s: fields are %+v", name, f)
		}
	}
	decent(t, "environment", s.do(t, post("/v1/api-keys", `{"name":"x","environment":null}`, s.withPage(s.ada.Cookie))))
	decent(t, "expires_at", s.do(t, post("/v1/api-keys", `{"name":"x","expires_at":null}`, s.withPage(s.ada.Cookie))))
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}

func TestRobustness_HostilePathsAndQueriesAreClearRefusals(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	before := s.stored(t)
	long := strings.Repeat("x", 10<<10)
	for _, path := range []string{"/v1/tasks/", "/v1/api-keys/"} {
		header := withKey(s.ada.LiveKey)
		if path == "/v1/api-keys/" {
			header = s.withPage(s.ada.Cookie)
		}
		for thing, status := range map[string]int{
			canary: 404, canary + "%00": 400, "%00": 400, "%ff": 400, "%C0%AF": 400, "%ED%A0%80": 400, canary + "%2F%00": 400, "a%2Fb": 404, "a%2Fb%ff": 400,
			long: 400, "%F0%9F%A5%9A": 404, "..": 404, "%2e%2e": 404, "%27%20or%201=1--": 404, "a%0d%0aSet-Cookie:%20a=b": 404, "%25": 404, "%2500": 404,
			"%7B%7D": 404, "a;b": 404, "a+b": 404, strings.Repeat("%2F", 128): 404, strings.Repeat("%2F", 129): 400,
		} {
			a := s.do(t, get(path+thing, header))
			decent(t, path+first(thing), a)
			if a.status != status {
				t.Errorf("%s%s: %d %s, want %d", path, first(thing), a.status, a.body, status)
			}
		}
	}
	for _, q := range []string{
		"model=%00", "model=%ff", "model=" + canary + "%00", "model=" + long, "status=" + canary, "created_after=" + canary, "%00=1", "%ff=1", "=1", "model=a;b=c",
		"model=%", "model=%zz", "page=" + canary, canary + "=1%00", "model=a&model=" + canary, "%6dodel%00=1", "a" + long + "=1",
	} {
		a := s.do(t, get("/v1/tasks?"+q, withKey(s.ada.LiveKey)))
		if strings.HasPrefix(q, canary) { // the name of a parameter that is none is told
			a.body = bytes.ReplaceAll(a.body, []byte(canary), nil)
		}
		decent(t, "?"+first(q), a)
		if a.status != http.StatusBadRequest || a.refusal().Code != "BAD_REQUEST" {
			t.Errorf("?%s: %d %s", first(q), a.status, a.body)
		}
	}
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}

func TestRobustness_NoValueOfAnyMemberComesBackInARefusal(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	p := s.newProps(t)
	before := s.stored(t)
	members := map[string][]string{
		"generate":     {"model", "prompt", "negative_prompt", "aspect_ratio", "num_outputs", "duration", "resolution", "image_urls", "webhook_url", "more"},
		"createAPIKey": {"name", "environment", "expires_at", "more"}, "updateAPIKey": {"name", "disabled", "expires_at", "more"},
		"signUpEmail": {"name", "email", "password", "image", "rememberMe"}, "signInEmail": {"email", "password", "rememberMe"},
	}
	for _, op := range operations {
		for _, name := range members[op.id] {
			for _, value := range []string{`"` + canary + strings.Repeat("y", 3000) + `"`, `["` + canary + `"]`, `{"` + canary + `":"` + canary + `"}`, `{"x":["` + canary + `"]}`} {
				r := op.request(p, s.allowed(t, op, s.ada))
				var body map[string]json.RawMessage
				if err := json.Unmarshal([]byte(op.body), &body); err != nil {
					t.Fatal(err)
				}
				body[name] = json.RawMessage(value)
				text, err := json.Marshal(body)
				if err != nil {
					t.Fatal(err)
				}
				r.body = string(text)
				decent(t, op.id+" "+first(r.body), s.do(t, r))
			}
		}
	}
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}

func TestRobustness_UnknownPathsAreNotFoundInTheEnvelope(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	for _, path := range []string{
		"/v1", "/v1/", "/v1/generate/", "/v1/Generate", "/v2/tasks", "/v1//tasks", "/v1/tasks/", "/v1/tasks/a/b", "/v1/tasks/../models", "/" + canary,
		"/metrics", "/debug/pprof/", "/.env", "/.git/config", "/admin", "/api/auth/list-session", "/api/auth/" + canary, "/v1/%2e%2e/models", "/%00", "/%ff",
		"/files/" + canary, "/files/../../etc/passwd", "/files/%2e%2e%2f%2e%2e%2fetc/passwd", "/assets/" + canary, "/" + strings.Repeat("x", 10<<10),
	} {
		for _, header := range []http.Header{nil, withKey(s.ada.LiveKey)} {
			a := s.do(t, get(path, header))
			decent(t, first(path), a)
			if a.status != http.StatusNotFound || a.refusal().Code != "NOT_FOUND" {
				t.Errorf("%s: %d %s", first(path), a.status, a.body)
			}
		}
	}
}

func TestRobustness_WrongMethodsAreToldTheRightOnes(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	p := s.newProps(t)
	before := s.stored(t)
	allowed := map[string]string{}
	for _, op := range operations {
		allowed[op.path] += op.method + " "
	}
	for _, op := range operations {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "BREW"} {
			if strings.Contains(allowed[op.path], method+" ") {
				continue
			}
			r := op.request(p, s.allowed(t, op, s.ada))
			r.method = method
			a := s.raw(t, r)
			if a.status != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d %s", method, op.path, a.status, a.body)
				continue
			}
			for want := range strings.FieldsSeq(allowed[op.path]) {
				if !strings.Contains(a.header.Get("Allow"), want) {
					t.Errorf("%s %s: Allow is %q, without %s", method, op.path, a.header.Get("Allow"), want)
				}
			}
			if method == http.MethodHead {
				if len(a.body) != 0 {
					t.Errorf("HEAD %s: a body: %s", op.path, a.body)
				}
				continue
			}
			expect(t, a, 405, "METHOD_NOT_ALLOWED", "Method not allowed")
		}
		options := op.request(p, nil).with(http.Header{"Origin": {"https://elsewhere.example"}, "Access-Control-Request-Method": {op.method}})
		options.method, options.body = http.MethodOptions, ""
		a := s.do(t, options)
		if a.status != http.StatusNoContent || !strings.Contains(a.header.Get("Allow"), op.method) {
			t.Errorf("OPTIONS %s: %d, Allow is %q", op.path, a.status, a.header.Get("Allow"))
		}
		for name := range a.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("OPTIONS %s: %s", op.path, name)
			}
		}
	}
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}
