package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/apitest"
)

func (s *stage) signIn(t testing.TB, email, password string) answer {
	t.Helper()
	return s.do(t, post(signInPath, fmt.Sprintf(`{"email":%q,"password":%q}`, email, password), nil))
}

func (s *stage) changePassword(t testing.TB, cookie, more string) answer {
	t.Helper()
	return s.do(t, post(authPath+"change-password", `{"currentPassword":"correct horse 1","newPassword":"another horse 2"`+more+`}`, s.withPage(cookie)))
}

func TestUser_PasswordChangeGivesANewSessionAndKillsTheOldOne(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	for _, tt := range []struct {
		more        string
		othersAlive bool
		ended       int
	}{{"", false, 1}, {`,"revokeOtherSessions":true`, false, 1}, {`,"revokeOtherSessions":false`, true, 0}} {
		bob := s.newStranger(t)
		other := s.newSession(t, bob.UserID, time.Now().Add(time.Hour))
		a := s.changePassword(t, bob.Cookie, tt.more)
		changed := object(t, a)
		cookie := s.sessionCookie(t, a, "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax")
		if cookie == bob.Cookie || changed["token"] != token(cookie) || changed["user"].(map[string]any)["id"] != bob.UserID {
			t.Errorf("%s: answered %v, cookie %s", tt.more, changed, cookie)
		}
		if s.signedIn(t, bob.Cookie) || !s.signedIn(t, cookie) || s.signedIn(t, other) != tt.othersAlive {
			t.Errorf("%s: not the sessions that should live", tt.more)
		}
		if s.signIn(t, bob.Email, "correct horse 1").status != http.StatusUnauthorized || s.signIn(t, bob.Email, "another horse 2").status != http.StatusOK {
			t.Errorf("%s: the old password opens, or the new one does not", tt.more)
		}
		acts := s.acts(t, bob.UserID)
		if want := fmt.Sprintf(`account.change_password %s {"ended": %d,`, bob.UserID, tt.ended); len(acts) != 2 || !strings.HasPrefix(acts[1], want) {
			t.Errorf("%s: the log says %v", tt.more, acts)
		}
	}
}

func TestUser_PasswordChangeIsRefusedInBetterAuthsWords(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	bob := s.newStranger(t)
	s.exec(t, `update "session" set "expiresAt" = now() + interval '7 days'`)
	before := s.stored(t)
	long := strings.Repeat("p", 129)
	for body, want := range map[string]verdict{
		`{"currentPassword":"correct horse 1","newPassword":"1234567"}`:      shortPassword,
		`{"currentPassword":"correct horse 1","newPassword":"` + long + `"}`: {400, "PASSWORD_TOO_LONG", "Password too long"},
		`{"currentPassword":"` + long + `","newPassword":"another horse 2"}`: {400, "PASSWORD_TOO_LONG", "Password too long"},
		`{"currentPassword":"Correct horse 1","newPassword":"another one"}`:  {400, "INVALID_PASSWORD", "Invalid password"},
	} {
		problem(t, s.do(t, post(authPath+"change-password", body, s.withPage(bob.Cookie))), want)
	}
	noPassword := verdict{400, "CREDENTIAL_ACCOUNT_NOT_FOUND", "Credential account not found"}
	problem(t, s.changePassword(t, s.ada.Cookie, ""), noPassword)
	problem(t, s.do(t, post(authPath+"delete-user", `{"password":"correct horse 1"}`, s.withPage(s.ada.Cookie))), noPassword)
	problem(t, s.do(t, post(authPath+"delete-user", `{"password":"`+long+`"}`, s.withPage(bob.Cookie))), verdict{400, "PASSWORD_TOO_LONG", "Password too long"})
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}

// resetToken gives the token of the only reset under way.
func (s *stage) resetToken(t testing.TB) string {
	t.Helper()
	return one[string](t, s.Pool, `select replace("identifier", 'reset-password:', '') from "verification" where "value" <> '' order by "createdAt" desc limit 1`)
}

func (s *stage) askForReset(t testing.TB, email string) answer {
	t.Helper()
	return s.do(t, post(authPath+"request-password-reset", fmt.Sprintf(`{"email":%q,"redirectTo":"/reset?a=b#c"}`, email), nil))
}

func TestUser_ResetLetsTheOwnerInAndEverybodyElseOut(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	bob := s.newStranger(t)
	asked := object(t, s.askForReset(t, strings.ToUpper(bob.Email)))
	if asked["status"] != true || asked["message"] != "If this email exists in our system, check your email for the reset link" {
		t.Errorf("asking: %v", asked)
	}
	link := s.resetToken(t)
	if row := one[string](t, s.Pool, `select "value" || ' ' || round(extract(epoch from "expiresAt" - "createdAt")) || ' ' || length(replace("identifier", 'reset-password:', ''))
		from "verification"`); row != bob.UserID+" 3600 24" {
		t.Errorf("stored as %s", row)
	}
	open := func(token, page string) answer {
		return s.do(t, get(authPath+"reset-password/"+token+"?callbackURL="+url.QueryEscape(page), nil))
	}
	if a := open(link, "/reset?a=b#c"); a.status != http.StatusFound || a.header.Get("Location") != s.URL+"/reset?a=b&token="+link+"#c" {
		t.Errorf("the link: %d %v", a.status, a.header)
	}
	if a := open("nobodys", s.URL+"/reset"); a.status != http.StatusFound || a.header.Get("Location") != s.URL+"/reset?error=INVALID_TOKEN" {
		t.Errorf("another link: %d %v", a.status, a.header)
	}
	set := func(body, query string) answer { return s.do(t, post(authPath+"reset-password"+query, body, nil)) }
	good := fmt.Sprintf(`{"newPassword":"another horse 2","token":%q}`, link)
	badToken := verdict{400, "INVALID_TOKEN", "Invalid token"}
	problem(t, set(`{"newPassword":"another horse 2"}`, ""), badToken)
	problem(t, set(`{"newPassword":"another horse 2","token":"nobodys"}`, ""), badToken)
	problem(t, set(`{"newPassword":"1234567","token":"`+link+`"}`, ""), shortPassword)
	problem(t, set(`{"newPassword":"`+strings.Repeat("p", 129)+`","token":"`+link+`"}`, ""), verdict{400, "PASSWORD_TOO_LONG", "Password too long"})
	if !s.signedIn(t, bob.Cookie) {
		t.Error("asking for a reset ended a session")
	}
	if a := set(good, ""); strings.TrimSpace(string(a.body)) != `{"status":true}` {
		t.Errorf("reset: %d %s", a.status, a.body)
	}
	problem(t, set(good, ""), badToken) // once
	if s.signedIn(t, bob.Cookie) || s.signIn(t, bob.Email, "another horse 2").status != http.StatusOK || s.signIn(t, bob.Email, "correct horse 1").status == http.StatusOK {
		t.Error("an old session or the old password is good, or the new one is not")
	}
	acts := strings.Join(s.acts(t, bob.UserID), "\n")
	if !strings.Contains(acts, "account.reset_password "+bob.UserID+` {"ended": 1}`) || !strings.Contains(acts, "account.request_password_reset "+bob.UserID+" {}") ||
		strings.Contains(acts, link) {
		t.Errorf("the log says %s", acts)
	}
}

func TestUser_ResetOfOneWithoutAPasswordGivesHimOne(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	s.askForReset(t, s.ada.Email)
	a := s.do(t, post(authPath+"reset-password?token="+s.resetToken(t), `{"newPassword":"another horse 2"}`, nil))
	if a.status != http.StatusOK || s.signIn(t, s.ada.Email, "another horse 2").status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestUser_ResetThatRanOutIsNoGood(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	s.askForReset(t, s.ada.Email)
	s.exec(t, `update "verification" set "expiresAt" = now() - interval '1 second'`)
	link := s.resetToken(t)
	if a := s.do(t, get(authPath+"reset-password/"+link+"?callbackURL=/", nil)); !strings.HasSuffix(a.header.Get("Location"), "/?error=INVALID_TOKEN") {
		t.Errorf("the link: %d %v", a.status, a.header)
	}
	problem(t, s.do(t, post(authPath+"reset-password", `{"newPassword":"another horse 2","token":"`+link+`"}`, nil)), verdict{400, "INVALID_TOKEN", "Invalid token"})
}

func TestUser_AskingForAResetDoesNotTellWhoIsACustomer(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	known, unknown := s.askForReset(t, s.ada.Email), s.askForReset(t, "nobody@example.com")
	if known.status != unknown.status || string(known.body) != string(unknown.body) {
		t.Errorf("known: %d %s, unknown: %d %s", known.status, known.body, unknown.status, unknown.body)
	}
	nobodys := one[string](t, s.Pool, `select replace("identifier", 'reset-password:', '') from "verification" where "value" = ''`)
	problem(t, s.do(t, post(authPath+"reset-password", `{"newPassword":"another horse 2","token":"`+nobodys+`"}`, nil)), verdict{400, "INVALID_TOKEN", "Invalid token"})
}

// A browser may be sent on to pages of ours and of trusted origins only: RFC 6749, section 10.15 tells why.
func TestUser_NoLinkLeadsToAPageThatIsNotTrusted(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	bob := s.newStranger(t)
	before := s.stored(t)
	for _, page := range []string{
		"https://elsewhere.example/", "//elsewhere.example", `/\elsewhere.example`, "/%5Celsewhere.example", "/%2F/elsewhere.example", "javascript:alert(1)",
		s.URL + ".elsewhere.example/", strings.Replace(s.URL, "://", "://ada@", 1), "elsewhere", "/a\tb", "http:/elsewhere.example", "\x01/",
	} {
		quoted := fmt.Sprintf("%q", page)
		if strings.Contains(page, "\x01") {
			quoted = `"\u0001/"`
		}
		badCallback := verdict{403, "INVALID_CALLBACK_URL", "Invalid callbackURL"}
		link := "callbackURL=" + url.QueryEscape(page)
		problem(t, s.do(t, get(authPath+"reset-password/x?"+link, nil)), badCallback)
		problem(t, s.do(t, get(authPath+"verify-email?token=x&"+link, nil)), badCallback)
		problem(t, s.do(t, post(authPath+"request-password-reset", `{"email":"a@b.co","redirectTo":`+quoted+`}`, nil)), verdict{403, "INVALID_REDIRECT_URL", "Invalid redirectURL"})
		problem(t, s.do(t, post(authPath+"send-verification-email", `{"email":"a@b.co","callbackURL":`+quoted+`}`, nil)), badCallback)
		problem(t, s.do(t, post(signUpPath, `{"name":"A","email":"a@b.co","password":"correct horse 1","callbackURL":`+quoted+`}`, nil)), badCallback)
		problem(t, s.do(t, post(authPath+"change-email", `{"newEmail":"a@b.co","callbackURL":`+quoted+`}`, s.withPage(bob.Cookie))), badCallback)
		problem(t, s.do(t, post(authPath+"delete-user", `{"callbackURL":`+quoted+`}`, s.withPage(bob.Cookie))), badCallback)
	}
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}
