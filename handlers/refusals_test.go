package handlers_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eggapi/eggapi/gen"
	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/internal/apitest"
)

// names pairs the codes of the envelope with those that Better Auth's client knows.
var names = map[string]string{
	"BAD_REQUEST": "BAD_REQUEST", "PAYLOAD_TOO_LARGE": "PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE": "UNSUPPORTED_MEDIA_TYPE",
	"RATE_LIMITED": "TOO_MANY_REQUESTS", "INTERNAL_ERROR": "INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE": "SERVICE_UNAVAILABLE",
}

// expectRefusal holds an answer against a refusal in the shape of its operation.
func expectRefusal(t *testing.T, o operation, a answer, want verdict) {
	t.Helper()
	r := a.refusal()
	if o.betterAuth() {
		want.code = names[want.code]
	} else if r.RequestID == "" || r.RequestID != a.header.Get("X-Request-Id") {
		t.Errorf("%s: the request id is %q in the body and %q in the header", o.id, r.RequestID, a.header.Get("X-Request-Id"))
	}
	if got := (verdict{a.status, r.Code, r.Message}); got != want {
		t.Errorf("%s answered %v, want %v", o.id, got, want)
	}
	if a.header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		t.Errorf("%s: a refusal that may be stored, or is not JSON: %v", o.id, a.header)
	}
}

func declares(o operation, status int) bool {
	op := apitest.Contract().Paths.Value(o.path).GetOperation(o.method)
	return op.Responses.Value(strconv.Itoa(status)) != nil
}

func TestRefusals_UnknownQueryParameterIsNamedAndNothingIsDone(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	p := s.newProps(t)
	before := s.stored(t)
	for _, op := range operations {
		for _, query := range []string{"?colour=red", "?Page=1", "?page%00=1", "?colour", "?api_key=" + s.ada.LiveKey} {
			r := op.request(p, s.allowed(t, op, s.ada))
			r.path += query
			a := s.do(t, r)
			expectRefusal(t, op, a, verdict{400, "BAD_REQUEST", "request is malformed"})
			fields := a.refusal().Fields
			if op.betterAuth() {
				continue
			}
			if len(fields) != 1 || fields[0].In != "query" || fields[0].Rule != "unknown" {
				t.Errorf("%s %s: fields are %+v", op.id, query, fields)
			}
		}
	}
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}

func TestRefusals_BodyMustBeDeclaredAsJSON(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	p := s.newProps(t)
	before := s.stored(t)
	types := [][]string{
		nil,
		{""},
		{"text/plain"},
		{"application/x-www-form-urlencoded"},
		{"multipart/form-data; boundary=x"},
		{"application/jsonp"},
		{"application/json; charset=latin1"},
		{"application/merge-patch+json"},
		{"application/json, text/plain"},
		{"json"},
	}
	for _, op := range operations {
		if !op.hasBody() {
			continue
		}
		for _, contentType := range types {
			r := op.request(p, s.allowed(t, op, s.ada)).with(http.Header{"Content-Type": contentType})
			expectRefusal(t, op, s.do(t, r), verdict{415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type must be application/json"})
		}
		for _, encoding := range []string{"gzip", "br", "gzip, identity", "x"} {
			r := op.request(p, s.allowed(t, op, s.ada)).with(http.Header{"Content-Encoding": {encoding}})
			expectRefusal(t, op, s.do(t, r), verdict{415, "UNSUPPORTED_MEDIA_TYPE", "Content-Encoding is not supported"})
		}
	}
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}

func TestRefusals_BodyOfOneMiBIsReadAndOneByteMoreIsNot(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	s := newStage(t, apitest.Options{NoWork: true})
	p := s.newProps(t)
	for _, op := range operations {
		if !op.hasBody() {
			continue
		}
		r := op.request(p, s.allowed(t, op, s.ada))
		r.body += strings.Repeat(" ", limit+1-len(r.body))
		expectRefusal(t, op, s.do(t, r), verdict{413, "PAYLOAD_TOO_LARGE", "request body is too large"})
		r.body = r.body[:limit]
		if a := s.do(t, r); a.status != op.want.status {
			t.Errorf("%s with a body of exactly the limit: %d %s", op.id, a.status, a.body)
		}
	}
}

func TestRefusals_BodyWhereNoneIsTakenIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	p := s.newProps(t)
	before := s.stored(t)
	for _, op := range operations {
		if op.hasBody() {
			continue
		}
		r := op.request(p, s.allowed(t, op, s.ada))
		r.body = "{}"
		expectRefusal(t, op, s.do(t, r), verdict{400, "BAD_REQUEST", "this operation takes no request body"})
	}
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}

// An address may make one request in a thousand seconds here.
func TestRefusals_BusyAddressIsHeldUpEverywhereButAtTheHealthChecks(t *testing.T) {
	t.Parallel()
	calm := newStage(t, apitest.Options{NoWork: true})
	p := calm.newProps(t)
	s := &stage{ada: calm.ada, Server: apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: calm.DatabaseURL, IPLimit: 0.001})}
	first := s.do(t, get("/v1/models", nil))
	if first.status != http.StatusOK || first.header.Get("RateLimit-Policy") != `"ip";q=1;w=1` || first.header.Get("RateLimit") != `"ip";r=0;t=1000` {
		t.Errorf("the first request: %d %v", first.status, first.header)
	}
	for _, op := range operations {
		a := s.do(t, op.request(p, s.allowed(t, op, s.ada)))
		if !declares(op, http.StatusTooManyRequests) {
			if a.status != http.StatusOK || a.header.Get("RateLimit") != "" {
				t.Errorf("%s, which is not limited: %d %v", op.id, a.status, a.header)
			}
			continue
		}
		expectRefusal(t, op, a, verdict{429, "RATE_LIMITED", "Rate limit exceeded"})
		expectLimited(t, op, a, "ip")
	}
	unknown := s.do(t, get("/v1/nothing", nil))
	expect(t, unknown, 429, "RATE_LIMITED", "Rate limit exceeded")
}

func TestRefusals_BusyKeyIsHeldUpAndNoOther(t *testing.T) {
	t.Parallel()
	calm := newStage(t, apitest.Options{NoWork: true})
	p := calm.newProps(t)
	s := &stage{ada: calm.ada, Server: apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: calm.DatabaseURL, KeyLimit: 0.001})}
	for _, first := range []request{get("/v1/tasks", withKey(s.ada.LiveKey)), get("/v1/tasks", s.withPage(s.ada.Cookie))} {
		a := s.do(t, first)
		if a.status != http.StatusOK || a.header.Get("RateLimit-Policy") != `"key";q=1;w=1` {
			t.Errorf("the first request: %d %v", a.status, a.header)
		}
	}
	for _, op := range operations {
		a := s.do(t, op.request(p, s.allowed(t, op, s.ada)))
		if op.class == open || op.betterAuth() && !op.own() {
			if a.status != op.want.status || strings.HasPrefix(a.header.Get("RateLimit"), `"key"`) {
				t.Errorf("%s, which needs no key: %d %v", op.id, a.status, a.header)
			}
			continue
		}
		expectRefusal(t, op, a, verdict{429, "RATE_LIMITED", "Rate limit exceeded"})
		expectLimited(t, op, a, "key")
	}
	// What is malformed counts, too.
	expect(t, s.do(t, post("/v1/generate", "{", withKey(s.ada.LiveKey))), 429, "RATE_LIMITED", "Rate limit exceeded")
	if a := s.do(t, get("/v1/tasks", withKey(s.ada.TestKey))); a.status != http.StatusOK {
		t.Errorf("another key of the same account: %d %s", a.status, a.body)
	}
}

func expectLimited(t *testing.T, o operation, a answer, policy string) {
	t.Helper()
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	if err != nil || seconds < 900 || seconds > 1000 {
		t.Errorf("%s: Retry-After is %q", o.id, a.header.Get("Retry-After"))
	}
	if !strings.HasPrefix(a.header.Get("RateLimit"), `"`+policy+`";r=0;t=`) || a.header.Get("RateLimit-Policy") != `"`+policy+`";q=1;w=1` {
		t.Errorf("%s: RateLimit %q, RateLimit-Policy %q", o.id, a.header.Get("RateLimit"), a.header.Get("RateLimit-Policy"))
	}
}

// The tables are taken away from under the statements, first those that only operations need, then those
// that callers are recognised by.
func TestRefusals_BrokenStatementSaysNothingOfItself(t *testing.T) {
	t.Parallel()
	log := &record{}
	s := newStage(t, apitest.Options{NoWork: true, LogTo: log})
	p := s.newProps(t)
	steps := []struct {
		tables []string
		ids    []string // nil = all
	}{
		{[]string{"tasks", "usage_records", "models", "prices", "ledger_entries", "accounts", "webhook_secrets", "audit_log"}, nil},
		{[]string{"api_keys"}, []string{"listAPIKeys", "createAPIKey", "getAPIKey", "updateAPIKey", "revokeAPIKey", "listTasks", "listUsage"}},
		{[]string{"session", "user"}, []string{
			"signUpEmail", "signInEmail", "signOut", "getSession", "getAccount", "listSessions", "revokeSession", "revokeOtherSessions", "revokeSessions",
			"changePassword", "changeEmail", "updateUser", "deleteUser", "requestPasswordReset", "sendVerificationEmail",
		}},
	}
	hashed := operation{
		id: "signInEmail", class: authWrite, method: http.MethodPost, path: "/api/auth/sign-in/email",
		body: `{"email":"ada@example.com","password":"correct horse 1"}`,
	}
	for i, step := range steps {
		for _, table := range step.tables {
			s.exec(t, "alter table "+pgx.Identifier{table}.Sanitize()+" rename to "+pgx.Identifier{table + "_gone"}.Sanitize())
		}
		if i == 1 { // a key that nobody remembers
			s.ada.LiveKey = s.ada.TestKey
		}
		for _, op := range operations {
			switch {
			case op.asksNothing(), step.ids == nil && (strings.Contains(op.id, "APIKey") || op.betterAuth()):
				continue
			case step.ids != nil && !slices.Contains(step.ids, op.id):
				continue
			case op.id == "signInEmail" || op.id == "signUpEmail" || op.id == "requestPasswordReset" || op.id == "sendVerificationEmail":
				op.body = strings.Replace(hashed.body, "{", `{"name":"Ada",`, 1)
			}
			a := s.do(t, op.request(p, s.allowed(t, op, s.ada)))
			expectRefusal(t, op, a, verdict{500, "INTERNAL_ERROR", "internal error"})
			if !strings.Contains(log.line(a.header.Get("X-Request-Id")), "SQLSTATE 42P01") {
				t.Errorf("%s: the log does not tell the cause: %s", op.id, log.line(a.header.Get("X-Request-Id")))
			}
		}
	}
}

func TestRefusals_PanicInAHandlerIsADeclaredAnswerOfEveryOperation(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	p := s.newProps(t)
	front := *s
	front.Server = &apitest.Server{URL: serve(t, s, gen.Contract, struct{ api.StrictServerInterface }{}), Node: s.Node, Pool: s.Pool}
	for _, op := range operations {
		r := op.request(p, s.allowed(t, op, s.ada))
		r.path += linkQueries[op.id]
		expectRefusal(t, op, front.do(t, r), verdict{500, "INTERNAL_ERROR", "internal error"})
	}
}

func TestRefusals_LostDatabaseIsATemporaryTroubleWithATimeToComeBack(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	p := s.newProps(t)
	s.loseDatabase(t)
	for _, op := range operations {
		r := s.beyondTheGate(t, op).request(p, s.allowed(t, op, s.ada))
		r.path += linkQueries[op.id]
		a := s.do(t, r)
		if !declares(op, http.StatusServiceUnavailable) {
			if a.status != op.want.status {
				t.Errorf("%s, which needs no database: %d %s", op.id, a.status, a.body)
			}
			continue
		}
		want := verdict{503, "SERVICE_UNAVAILABLE", "the service is temporarily unavailable"}
		if op.id == "getReadiness" {
			want.message = a.refusal().Message // its own test knows it
		}
		expectRefusal(t, op, a, want)
		if a.header.Get("Retry-After") != "1" {
			t.Errorf("%s: Retry-After is %q", op.id, a.header.Get("Retry-After"))
		}
	}
}

// linkQueries are what links in mails have in their query.
var linkQueries = map[string]string{"resetPasswordCallback": "?callbackURL=/", "verifyEmail": "?token=" + apitest.SignToken(map[string]any{
	"email": "ada@example.com", "exp": time.Now().Add(time.Hour).Unix(),
})}

// beyondTheGate gives the operation with a body for which the database has to be asked.
func (s *stage) beyondTheGate(t *testing.T, op operation) operation {
	t.Helper()
	switch op.id {
	case "signInEmail", "signUpEmail", "requestPasswordReset", "sendVerificationEmail":
		op.body = `{"name":"Ada","email":"ada@example.com","password":"correct horse 1"}`
	case "resetPassword":
		op.body = `{"newPassword":"another horse 2","token":"nobodys"}`
	}
	return op
}

// loseDatabase cuts all connections to the database and lets no new one in.
func (s *stage) loseDatabase(t *testing.T) {
	t.Helper()
	cfg := s.Pool.Config().ConnConfig.Copy()
	name := cfg.Database
	cfg.Database = "postgres"
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, sql := range []string{
		"alter database " + pgx.Identifier{name}.Sanitize() + " allow_connections false",
		"select pg_terminate_backend(pid) from pg_stat_activity where datname = '" + name + "'",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}
