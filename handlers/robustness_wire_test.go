package handlers_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/internal/apitest"
)

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
