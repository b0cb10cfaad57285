package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/internal/apitest"
)

const authPath = "/api/auth/"

// newStranger gives somebody who signs in with "correct horse 1", and a session of his.
func (s *stage) newStranger(t testing.TB) apitest.Account {
	t.Helper()
	a := s.newAccount(t)
	s.givePassword(t, a.UserID)
	return a
}

// token gives the token inside a cookie.
func token(cookie string) string { return strings.Split(cookie, ".")[0] }

// acts gives what the log says a user did, newest first, as "action target details".
func (s *stage) acts(t testing.TB, userID string) []string {
	t.Helper()
	return strings.Split(one[string](t, s.Pool, `select coalesce(string_agg(action || ' ' || target || ' ' || details::text, E'\n' order by created_at desc, id desc), '')
		from audit_log where user_id = $1 and action not like 'api_key.%'`, userID), "\n")
}

func (s *stage) signedIn(t testing.TB, cookie string) bool {
	t.Helper()
	return s.do(t, get("/v1/account", s.withCookie(cookie))).status == http.StatusOK
}

func TestSession_ListHasTheUsersLiveSessionsAndNobodyElses(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	bob := s.newAccount(t)
	second := s.newSession(t, bob.UserID, time.Now().Add(time.Hour))
	s.newSession(t, bob.UserID, time.Now().Add(-time.Second))
	s.exec(t, `update "session" set "ipAddress" = '192.0.2.1', "userAgent" = 'curl' where "token" = $1`, token(second))
	a := s.do(t, get(authPath+"list-sessions", s.withCookie(bob.Cookie)))
	var list []map[string]any
	if err := json.Unmarshal(a.body, &list); err != nil || a.status != http.StatusOK {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	var tokens []string
	for _, session := range list {
		tokens = append(tokens, session["token"].(string))
		if session["userId"] != bob.UserID {
			t.Errorf("a session of %v", session["userId"])
		}
	}
	if diff := cmp.Diff([]string{token(bob.Cookie), token(second)}, tokens); diff != "" {
		t.Errorf("want (-), got (+)\n%s", diff)
	}
	s.exec(t, `update "session" set "createdAt" = now() - interval '24 hours' where "token" = $1`, token(second))
	a = s.do(t, get(authPath+"list-sessions", s.withCookie(second)))
	if r := a.refusal(); a.status != http.StatusForbidden || r.Code != "SESSION_NOT_FRESH" || r.Message != "Session is not fresh" {
		t.Errorf("a session of yesterday: %d %s", a.status, a.body)
	}
}

func TestSession_RevokedOneIsDeadAtOnceAndOthersLiveOn(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	bob := s.newAccount(t)
	second := s.newSession(t, bob.UserID, time.Now().Add(7*24*time.Hour))
	revoke := func(cookie, token string) answer {
		return s.do(t, post(authPath+"revoke-session", `{"token":"`+token+`"}`, s.withPage(cookie)))
	}
	for _, foreign := range []string{token(s.ada.Cookie), "nobodys"} { // told as done, as Better Auth does
		if a := revoke(second, foreign); a.status != http.StatusOK || len(a.header.Values("Set-Cookie")) != 0 {
			t.Errorf("another's session: %d %s %v", a.status, a.body, a.header)
		}
	}
	if !s.signedIn(t, s.ada.Cookie) {
		t.Error("Ada's session was ended by Bob")
	}
	if got := s.acts(t, bob.UserID); got[0] != "" {
		t.Errorf("what did nothing is in the log: %v", got)
	}
	if a := revoke(second, token(bob.Cookie)); strings.TrimSpace(string(a.body)) != `{"status":true}` {
		t.Errorf("revoke: %d %s", a.status, a.body)
	}
	if s.signedIn(t, bob.Cookie) || !s.signedIn(t, second) {
		t.Error("the revoked session lives, or the other does not")
	}
	if got := s.acts(t, bob.UserID); len(got) != 1 || got[0] != "session.revoke "+token(bob.Cookie)+" {}" {
		t.Errorf("the log says %v", got)
	}
	if a := revoke(second, token(second)); len(a.header.Values("Set-Cookie")) != 3 || s.signedIn(t, second) {
		t.Errorf("his own: %d %s %v", a.status, a.body, a.header)
	}
}

func TestSession_RevokeOthersKeepsThisOneAndRevokeAllKeepsNone(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	bob := s.newAccount(t)
	here := s.newSession(t, bob.UserID, time.Now().Add(time.Hour))
	for _, tt := range []struct{ path, act string }{
		{"revoke-other-sessions", "session.revoke_others " + bob.UserID + ` {"ended": 1}`},
		{"revoke-sessions", "session.revoke_all " + bob.UserID + ` {"ended": 1}`},
	} {
		a := s.do(t, post(authPath+tt.path, "{}", s.withPage(here)))
		if strings.TrimSpace(string(a.body)) != `{"status":true}` {
			t.Errorf("%s: %d %s", tt.path, a.status, a.body)
		}
		if got := s.acts(t, bob.UserID); got[0] != tt.act {
			t.Errorf("%s: the log says %v", tt.path, got)
		}
		if s.signedIn(t, bob.Cookie) || s.signedIn(t, here) != (tt.path == "revoke-other-sessions") {
			t.Errorf("%s: not the sessions that should live", tt.path)
		}
	}
	if !s.signedIn(t, s.ada.Cookie) {
		t.Error("Ada's session was ended by Bob")
	}
}

// Whoever changes the role: Better Auth's admin plugin, or somebody by hand.
func TestSession_RoleChangeEndsAllSessionsOfTheUserAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	bob := s.newAccount(t)
	s.exec(t, `update "user" set "name" = 'Bob' where "id" = $1`, bob.UserID)
	if !s.signedIn(t, bob.Cookie) {
		t.Error("another name ended the session")
	}
	s.exec(t, `update "user" set "role" = 'admin' where "id" = $1`, bob.UserID)
	if s.signedIn(t, bob.Cookie) || !s.signedIn(t, s.ada.Cookie) {
		t.Error("the session from before lives, or Ada's does not")
	}
}

// Better Auth's guarded operations do what get-session does: they extend an ageing session and clear a dead one's cookies.
func TestSession_GuardedOperationsMoveTheCookieAsGetSessionDoes(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	for _, tt := range []struct {
		id, body string
		status   int
		code     string
	}{
		{"listSessions", "", 200, ""},
		{"revokeSession", `{"token":"x"}`, 200, ""},
		{"revokeOtherSessions", `{}`, 200, ""},
		{"changeEmail", `{"newEmail":"n@example.com"}`, 200, ""},
		{"updateUser", `{"name":"B"}`, 200, ""},
		{"sendVerificationEmail", "", 200, ""},
		{"changePassword", `{"currentPassword":"a wrong horse","newPassword":"correct horse 2"}`, 400, "INVALID_PASSWORD"},
		{"changeEmail", "same", 400, "EMAIL_IS_THE_SAME"},
		{"updateUser", `{}`, 400, "NO_FIELDS_TO_UPDATE"},
		{"deleteUser", `{"password":"a wrong horse"}`, 400, "INVALID_PASSWORD"},
		{"deleteUser", `{"token":"nobodys"}`, 404, "INVALID_TOKEN"},
		{"sendVerificationEmail", `{"email":"other@example.com"}`, 400, "EMAIL_MISMATCH"},
		{"listSessions", "", 403, "SESSION_NOT_FRESH"},
	} {
		bob := s.newStranger(t)
		op := operations[slices.IndexFunc(operations, func(o operation) bool { return o.id == tt.id })]
		op.body = tt.body
		switch tt.body {
		case "same":
			op.body = fmt.Sprintf(`{"newEmail":%q}`, strings.ToUpper(bob.Email))
		case "":
			if op.method == postMethod {
				op.body = fmt.Sprintf(`{"email":%q}`, bob.Email)
			}
		}
		if tt.code == "SESSION_NOT_FRESH" {
			s.exec(t, `update "session" set "createdAt" = now() - interval '25 hours' where "token" = $1`, token(bob.Cookie))
		}
		a := s.do(t, op.request(nil, s.withPage(bob.Cookie)))
		left := one[int](t, s.Pool, `select round(extract(epoch from "expiresAt" - now()) / 3600)::int from "session" where "token" = $1`, token(bob.Cookie))
		if a.status != tt.status || a.refusal().Code != tt.code || left != 7*24 {
			t.Errorf("%s: %d %s, %d hours left", tt.id, a.status, a.body, left)
		}
		if got := s.sessionCookie(t, a, "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"); got != bob.Cookie {
			t.Errorf("%s: the cookie is %s", tt.id, got)
		}
	}
	gone := apitest.SignCookie("gone")
	for _, op := range operations {
		if !op.own() {
			continue
		}
		a := s.do(t, op.request(nil, s.withPage(gone)))
		if r := a.refusal(); a.status != http.StatusUnauthorized || r.Code != "UNAUTHORIZED" || len(a.header.Values("Set-Cookie")) != 3 {
			t.Errorf("%s with a session that is no more: %d %s %v", op.id, a.status, a.body, a.header)
		}
	}
}
