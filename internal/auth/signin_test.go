package auth_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
)

var tokenShape = regexp.MustCompile(`^[A-Za-z0-9]{32}$`)

func TestSignUp_OpensASessionAsBetterAuthDoes(t *testing.T) {
	h := newHouse(t)
	h.clock.Add(987 * time.Microsecond) // which JavaScript cannot count
	ctx, cookies := withCookies(t)
	caller := auth.Caller{IPAddress: "192.0.2.7", UserAgent: "curl/7.88.1\xff"}
	in, err := h.SignUp(ctx, auth.SignUp{Name: "Ada", Email: "Ada@Example.test", Password: "correct horse 1", Caller: caller})
	if err != nil {
		t.Fatal(err)
	}
	now := h.clock.Now().Truncate(time.Millisecond)
	wantUser := db.User{ID: in.User.ID, Name: "Ada", Email: "ada@example.test", CreatedAt: now, UpdatedAt: now}
	if diff := cmp.Diff(wantUser, in.User); diff != "" || !strings.HasPrefix(in.User.ID, "usr_") || !tokenShape.MatchString(in.Token) {
		t.Error(diff, in)
	}
	want := []auth.Cookie{{Name: "better-auth.session_token", Value: auth.SignCookie(in.Token, testSecret), MaxAgeSeconds: ptr(604800)}}
	if diff := cmp.Diff(want, cookies.List()); diff != "" {
		t.Error(diff)
	}
	current, _ := h.get(t, auth.Caller{SessionCookie: cookies.List()[0].Value})
	wantSession := db.Session{
		ID: current.Session.ID, Token: in.Token, UserID: in.User.ID, ExpiresAt: now.Add(7 * 24 * time.Hour),
		CreatedAt: now, UpdatedAt: now, IPAddress: ptr("192.0.2.7"), UserAgent: ptr("curl/7.88.1"),
	}
	if diff := cmp.Diff(wantSession, current.Session); diff != "" || !tokenShape.MatchString(current.Session.ID) {
		t.Error(diff)
	}
	account := scan[string](t, h.pool, `select "providerId" || ' ' || ("accountId" = "userId") || ' ' || length("password") from "account"`)
	if account != "credential true 161" {
		t.Errorf("account: %s", account)
	}
	audited := scan[string](t, h.pool, `select action || ' ' || user_id || ' ' || ip_address || ' ' || user_agent from audit_log`)
	if audited != "session.sign_up "+in.User.ID+" 192.0.2.7 curl/7.88.1" {
		t.Errorf("audited: %s", audited)
	}
	if stored := scan[string](t, h.pool, `select string_agg(a::text, '') from audit_log a`); strings.Contains(stored, in.Token) {
		t.Error("the token is in the audit log")
	}
}

func TestSignUp_AnAddressIsTakenOnceInAnyCase(t *testing.T) {
	h := newHouse(t)
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i, email := range []string{"ada@example.test", "Ada@example.test", "ADA@EXAMPLE.TEST", "ada@Example.Test"} {
		all.Go(func() {
			_, errs[i] = h.SignUp(t.Context(), auth.SignUp{Name: "Ada", Email: email, Password: "correct horse 1"})
		})
	}
	all.Wait()
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) != 3 {
		t.Fatalf("%d were refused", len(errs))
	}
	for _, err := range errs {
		wantProblem(t, err, 422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", "User already exists. Use another email.")
	}
	ctx, cookies := withCookies(t)
	_, err := h.SignUp(ctx, auth.SignUp{Name: "Ada", Email: "ada@example.test", Password: "correct horse 2"})
	wantProblem(t, err, 422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", "User already exists. Use another email.")
	if len(cookies.List()) != 0 {
		t.Error("a refusal set cookies")
	}
	if got := scan[string](t, h.pool, `select (select count(*) from "user") || ' ' || (select count(*) from "account") || ' ' || (select count(*) from "session") || ' ' || (select count(*) from audit_log)`); got != "1 1 1 1" {
		t.Errorf("rows: %s", got)
	}
}

func TestSignUp_RefusesAsBetterAuthDoes(t *testing.T) {
	h := newHouse(t)
	for _, tt := range []struct{ email, password, code, message string }{
		{"ada", "correct horse 1", "VALIDATION_ERROR", "[body.email] Invalid email address"},
		{"ada@example.test", "", "PASSWORD_TOO_SHORT", "Password too short"},
		{"ada@example.test", "1234567", "PASSWORD_TOO_SHORT", "Password too short"},
		{"ada@example.test", "😀😀😀", "PASSWORD_TOO_SHORT", "Password too short"},
		{"ada@example.test", strings.Repeat("x", 129), "PASSWORD_TOO_LONG", "Password too long"},
		{"ada@example.test", strings.Repeat("😀", 65), "PASSWORD_TOO_LONG", "Password too long"},
	} {
		_, err := h.SignUp(t.Context(), auth.SignUp{Name: "Ada", Email: tt.email, Password: tt.password})
		wantProblem(t, err, 400, tt.code, tt.message)
	}
	for i, password := range []string{"12345678", "😀😀😀😀", strings.Repeat("鍵", 128)} {
		email := string(rune('a'+i)) + "@example.test"
		if _, err := h.SignUp(t.Context(), auth.SignUp{Name: "Ada", Email: email, Password: password}); err != nil {
			t.Errorf("%s: %v", password, err)
		}
		if _, err := h.SignIn(t.Context(), auth.SignIn{Email: email, Password: password}); err != nil {
			t.Errorf("%s: %v", password, err)
		}
	}
}

func TestSignUp_HappensOnlyTogetherWithItsAuditRow(t *testing.T) {
	h := newHouse(t)
	exec(t, h.pool, `alter table audit_log add constraint none check (false)`)
	ctx, cookies := withCookies(t)
	if _, err := h.SignUp(ctx, auth.SignUp{Name: "Ada", Email: "ada@example.test", Password: "correct horse 1"}); err == nil {
		t.Error("signed up without an audit row")
	}
	if got := scan[int](t, h.pool, `select count(*) from "user"`); got != 0 || len(cookies.List()) != 0 {
		t.Errorf("%d users, %d cookies", got, len(cookies.List()))
	}
}

func TestSignIn_AWrongAddressAndAWrongPasswordAreTheSame(t *testing.T) {
	h := newHouse(t)
	h.signUp(t)
	addUser(t, h.pool, "social")
	times := map[string]time.Duration{}
	for name, in := range map[string]auth.SignIn{
		"wrong password":      {Email: "ada@example.test", Password: "correct horse 2"},
		"short password":      {Email: "ada@example.test", Password: "x"},
		"unknown address":     {Email: "bob@example.test", Password: "correct horse 1"},
		"user without passwd": {Email: "social@example.test", Password: "correct horse 1"},
	} {
		ctx, cookies := withCookies(t)
		start := time.Now()
		_, err := h.SignIn(ctx, in)
		times[name] = time.Since(start)
		wantProblem(t, err, 401, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password")
		if len(cookies.List()) != 0 {
			t.Errorf("%s set cookies", name)
		}
	}
	// A hash takes some hundred times as long as the query; without one an address would be told at once.
	for name, took := range times {
		if took < times["wrong password"]/10 {
			t.Errorf("%s took %v, wrong password %v", name, took, times["wrong password"])
		}
	}
	_, err := h.SignIn(t.Context(), auth.SignIn{Email: "nobody", Password: "correct horse 1"})
	wantProblem(t, err, 400, "INVALID_EMAIL", "Invalid email")
	_, err = h.SignIn(t.Context(), auth.SignIn{Email: "ada@example.test", Password: strings.Repeat("x", 129)})
	wantProblem(t, err, 400, "PASSWORD_TOO_LONG", "Password too long")
}

func TestSignIn_TakesAHashMadeByBetterAuth(t *testing.T) {
	h := newHouse(t)
	addUser(t, h.pool, "usr_a")
	for _, v := range readVectors(t).Passwords[1:] {
		exec(t, h.pool, `delete from "account"`)
		exec(t, h.pool, `insert into "account" ("id", "accountId", "providerId", "userId", "password", "updatedAt") values ('a', 'usr_a', 'credential', 'usr_a', $1, now())`, v.Hash)
		in, err := h.SignIn(t.Context(), auth.SignIn{Email: "USR_A@example.test", Password: v.Pw})
		if err != nil || in.User.ID != "usr_a" {
			t.Errorf("%s: %v", v.Pw, err)
		}
	}
}

func TestSignIn_ABannedUserIsToldSoOnlyWithTheRightPassword(t *testing.T) {
	h := newHouse(t)
	in := h.signUp(t)
	cookie := auth.SignCookie(in.Token, testSecret)
	signIn := func(password string) error {
		_, err := h.SignIn(t.Context(), auth.SignIn{Email: "ada@example.test", Password: password})
		return err
	}
	exec(t, h.pool, `update "user" set "banned" = true`)
	wantProblem(t, signIn("correct horse 1"), 403, "BANNED_USER",
		"You have been banned from this application. Please contact support if you believe this is an error.")
	wantProblem(t, signIn("correct horse 2"), 401, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password")
	_, err := h.Authenticate(t.Context(), cookie)
	wantFault(t, err, fault.Forbidden, "User account is suspended")
	if current, cookies := h.get(t, auth.Caller{SessionCookie: cookie}); current != nil || len(cookies) != 0 {
		t.Error("a banned user has a session")
	}
	exec(t, h.pool, `update "user" set "banExpires" = $1`, h.clock.Now())
	if err := signIn("correct horse 1"); err == nil {
		t.Error("a ban ended too early")
	}
	h.clock.Add(time.Millisecond)
	if err := signIn("correct horse 1"); err != nil {
		t.Errorf("a ban that is over: %v", err)
	}
	if _, err := h.Authenticate(t.Context(), cookie); err != nil {
		t.Errorf("a ban that is over: %v", err)
	}
}

func TestSignIn_ToBeForgottenLastsADayAndUntilTheBrowserCloses(t *testing.T) {
	h := newHouse(t)
	h.signUp(t)
	ctx, cookies := withCookies(t)
	in, err := h.SignIn(ctx, auth.SignIn{Email: "ada@example.test", Password: "correct horse 1", RememberMe: ptr(false)})
	if err != nil {
		t.Fatal(err)
	}
	want := []auth.Cookie{
		{Name: "better-auth.session_token", Value: auth.SignCookie(in.Token, testSecret)},
		{Name: "better-auth.dont_remember", Value: auth.SignCookie("true", testSecret)},
	}
	if diff := cmp.Diff(want, cookies.List()); diff != "" {
		t.Error(diff)
	}
	if got := h.end(t, in.Token).Sub(h.clock.Now()); got != 24*time.Hour {
		t.Errorf("ends in %v", got)
	}
	if !h.DontRemembers(want[1].Value) || h.DontRemembers("true") || h.DontRemembers("") {
		t.Error("only a signed mark counts")
	}
	// Remembered the next time, the browser must drop the mark.
	ctx, cookies = withCookies(t)
	_, err = h.SignIn(ctx, auth.SignIn{Email: "ada@example.test", Password: "correct horse 1", RememberMe: ptr(true), Caller: auth.Caller{DontRemember: true}})
	if err != nil {
		t.Fatal(err)
	}
	list := cookies.List()
	if len(list) != 2 || *list[0].MaxAgeSeconds != 604800 || list[1].Name != "better-auth.dont_remember" || *list[1].MaxAgeSeconds != 0 {
		t.Errorf("got %+v", list)
	}
}

func TestSignIn_NeverAdoptsWhatTheBrowserBrought(t *testing.T) {
	h := newHouse(t)
	h.signUp(t)
	addUser(t, h.pool, "usr_attacker")
	planted := h.addSession(t, "usr_attacker", strings.Repeat("P", 32), 7*24*time.Hour)
	unknown := auth.Caller{SessionCookie: auth.SignCookie(strings.Repeat("U", 32), testSecret)}
	for _, caller := range []auth.Caller{planted, unknown, {SessionCookie: "nonsense"}} {
		ctx, cookies := withCookies(t)
		in, err := h.SignIn(ctx, auth.SignIn{Email: "ada@example.test", Password: "correct horse 1", Caller: caller})
		if err != nil {
			t.Fatal(err)
		}
		if token, ok := auth.VerifyCookie(cookies.List()[0].Value, testSecret); !ok || token != in.Token || cookies.List()[0].Value == caller.SessionCookie {
			t.Error("the cookie was kept")
		}
		_, err = h.Authenticate(t.Context(), caller.SessionCookie)
		wantFault(t, err, fault.Unauthorized, "Your session is invalid or has expired; sign in again")
	}
}

func TestSignOut_EndsTheSessionAndIsIdempotent(t *testing.T) {
	h := newHouse(t)
	addUser(t, h.pool, "usr_a")
	token := strings.Repeat("A", 32)
	caller := h.addSession(t, "usr_a", token, time.Hour)
	kept := h.addSession(t, "usr_a", strings.Repeat("B", 32), time.Hour)
	for _, c := range []auth.Caller{caller, caller, {}, {SessionCookie: token}, {SessionCookie: kept.SessionCookie + "x"}} {
		ctx, cookies := withCookies(t)
		if err := h.SignOut(ctx, c); err != nil {
			t.Fatal(err)
		}
		wantClears(t, cookies.List())
	}
	if _, err := h.Authenticate(t.Context(), caller.SessionCookie); fault.CodeOf(err) != fault.Unauthorized {
		t.Errorf("got %v", err)
	}
	if _, err := h.Authenticate(t.Context(), kept.SessionCookie); err != nil {
		t.Error(err)
	}
	if got := scan[string](t, h.pool, `select string_agg(action || ' ' || user_id || ' ' || target, ',') from audit_log`); got != "session.sign_out usr_a id-"+token {
		t.Errorf("audited %s", got)
	}
}

func TestSessions_ALostDatabaseIsUnavailableAndSetsNoCookie(t *testing.T) {
	c := newClock()
	s, err := auth.NewSessions(auth.SessionConfig{Pool: closedPool(t), Clock: c.Now, Logger: quiet, Secrets: []string{testSecret}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cookies := withCookies(t)
	caller := auth.Caller{SessionCookie: auth.SignCookie("token", testSecret)}
	_, getErr := s.Get(ctx, caller)
	_, authErr := s.Authenticate(ctx, caller.SessionCookie)
	_, upErr := s.SignUp(ctx, auth.SignUp{Email: "ada@example.test", Password: "correct horse 1"})
	_, inErr := s.SignIn(ctx, auth.SignIn{Email: "ada@example.test", Password: "correct horse 1"})
	for _, err := range []error{getErr, authErr, upErr, inErr, s.SignOut(ctx, caller)} {
		if fault.CodeOf(err) != fault.ServiceUnavailable || errors.As(err, new(*auth.Problem)) {
			t.Errorf("got %v", err)
		}
	}
	if len(cookies.List()) != 0 {
		t.Errorf("set %+v", cookies.List())
	}
}
