package handlers_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/internal/apitest"
)

const (
	signUpPath  = "/api/auth/sign-up/email"
	signInPath  = "/api/auth/sign-in/email"
	signOutPath = "/api/auth/sign-out"
	sessionPath = "/api/auth/get-session"
)

// milliseconds is the only form of a time that Better Auth's client reads rightly.
var milliseconds = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)

// problem holds an answer against an error of Better Auth: two members, no envelope.
func problem(t *testing.T, a answer, want verdict) {
	t.Helper()
	var got map[string]string
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Errorf("%s: %v", a.body, err)
	}
	if diff := cmp.Diff(map[string]string{"code": want.code, "message": want.message}, got); diff != "" || a.status != want.status {
		t.Errorf("%d: want (-), got (+)\n%s", a.status, diff)
	}
	if len(a.header.Values("Set-Cookie")) > 0 {
		t.Errorf("a refusal sets %v", a.header.Values("Set-Cookie"))
	}
}

func object(t *testing.T, a answer) map[string]any {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(a.body, &got); err != nil || a.status != http.StatusOK {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return got
}

// sessionCookie gives the value of the session cookie an answer sets, and holds its attributes against the rule.
func (s *stage) sessionCookie(t *testing.T, a answer, attributes string) string {
	t.Helper()
	for _, line := range a.header.Values("Set-Cookie") {
		value, rest, _ := strings.Cut(strings.TrimPrefix(line, "better-auth.session_token="), "; ")
		if strings.HasPrefix(line, "better-auth.session_token=") {
			if rest != attributes {
				t.Errorf("the cookie's attributes are %q, want %q", rest, attributes)
			}
			return value
		}
	}
	t.Fatalf("no session cookie in %v", a.header.Values("Set-Cookie"))
	return ""
}

func TestSession_SignUpSignInAndSignOutSpeakBetterAuth(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	const rule = "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"
	up := s.do(t, post(signUpPath, `{"name":"Ада","email":"Ada@Example.COM","password":"correct horse 1","image":"https://example.com/a.png","callbackURL":"/"}`, nil))
	signedUp := object(t, up)
	user := signedUp["user"].(map[string]any)
	if got := slices.Sorted(maps.Keys(user)); !slices.Equal(got, []string{"createdAt", "email", "emailVerified", "id", "image", "name", "updatedAt"}) {
		t.Errorf("the user has %v", got)
	}
	if user["email"] != "ada@example.com" || user["name"] != "Ада" || user["emailVerified"] != false || user["image"] != "https://example.com/a.png" {
		t.Errorf("the user is %v", user)
	}
	for _, name := range []string{"createdAt", "updatedAt"} {
		if !milliseconds.MatchString(user[name].(string)) {
			t.Errorf("%s is %v", name, user[name])
		}
	}
	cookie := s.sessionCookie(t, up, rule)
	if want := apitest.SignCookie(signedUp["token"].(string)); cookie != want {
		t.Errorf("the cookie is %s, want %s", cookie, want)
	}

	expectProblem := verdict{422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", "User already exists. Use another email."}
	problem(t, s.do(t, post(signUpPath, `{"name":"Eve","email":"ADA@example.com","password":"another horse 2"}`, nil)), expectProblem)
	wrong := verdict{401, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password"}
	problem(t, s.do(t, post(signInPath, `{"email":"ada@example.com","password":"Correct horse 1"}`, nil)), wrong)
	problem(t, s.do(t, post(signInPath, `{"email":"nobody@example.com","password":"correct horse 1"}`, nil)), wrong)

	in := s.do(t, post(signInPath, `{"email":"ADA@EXAMPLE.com","password":"correct horse 1"}`, nil))
	signedIn := object(t, in)
	if diff := cmp.Diff(map[string]any{"redirect": false, "token": signedIn["token"], "user": user}, signedIn); diff != "" {
		t.Errorf("signed in: want (-), got (+)\n%s", diff)
	}
	second := s.sessionCookie(t, in, rule)
	for _, c := range []string{cookie, second} { // the first device stays signed in
		s.holds(t, c, user)
	}

	out := s.do(t, post(signOutPath, `{}`, s.withPage(second)))
	if diff := cmp.Diff(map[string]any{"success": true}, object(t, out)); diff != "" {
		t.Errorf("signed out: %s", diff)
	}
	cleared := slices.Sorted(slices.Values(out.header.Values("Set-Cookie")))
	if diff := cmp.Diff([]string{
		"better-auth.dont_remember=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
		"better-auth.session_data=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
		"better-auth.session_token=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
	}, cleared); diff != "" {
		t.Errorf("cookies: want (-), got (+)\n%s", diff)
	}
	expect(t, s.do(t, get("/v1/account", s.withCookie(second))), 401, "UNAUTHORIZED", "Your session is invalid or has expired; sign in again")
	if a := s.do(t, get("/v1/account", s.withCookie(cookie))); a.status != http.StatusOK {
		t.Errorf("the other session after signing out: %d %s", a.status, a.body)
	}
}

// holds checks that a cookie carries a live session of the user.
func (s *stage) holds(t *testing.T, cookie string, user map[string]any) {
	t.Helper()
	a := s.do(t, get(sessionPath, s.withCookie(cookie)))
	got := object(t, a)
	session := got["session"].(map[string]any)
	members := []string{"createdAt", "expiresAt", "id", "ipAddress", "token", "updatedAt", "userAgent", "userId"}
	if diff := cmp.Diff(members, slices.Sorted(maps.Keys(session))); diff != "" {
		t.Errorf("the session: want (-), got (+)\n%s", diff)
	}
	for _, name := range []string{"createdAt", "expiresAt", "updatedAt"} {
		if !milliseconds.MatchString(session[name].(string)) {
			t.Errorf("%s is %v", name, session[name])
		}
	}
	if diff := cmp.Diff(user, got["user"]); diff != "" || session["userId"] != user["id"] || session["ipAddress"] != "127.0.0.1" {
		t.Errorf("the session is %v; user: want (-), got (+)\n%s", got, diff)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control is %q", a.header.Get("Cache-Control"))
	}
}

func TestSession_NobodySignedInIsTheLiteralNull(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	forged := s.ada.Cookie[:len(s.ada.Cookie)-6] + "AAA%3D"
	for name, tt := range map[string]struct {
		header http.Header
		clears int
	}{
		"no cookie":          {nil, 0},
		"another cookie":     {http.Header{"Cookie": {"theme=dark"}}, 0},
		"a forged signature": {s.withCookie(forged), 0},
		"an unknown session": {s.withCookie(apitest.SignCookie("gone")), 3},
		"an expired session": {s.withCookie(s.newSession(t, s.ada.UserID, time.Now().Add(-time.Second))), 3},
	} {
		a := s.do(t, get(sessionPath, tt.header))
		if a.status != http.StatusOK || strings.TrimSpace(string(a.body)) != "null" || len(a.header.Values("Set-Cookie")) != tt.clears {
			t.Errorf("%s: %d %s %v", name, a.status, a.body, a.header.Values("Set-Cookie"))
		}
	}
	out := s.do(t, post(signOutPath, "", nil))
	if out.status != http.StatusOK || strings.TrimSpace(string(out.body)) != `{"success":true}` || len(out.header.Values("Set-Cookie")) != 3 {
		t.Errorf("signing out: %d %s", out.status, out.body)
	}
}

func TestSession_AgeingOneIsExtendedUnlessItIsAskedNotToBe(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	hours := func(cookie string) int64 {
		return one[int64](t, s.Pool, `select round(extract(epoch from "expiresAt" - now()) / 3600)::bigint from "session" where "token" = $1`, strings.Split(cookie, ".")[0])
	}
	for _, tt := range []struct {
		path     string
		left     time.Duration
		extended bool
	}{
		{sessionPath, time.Hour, true},
		{sessionPath + "?disableCookieCache=true", 6*24*time.Hour - time.Minute, true},
		{sessionPath, 6*24*time.Hour + time.Minute, false},
		{sessionPath + "?disableRefresh=true", time.Hour, false},
		{"/v1/account", time.Hour, false},
	} {
		cookie := s.newSession(t, s.ada.UserID, time.Now().Add(tt.left))
		before := hours(cookie)
		a := s.do(t, get(tt.path, s.withCookie(cookie)))
		if sent := len(a.header.Values("Set-Cookie")) == 1; sent != tt.extended || a.status != http.StatusOK {
			t.Errorf("%s with %v left: %d, a cookie %v", tt.path, tt.left, a.status, sent)
		}
		if after := hours(cookie); (after == 7*24) != tt.extended || !tt.extended && after != before {
			t.Errorf("%s with %v left: %d hours, before %d", tt.path, tt.left, after, before)
		}
	}
}

func TestSession_ThatTheBrowserIsToForgetHasNoAge(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	up := s.do(t, post(signUpPath, `{"name":"Ada","email":"forget@example.com","password":"correct horse 1","rememberMe":false}`, nil))
	cookie := s.sessionCookie(t, up, "Path=/; HttpOnly; SameSite=Lax")
	if n := len(up.header.Values("Set-Cookie")); n != 2 {
		t.Errorf("cookies are %v", up.header.Values("Set-Cookie"))
	}
	if got := one[string](t, s.Pool, `select extract(epoch from "expiresAt" - "createdAt")::int::text from "session" where "token" = $1`, strings.Split(cookie, ".")[0]); got != "86400" {
		t.Errorf("it lasts %s", got)
	}
}

func TestSession_CookiesOfASiteOnHTTPSAreSecure(t *testing.T) {
	t.Parallel()
	s := newStage(t, httpsOptions())
	up := s.do(t, post(signUpPath, `{"name":"Ada","email":"secure@example.com","password":"correct horse 1"}`, nil))
	if got := up.header.Get("Set-Cookie"); !strings.HasPrefix(got, "__Secure-better-auth.session_token=") ||
		!strings.HasSuffix(got, "; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("the cookie is %q", got)
	}
	plain := s.do(t, get("/v1/account", http.Header{"Cookie": {"better-auth.session_token=" + s.ada.Cookie}}))
	expect(t, plain, 401, "UNAUTHORIZED", "A dashboard session is required")
	if a := s.do(t, get("/v1/account", s.withCookie(s.ada.Cookie))); a.status != http.StatusOK {
		t.Errorf("with the right name: %d %s", a.status, a.body)
	}
	write := s.do(t, request{method: http.MethodPost, path: "/v1/webhooks/secret"}.with(s.withCookie(s.ada.Cookie)).with(http.Header{"Origin": {"https://egg.example"}}))
	if write.status != http.StatusCreated {
		t.Errorf("a write from the public URL: %d %s", write.status, write.body)
	}
}

func TestSession_RefusalsHaveBetterAuthsShapeAndStoreNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	s.exec(t, `update "user" set "banned" = true where "id" = $1`, s.ada.UserID)
	before := s.stored(t)
	long := strings.Repeat("p", 129)
	for body, want := range map[string]verdict{
		`{"name":"Ada","email":"ada@example.com","password":"1234567"}`:                      {400, "PASSWORD_TOO_SHORT", "Password too short"},
		fmt.Sprintf(`{"name":"Ada","email":"ada@example.com","password":%q}`, long):          {400, "PASSWORD_TOO_LONG", "Password too long"},
		`{"name":"Ada","email":"ada@example.com"}`:                                           {400, "VALIDATION_ERROR", "request validation failed"},
		`{"name":7,"email":"ada@example.com","password":"correct horse 1"}`:                  {400, "VALIDATION_ERROR", "request validation failed"},
		`{"name":"Ada","email":"ada@example.com","password":"correct horse 1","image":null}`: {400, "VALIDATION_ERROR", "request validation failed"},
		`{"name":"Ada","email":`: {400, "BAD_REQUEST", "request body is not valid JSON"},
		`[]`:                     {400, "VALIDATION_ERROR", "request validation failed"},
		`null`:                   {400, "VALIDATION_ERROR", "request validation failed"},
		`{"name":"A","name":"B","email":"a@b.co","password":"correct horse 1"}`: {400, "BAD_REQUEST", "request body names a member twice"},
	} {
		problem(t, s.do(t, post(signUpPath, body, nil)), want)
	}
	problem(t, s.do(t, post(signInPath, `{"email":"not an address","password":"correct horse 1"}`, nil)), invalidEmail)
	problem(t, s.do(t, post(signInPath, `{"email":"ada@example.com","password":"`+long+`"}`, nil)), verdict{400, "PASSWORD_TOO_LONG", "Password too long"})
	if a := s.do(t, post(signUpPath, `{"name":"Ada","email":"nobody","password":"correct horse 1"}`, nil)); a.status != http.StatusBadRequest {
		t.Errorf("an address that is none: %d %s", a.status, a.body)
	}
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}

func TestSession_BannedUserIsToldSoAtTheDoor(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	up := s.do(t, post(signUpPath, `{"name":"Eve","email":"eve@example.com","password":"correct horse 1"}`, nil))
	cookie := s.sessionCookie(t, up, "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax")
	s.exec(t, `update "user" set "banned" = true where "email" = 'eve@example.com'`)
	a := s.do(t, post(signInPath, `{"email":"eve@example.com","password":"correct horse 1"}`, nil))
	if r := a.refusal(); a.status != http.StatusForbidden || r.Code != "BANNED_USER" {
		t.Errorf("signing in: %d %s", a.status, a.body)
	}
	expect(t, s.do(t, get("/v1/account", s.withCookie(cookie))), 403, "FORBIDDEN", "User account is suspended")
	// A member that differs in case only is another member: the address that was checked is the one that counts.
	odd := s.do(t, post(signUpPath, `{"name":"Odd","email":"odd@example.com","EMAIL":"eve@example.com","password":"correct horse 1","Password":"x"}`, nil))
	if user := object(t, odd)["user"].(map[string]any); user["email"] != "odd@example.com" {
		t.Errorf("signed up as %v", user)
	}
}
