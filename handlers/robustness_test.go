package handlers_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// raw speaks HTTP itself, for what Go's client would not send or would mend.
func (s *stage) raw(t *testing.T, r request) answer {
	t.Helper()
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", r.method, r.path, strings.TrimPrefix(s.URL, "http://"))
	if r.body != "" && r.header.Get("Transfer-Encoding") == "" && r.header.Get("Content-Length") == "" {
		_, _ = fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.body))
	}
	_ = r.header.Write(&b)
	_, _ = b.WriteString("\r\n" + r.body)
	return s.wire(t, r.method, b.String())
}

// wire sends bytes and reads the first answer. Status 0 is a connection closed without one.
func (s *stage) wire(t *testing.T, method, text string) answer {
	t.Helper()
	return s.exchange(t, method, text, func(net.Conn) {})
}

// exchange does something with the connection between what is sent and what is read.
func (s *stage) exchange(t *testing.T, method, text string, between func(net.Conn)) answer {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	go func() {
		_, _ = io.WriteString(conn, text)
		between(conn)
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return answer{}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Errorf("%.60q: half an answer: %v", text, err)
	}
	return answer{response.StatusCode, response.Header, body}
}

func TestRobustness_LyingAndEndlessBodiesAreRefusedAndNothingIsStored(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	before := s.stored(t)
	auth := withKey(s.ada.LiveKey)
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 1<<16, strings.Repeat(" ", 1<<16))
	chunked := http.Header{"Transfer-Encoding": {"chunked"}, "Content-Type": {"application/json"}}
	endless := s.raw(t, request{method: "POST", path: "/v1/generate", body: strings.Repeat(chunk, 17) + "0\r\n\r\n"}.with(auth).with(chunked))
	expect(t, endless, 413, "PAYLOAD_TOO_LARGE", "request body is too large")
	broken := s.raw(t, request{method: "POST", path: "/v1/generate", body: "zz\r\n{}\r\n0\r\n\r\n"}.with(auth).with(chunked))
	expect(t, broken, 400, "BAD_REQUEST", "request body could not be read")
	short := s.raw(t, post("/v1/generate", prompt, auth).with(http.Header{"Content-Length": {itoa(int64(len(prompt) - 1))}}))
	expect(t, short, 400, "BAD_REQUEST", "request body is not valid JSON")
	head := "POST /v1/generate HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer " + s.ada.LiveKey + "\r\nContent-Type: application/json\r\n"
	long := s.exchange(t, "POST", head+"Content-Length: 1000\r\n\r\n"+prompt, func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() })
	expect(t, long, 400, "BAD_REQUEST", "request body could not be read")
	for name, line := range map[string]string{
		"two lengths":           "Content-Length: 2\r\nContent-Length: 3\r\n",
		"a negative length":     "Content-Length: -1\r\n",
		"no length at all":      "Content-Length: x\r\n",
		"an unknown encoding":   "Transfer-Encoding: gzip, chunked\r\n",
		"a bare line feed":      "X-A: b\nX-C: d\r\n\x00: e\r\n",
		"a folded header":       "X-A: b\r\n c\x00\r\n",
		"a space before colons": "X-A : b\r\n",
	} {
		a := s.wire(t, "POST", head+line+"\r\n"+prompt)
		if a.status != 400 && a.status != 501 && a.status != 0 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for _, op := range operations { // a body of unknown length where none is taken
		if op.hasBody() {
			continue
		}
		r := op.request(props{op.id: "x"}, s.allowed(t, op, s.ada)).with(http.Header{"Transfer-Encoding": {"chunked"}})
		r.body = "2\r\n{}\r\n0\r\n\r\n"
		expectRefusal(t, op, s.raw(t, r), verdict{400, "BAD_REQUEST", "this operation takes no request body"})
	}
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
	good := s.raw(t, request{method: "POST", path: "/v1/generate", body: fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(prompt), prompt)}.with(auth).with(chunked))
	if good.status != http.StatusAccepted {
		t.Errorf("an honest chunked body: %d %s", good.status, good.body)
	}
}

func TestRobustness_ForwardedForFromAnybodyDoesNotChangeWhoIsLimited(t *testing.T) {
	t.Parallel()
	s := &stage{Server: apitest.New(t, apitest.Options{NoWork: true, IPLimit: 0.005})}
	s.do(t, get("/v1/models", nil))
	for i := range 20 {
		spoofed := http.Header{
			"X-Forwarded-For": {fmt.Sprintf("203.0.113.%d, 10.0.0.%d", i, i)}, "X-Real-Ip": {fmt.Sprintf("203.0.113.%d", i)},
			"Forwarded": {fmt.Sprintf("for=203.0.113.%d", i)}, "True-Client-Ip": {fmt.Sprintf("203.0.113.%d", i)},
		}
		expect(t, s.do(t, get("/v1/models", spoofed)), 429, "RATE_LIMITED", "Rate limit exceeded")
	}
}

func TestRobustness_RequestIDIsTheClientsOnlyWhenItIsHarmless(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	for _, good := range []string{"a", "order-4711_B", strings.Repeat("x", 64)} {
		if got := s.do(t, get("/healthz", http.Header{"X-Request-Id": {good}})).header.Get("X-Request-Id"); got != good {
			t.Errorf("%q became %q", good, got)
		}
	}
	made := regexp.MustCompile(`^req_[0-9a-z]{26}$`)
	for _, bad := range []string{"", " ", "a b", "a\tb", "\x1b[31mred", "ä", strings.Repeat("x", 65), strings.Repeat("x", 10<<10), `a"b`, "a,b", "../x", "{{7*7}}"} {
		a := s.raw(t, get("/v1/nothing", http.Header{"X-Request-Id": {bad}}))
		if a.status != 404 && a.status != 400 || a.status == 404 && (!made.MatchString(a.header.Get("X-Request-Id")) || a.refusal().RequestID != a.header.Get("X-Request-Id")) {
			t.Errorf("%q: %d %q %s", first(bad), a.status, a.header.Get("X-Request-Id"), a.body)
		}
	}
	split := s.wire(t, "GET", "GET /v1/nothing HTTP/1.1\r\nHost: h\r\nX-Request-Id: a\r\nSet-Cookie: b=c\r\nConnection: close\r\n\r\n")
	if split.header.Get("Set-Cookie") != "" {
		t.Errorf("a header came back: %v", split.header)
	}
}

func TestRobustness_EveryAnswerHasTheHeadersOfACarefulHouse(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	want := map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin", "X-Frame-Options": "DENY",
	}
	for _, r := range []request{
		get("/v1/models", nil), get("/v1/tasks", nil), get("/v1/nothing", nil), get("/", nil), get("/healthz", nil), get("/files/x", nil),
		{method: http.MethodPut, path: "/v1/tasks"},
		get(sessionPath, nil), get("/openapi.yaml", nil),
	} {
		a := s.do(t, r)
		got := map[string]string{}
		for name := range want {
			got[name] = a.header.Get(name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: want (-), got (+)\n%s", r.path, diff)
		}
		if api := strings.HasPrefix(r.path, "/v1/") || strings.HasPrefix(r.path, "/api/"); api && a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control is %q", r.path, a.header.Get("Cache-Control"))
		}
		if a.header.Get("Server") != "" || a.header.Get("X-Powered-By") != "" {
			t.Errorf("%s: names its make: %v", r.path, a.header)
		}
	}
}
