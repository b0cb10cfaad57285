package handlers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/money"
)

// request is one HTTP request, good or bad.
type request struct {
	method string
	path   string // with its query
	header http.Header
	body   string
}

// with adds headers, and leaves the request it was asked of alone.
func (r request) with(more http.Header) request {
	merged := r.header.Clone()
	if merged == nil {
		merged = http.Header{}
	}
	for name, values := range more {
		merged[http.CanonicalHeaderKey(name)] = values
	}
	r.header = merged
	return r
}

func get(path string, header http.Header) request {
	return request{method: http.MethodGet, path: path}.with(header)
}

func post(path, body string, header http.Header) request {
	return request{method: http.MethodPost, path: path, body: body}.with(http.Header{"Content-Type": {"application/json"}}).with(header)
}

func patch(path, body string, header http.Header) request {
	r := post(path, body, header)
	r.method = http.MethodPatch
	return r
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// refusal is an error in either of the two shapes.
type refusal struct {
	Code      string  `json:"code"`
	Message   string  `json:"message"`
	RequestID string  `json:"request_id"`
	Fields    []field `json:"fields"`
}

type field struct {
	In      string `json:"in"`
	Name    string `json:"name"`
	Rule    string `json:"rule"`
	Message string `json:"message"`
}

func (a answer) refusal() refusal {
	var envelope struct{ Error *refusal }
	if json.Unmarshal(a.body, &envelope) == nil && envelope.Error != nil {
		return *envelope.Error
	}
	var bare refusal
	_ = json.Unmarshal(a.body, &bare)
	return bare
}

// data reads the data of a success.
func data[T any](t testing.TB, a answer) T {
	t.Helper()
	var envelope struct {
		Data  T
		Error any
	}
	if err := json.Unmarshal(a.body, &envelope); err != nil || a.status >= http.StatusBadRequest {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return envelope.Data
}

func expect(t testing.TB, a answer, status int, code, message string) {
	t.Helper()
	if got := a.refusal(); a.status != status || got.Code != code || got.Message != message {
		t.Errorf("answered %d %s, want %d %s %q", a.status, a.body, status, code, message)
	}
}

// send makes a request as it is, without following redirects.
func send(t testing.TB, c *http.Client, base string, r request) answer {
	t.Helper()
	var body io.Reader
	if r.body != "" {
		body = strings.NewReader(r.body)
	}
	out, err := http.NewRequestWithContext(t.Context(), r.method, base+r.path, body)
	if err != nil {
		t.Fatalf("make %s %s: %v", r.method, r.path, err)
	}
	out.Header = r.header.Clone()
	response, err := c.Do(out)
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	defer func() { _ = response.Body.Close() }()
	var read bytes.Buffer
	if _, err := read.ReadFrom(response.Body); err != nil {
		t.Fatalf("read the answer to %s %s: %v", r.method, r.path, err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: read.Bytes()}
}

// stage is a server with somebody on it.
type stage struct {
	*apitest.Server
	ada apitest.Account
}

// newStage starts a server with an account that has $100.
func newStage(t testing.TB, o apitest.Options) *stage {
	t.Helper()
	s := &stage{Server: apitest.New(t, o)}
	s.ada = s.newAccount(t)
	return s
}

// do sends a request and holds the answer against the contract.
func (s *stage) do(t testing.TB, r request) answer {
	t.Helper()
	return send(t, apitest.Checked(t), s.URL, r)
}

var people atomic.Int64

// newAccount gives somebody $100, two keys and a session. It spares the hashing of a password that signing up takes.
func (s *stage) newAccount(t testing.TB) apitest.Account {
	t.Helper()
	a := apitest.Account{UserID: id.New(id.User, time.Now()), Email: fmt.Sprintf("person%d@example.com", people.Add(1))}
	s.exec(t, `insert into "user" ("id", "name", "email", "emailVerified") values ($1, 'Ada', $2, false)`, a.UserID, a.Email)
	a.LiveID, a.LiveKey = s.newKey(t, auth.NewKey{Actor: audit.Actor{UserID: a.UserID}, Name: "live", Environment: "live"})
	a.TestID, a.TestKey = s.newKey(t, auth.NewKey{Actor: audit.Actor{UserID: a.UserID}, Name: "test", Environment: "test"})
	a.Cookie = s.newSession(t, a.UserID, time.Now().Add(time.Hour))
	s.TopUp(t, a.UserID, 100*money.PerDollar)
	return a
}

func (s *stage) newKey(t testing.TB, n auth.NewKey) (keyID, secret string) {
	t.Helper()
	row, secret, err := s.Node.Keyring.Create(t.Context(), n)
	if err != nil {
		t.Fatalf("create a key: %v", err)
	}
	return row.ID, secret
}

// newSession opens a session and gives its cookie.
func (s *stage) newSession(t testing.TB, userID string, ends time.Time) string {
	t.Helper()
	token := fmt.Sprintf("token%027d", people.Add(1))
	s.exec(t, `insert into "session" ("id", "token", "userId", "expiresAt", "createdAt", "updatedAt") values ($1, $1, $2, $3, now(), now())`,
		token, userID, ends)
	return apitest.SignCookie(token)
}

func withKey(key string) http.Header { return http.Header{"Authorization": {"Bearer " + key}} }

// withCookie is what a browser sends when it reads.
func (s *stage) withCookie(cookie string) http.Header {
	return http.Header{"Cookie": {s.Node.Sessions.CookieName() + "=" + cookie}}
}

// withPage is what a page of the dashboard sends when it writes.
func (s *stage) withPage(cookie string) http.Header {
	h := s.withCookie(cookie)
	h.Set("Origin", s.URL)
	return h
}

func (s *stage) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := s.Pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// one reads a single value.
func one[T any](t testing.TB, pool *pgxpool.Pool, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// stored counts all that requests may leave behind.
func (s *stage) stored(t testing.TB) string {
	t.Helper()
	return one[string](t, s.Pool, `select concat_ws(' ',
		'users', (select count(*) from "user"), 'sessions', (select count(*) from "session"),
		'keys', (select count(*) from api_keys), 'changed keys', (select count(*) from api_keys where updated_at <> created_at),
		'tasks', (select count(*) from tasks), 'holds', (select count(*) from holds), 'jobs', (select count(*) from river_job),
		'claims', (select count(*) from idempotency_keys), 'held', (select coalesce(sum(held_micros), 0) from accounts),
		'ledger', (select count(*) from ledger_entries), 'webhook secrets', (select count(*) from webhook_secrets),
		'audited', (select count(*) from audit_log))`)
}
