package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/auth"
)

func refused(status int, code, message string) verdict { return verdict{status, code, message} }

// What callers are told. The texts are the promise of the service; nothing computes them from the contract.
var (
	pass      = verdict{} // whatever the operation answers to those who may
	noHeader  = refused(401, "UNAUTHORIZED", "Missing Authorization header")
	badFormat = refused(401, "UNAUTHORIZED", "Invalid Authorization format, expected 'Bearer <token>'")
	badKey    = refused(401, "UNAUTHORIZED", "Invalid API key")
	revoked   = refused(401, "UNAUTHORIZED", "API key has been revoked")
	inactive  = refused(401, "UNAUTHORIZED", "API key is inactive")
	expired   = refused(401, "UNAUTHORIZED", "API key has expired")
	suspended = refused(403, "FORBIDDEN", "User account is suspended")
	noSession = refused(401, "UNAUTHORIZED", "A dashboard session is required")
	noKeys    = refused(401, "UNAUTHORIZED", "A dashboard session is required; API keys are not accepted here")
	overdue   = refused(401, "UNAUTHORIZED", "Your session is invalid or has expired; sign in again")
	origin    = refused(403, "FORBIDDEN", "The request's Origin is not trusted")
	signedOut = refused(401, "UNAUTHORIZED", "Unauthorized")
	banned    = refused(403, "BANNED_USER", "You have been banned from this application. Please contact support if you believe this is an error.")
	badOrigin = refused(403, "INVALID_ORIGIN", "The request's Origin is not trusted")
)

// oracle says what each caller is told by each class of operations, in the order of the classes:
// either (read, write), key only, session only (read, write), everybody, Better Auth's (read, write), Better Auth's that need a
// session (read, write).
var oracle = []struct {
	caller string
	want   [10]verdict
}{
	{"nothing", [10]verdict{noHeader, noHeader, noHeader, noSession, noSession, pass, pass, pass, signedOut, signedOut}},
	{"nothing, foreign Origin", [10]verdict{noHeader, noHeader, noHeader, noSession, noSession, pass, pass, badOrigin, signedOut, badOrigin}},
	{"Basic", [10]verdict{badFormat, badFormat, badFormat, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"Bearer without a token", [10]verdict{badFormat, badFormat, badFormat, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"Bearer with two tokens", [10]verdict{badFormat, badFormat, badFormat, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"two headers", [10]verdict{badFormat, badFormat, badFormat, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"empty header", [10]verdict{badFormat, badFormat, badFormat, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"unknown key", [10]verdict{badKey, badKey, badKey, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"key with a wrong checksum", [10]verdict{badKey, badKey, badKey, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"no key at all", [10]verdict{badKey, badKey, badKey, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"10 KB of key", [10]verdict{badKey, badKey, badKey, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"session token as a key", [10]verdict{badKey, badKey, badKey, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"revoked key", [10]verdict{revoked, revoked, revoked, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"disabled key", [10]verdict{inactive, inactive, inactive, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"expired key", [10]verdict{expired, expired, expired, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"key of a suspended owner", [10]verdict{suspended, suspended, suspended, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"expired session", [10]verdict{overdue, overdue, noHeader, overdue, overdue, pass, pass, pass, signedOut, signedOut}},
	{"session signed by another secret", [10]verdict{overdue, overdue, noHeader, overdue, overdue, pass, pass, pass, signedOut, signedOut}},
	{"session of a suspended user", [10]verdict{suspended, suspended, noHeader, suspended, suspended, pass, pass, pass, banned, banned}},
	{"session and an unknown key", [10]verdict{badKey, badKey, badKey, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"session and Basic", [10]verdict{badFormat, badFormat, badFormat, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"session and a good key", [10]verdict{pass, pass, pass, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"session, foreign Origin", [10]verdict{pass, origin, noHeader, pass, origin, pass, pass, badOrigin, pass, badOrigin}},
	{"session, Origin null", [10]verdict{pass, origin, noHeader, pass, origin, pass, pass, badOrigin, pass, badOrigin}},
	{"session, Origin that begins like ours", [10]verdict{pass, origin, noHeader, pass, origin, pass, pass, badOrigin, pass, badOrigin}},
	{"session without Origin", [10]verdict{pass, origin, noHeader, pass, origin, pass, pass, badOrigin, pass, badOrigin}},
	{"session, foreign Referer", [10]verdict{pass, origin, noHeader, pass, origin, pass, pass, badOrigin, pass, badOrigin}},
	{"session, our Referer", [10]verdict{pass, pass, noHeader, pass, pass, pass, pass, pass, pass, pass}},
	{"good session", [10]verdict{pass, pass, noHeader, pass, pass, pass, pass, pass, pass, pass}},
	{"good key", [10]verdict{pass, pass, pass, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"good key, bearer in small letters", [10]verdict{pass, pass, pass, noKeys, noKeys, pass, pass, pass, signedOut, signedOut}},
	{"good key, foreign Origin", [10]verdict{pass, pass, pass, noKeys, noKeys, pass, pass, badOrigin, signedOut, badOrigin}},
}

// callers gives what each caller of the oracle sends. Sessions are made anew for each request, since some end them.
func (s *stage) callers(t testing.TB) map[string]func() http.Header {
	t.Helper()
	now := time.Now()
	eve := s.newAccount(t)
	keys := map[string]string{
		"revoked": s.keyThat(t, "revoked_at = now()"), "disabled": s.keyThat(t, "disabled_at = now()"),
		"expired": s.keyThat(t, "expires_at = now() - interval '1 second'"),
	}
	s.exec(t, `update "user" set "banned" = true where "id" = $1`, eve.UserID)
	unknown, _, _, err := auth.NewSecret("live")
	if err != nil {
		t.Fatal(err)
	}
	fixed := func(h http.Header) func() http.Header { return func() http.Header { return h } }
	authorization := func(values ...string) func() http.Header { return fixed(http.Header{"Authorization": values}) }
	session := func(more http.Header) func() http.Header {
		return func() http.Header {
			return request{}.with(s.withCookie(s.newSession(t, s.ada.UserID, now.Add(time.Hour)))).with(more).header
		}
	}
	from := func(name, value string) http.Header { return http.Header{name: {value}} }
	const elsewhere = "https://elsewhere.example"
	return map[string]func() http.Header{
		"nothing":                               fixed(nil),
		"nothing, foreign Origin":               fixed(from("Origin", elsewhere)),
		"Basic":                                 authorization("Basic QWRhOnNlY3JldA=="),
		"Bearer without a token":                authorization("Bearer"),
		"Bearer with two tokens":                authorization("Bearer " + s.ada.LiveKey + " " + s.ada.LiveKey),
		"two headers":                           authorization("Bearer "+s.ada.LiveKey, "Bearer "+s.ada.LiveKey),
		"empty header":                          authorization(""),
		"unknown key":                           authorization("Bearer " + unknown),
		"key with a wrong checksum":             authorization("Bearer " + s.ada.LiveKey[:46] + flip(s.ada.LiveKey[46])),
		"no key at all":                         authorization("Bearer '--"),
		"10 KB of key":                          authorization("Bearer " + strings.Repeat("k", 10<<10)),
		"session token as a key":                authorization("Bearer " + s.ada.Cookie[:32]),
		"revoked key":                           authorization("Bearer " + keys["revoked"]),
		"disabled key":                          authorization("Bearer " + keys["disabled"]),
		"expired key":                           authorization("Bearer " + keys["expired"]),
		"key of a suspended owner":              authorization("Bearer " + eve.LiveKey),
		"expired session":                       func() http.Header { return s.withPage(s.newSession(t, s.ada.UserID, now.Add(-time.Second))) },
		"session signed by another secret":      fixed(s.withPage(auth.SignCookie("token", "another secret of at least 32 bytes"))),
		"session of a suspended user":           fixed(s.withPage(eve.Cookie)),
		"session and an unknown key":            session(http.Header{"Origin": {s.URL}, "Authorization": {"Bearer " + unknown}}),
		"session and Basic":                     session(http.Header{"Origin": {s.URL}, "Authorization": {"Basic QWRhOnNlY3JldA=="}}),
		"session and a good key":                session(http.Header{"Origin": {s.URL}, "Authorization": {"Bearer " + s.ada.LiveKey}}),
		"session, foreign Origin":               session(from("Origin", elsewhere)),
		"session, Origin null":                  session(from("Origin", "null")),
		"session, Origin that begins like ours": session(from("Origin", s.URL+".elsewhere.example")),
		"session without Origin":                session(nil),
		"session, foreign Referer":              session(from("Referer", elsewhere+"/"+s.URL)),
		"session, our Referer":                  session(from("Referer", s.URL+"/keys?page=2")),
		"good session":                          session(from("Origin", s.URL)),
		"good key":                              authorization("Bearer " + s.ada.LiveKey),
		"good key, bearer in small letters":     authorization("bearer " + s.ada.LiveKey),
		"good key, foreign Origin":              fixed(http.Header{"Authorization": {"Bearer " + s.ada.LiveKey}, "Origin": {elsewhere}}),
	}
}

// keyThat makes a key of Ada's and then something of it.
func (s *stage) keyThat(t testing.TB, set string) string {
	t.Helper()
	keyID, secret := s.newKey(t, newLiveKey(s.ada.UserID))
	s.exec(t, `update api_keys set `+set+` where id = $1`, keyID)
	return secret
}

func newLiveKey(userID string) auth.NewKey {
	return auth.NewKey{Actor: audit.Actor{UserID: userID}, Name: "one more", Environment: auth.EnvironmentLive}
}

func flip(last byte) string {
	if last == 'a' {
		return "b"
	}
	return "a"
}

// matrix asks every operation as every caller of the oracle and gives what went otherwise than it says.
// First come those who are refused, who must leave nothing behind.
type matrix struct {
	*stage
	client  *http.Client
	base    string
	props   props
	callers map[string]func() http.Header
}

func (m matrix) run(t testing.TB, ops []operation) []string {
	t.Helper()
	before := m.stored(t)
	wrong := m.compare(t, ops, func(v verdict) bool { return v != pass })
	// Sessions are made for each request, so they are expected.
	if after := m.stored(t); withoutSessions(after) != withoutSessions(before) {
		wrong = append(wrong, fmt.Sprintf("those who were refused left something behind: %s, before %s", after, before))
	}
	wrong = append(wrong, m.malformed(t, ops)...)
	return append(wrong, m.compare(t, ops, func(v verdict) bool { return v == pass })...)
}

// malformed gives the operations that take from those who may what the contract does not declare.
func (m matrix) malformed(t testing.TB, ops []operation) []string {
	t.Helper()
	var wrong []string
	for _, op := range ops {
		ada := m.ada
		ada.Cookie = m.newSession(t, ada.UserID, time.Now().Add(time.Hour)) // some operations end the others
		r := op.request(m.props, m.allowed(t, op, ada))
		r.path += "?colour=red"
		a := send(t, m.client, m.base, r)
		if refusal := a.refusal(); a.status != http.StatusBadRequest || refusal.Code != "BAD_REQUEST" {
			wrong = append(wrong, fmt.Sprintf("%s takes an undeclared parameter: %d %s", op.id, a.status, refusal.Code))
		}
	}
	return wrong
}

func (m matrix) compare(t testing.TB, ops []operation, which func(verdict) bool) []string {
	t.Helper()
	var wrong []string
	for _, op := range ops {
		for _, row := range oracle {
			want := row.want[op.class]
			if !which(want) {
				continue
			}
			if want == pass {
				want = op.want
			}
			a := send(t, m.client, m.base, op.request(m.props, m.callers[row.caller]()))
			r := a.refusal()
			if got := (verdict{a.status, r.Code, r.Message}); got != want {
				wrong = append(wrong, fmt.Sprintf("%s as %s: %v, want %v", op.id, row.caller, got, want))
			}
			if asked := a.header.Get("WWW-Authenticate"); (a.status == http.StatusUnauthorized && !op.betterAuth()) != (asked == "Bearer") {
				wrong = append(wrong, fmt.Sprintf("%s as %s: %d with WWW-Authenticate %q", op.id, row.caller, a.status, asked))
			}
			if a.status >= http.StatusBadRequest && op.betterAuth() != (r.RequestID == "") {
				wrong = append(wrong, fmt.Sprintf("%s as %s: a refusal in the other format: %s", op.id, row.caller, a.body))
			}
			if a.header.Get("Access-Control-Allow-Origin") != "" {
				wrong = append(wrong, fmt.Sprintf("%s as %s: opens itself to other origins", op.id, row.caller))
			}
		}
	}
	return wrong
}

func withoutSessions(stored string) string {
	head, rest, _ := strings.Cut(stored, "sessions ")
	_, tail, _ := strings.Cut(rest, " ")
	return head + tail
}

func newMatrix(t *testing.T) matrix {
	t.Helper()
	s := newStage(t, apitest.Options{NoWork: true})
	return matrix{stage: s, client: apitest.Checked(t), base: s.URL, props: s.newProps(t), callers: s.callers(t)}
}

func TestSecurity_EveryOperationTreatsEveryCallerAsTheOracleSays(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	for _, row := range oracle {
		if m.callers[row.caller] == nil {
			t.Fatalf("nobody is %q", row.caller)
		}
	}
	for _, wrong := range m.run(t, operations) {
		t.Error(wrong)
	}
}
