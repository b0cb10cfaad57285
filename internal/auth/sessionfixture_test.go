package auth_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/internal/auth"
)

const testSecret = "throwaway-secret-0123456789-abcdefghijklmnop"

// house is a database with sessions on it.
type house struct {
	*auth.Sessions
	pool  *pgxpool.Pool
	clock *clock
}

func newHouse(t *testing.T) house {
	t.Helper()
	h := house{pool: newDatabase(t), clock: newClock()}
	h.Sessions = h.sessions(t, auth.SessionConfig{Secrets: []string{testSecret}})
	return h
}

func (h house) sessions(t *testing.T, c auth.SessionConfig) *auth.Sessions {
	t.Helper()
	c.Pool, c.Clock, c.Logger = h.pool, h.clock.Now, quiet
	s, err := auth.NewSessions(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// addSession opens a session with so much time left, as another Better Auth server would.
func (h house) addSession(t *testing.T, userID, token string, left time.Duration) (caller auth.Caller) {
	t.Helper()
	end := h.clock.Now().Add(left)
	exec(t, h.pool, `insert into "session" ("id", "expiresAt", "token", "createdAt", "updatedAt", "userId")
		values ('id-' || $1::text, $2, $1, $2::timestamptz - interval '7 days', $2::timestamptz - interval '7 days', $3)`, token, end, userID)
	return auth.Caller{SessionCookie: auth.SignCookie(token, testSecret)}
}

// signUp signs up ada@example.test with the password "correct horse 1".
func (h house) signUp(t *testing.T) auth.SignedIn {
	t.Helper()
	in, err := h.SignUp(t.Context(), auth.SignUp{Name: "Ada", Email: "ada@example.test", Password: "correct horse 1"})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func (h house) end(t *testing.T, token string) time.Time {
	t.Helper()
	return scan[time.Time](t, h.pool, `select "expiresAt" from "session" where "token" = $1`, token).UTC()
}

func (h house) get(t *testing.T, c auth.Caller) (*auth.Current, []auth.Cookie) {
	t.Helper()
	ctx, cookies := auth.WithCookies(t.Context())
	current, err := h.Get(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	return current, cookies.List()
}

func wantProblem(t *testing.T, err error, status int, code, message string) {
	t.Helper()
	var p *auth.Problem
	if !errors.As(err, &p) || *p != (auth.Problem{Status: status, Code: code, Message: message}) {
		t.Fatalf("got %v, want %d %s: %s", err, status, code, message)
	}
}

// wantClears checks that exactly the three cookies are cleared, in Better Auth's order.
func wantClears(t *testing.T, cookies []auth.Cookie) {
	t.Helper()
	names := []string{"better-auth.session_token", "better-auth.session_data", "better-auth.dont_remember"}
	if len(cookies) != len(names) {
		t.Fatalf("%d cookies: %+v", len(cookies), cookies)
	}
	for i, c := range cookies {
		if c.Name != names[i] || c.Value != "" || c.MaxAgeSeconds == nil || *c.MaxAgeSeconds != 0 || c.Secure {
			t.Errorf("got %+v, want %s cleared", c, names[i])
		}
	}
}

func withCookies(t *testing.T) (context.Context, *auth.Cookies) {
	t.Helper()
	return auth.WithCookies(t.Context())
}
