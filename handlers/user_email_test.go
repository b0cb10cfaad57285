package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/apitest"
)

// emailToken gives a token about an address that is good for an hour.
func emailToken(claims map[string]any) string {
	full := map[string]any{"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	for name, value := range claims {
		full[name] = value
	}
	return apitest.SignToken(full)
}

func (s *stage) verify(t testing.TB, token, query string, header http.Header) answer {
	t.Helper()
	return s.do(t, get(authPath+"verify-email?token="+token+query, header))
}

func (s *stage) email(t testing.TB, userID string) string {
	t.Helper()
	return one[string](t, s.Pool, `select "email" || ' ' || "emailVerified" from "user" where "id" = $1`, userID)
}

func TestUser_LinkVerifiesTheAddressOnceAndForAll(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	good := emailToken(map[string]any{"email": s.ada.Email, "userId": s.ada.UserID})
	for range 2 {
		if a := s.verify(t, good, "", nil); strings.TrimSpace(string(a.body)) != `{"status":true,"user":null}` {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if got := s.email(t, s.ada.UserID); got != s.ada.Email+" true" {
		t.Errorf("the user is %s", got)
	}
	if got := s.acts(t, s.ada.UserID); len(got) != 1 || got[0] != "account.verify_email "+s.ada.UserID+` {"after": true, "before": false}` {
		t.Errorf("the log says %v", got)
	}
	if a := s.verify(t, good, "&callbackURL=/welcome", nil); a.status != http.StatusFound || a.header.Get("Location") != "/welcome" {
		t.Errorf("%d %v", a.status, a.header)
	}
}

func TestUser_LinkThatIsNotGoodIsRefusedOrTellsThePage(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	bob := s.newAccount(t)
	change := map[string]any{"email": s.ada.Email, "updateTo": "new@example.com", "requestType": "change-email-verification"}
	with := func(name string, value any) string {
		claims := map[string]any{"userId": s.ada.UserID}
		for k, v := range change {
			claims[k] = v
		}
		claims[name] = value
		return emailToken(claims)
	}
	unsigned := strings.Join([]string{"eyJhbGciOiJub25lIn0", strings.Split(with("x", 1), ".")[1], ""}, ".")
	for name, tt := range map[string]struct{ token, code, message string }{
		"nonsense":              {"x", "INVALID_TOKEN", "Invalid token"},
		"signed by nobody":      {with("x", 1) + "x", "INVALID_TOKEN", "Invalid token"},
		"not signed at all":     {unsigned, "INVALID_TOKEN", "Invalid token"},
		"run out":               {with("exp", time.Now().Add(-time.Second).Unix()), "TOKEN_EXPIRED", "Token expired"},
		"of nobody":             {emailToken(map[string]any{"email": "nobody@example.com"}), "USER_NOT_FOUND", "User not found"},
		"change of nobody":      {with("userId", "usr_nobody"), "USER_NOT_FOUND", "User not found"},
		"change without a user": {with("userId", ""), "INVALID_TOKEN", "Invalid token"},
		"of another user":       {emailToken(map[string]any{"email": s.ada.Email, "userId": bob.UserID}), "INVALID_TOKEN", "Invalid token"},
		"of the address before": {with("email", "before@example.com"), "INVALID_TOKEN", "Invalid token"},
		"to a taken address":    {with("updateTo", bob.Email), "INVALID_TOKEN", "Invalid token"},
		"to no address":         {with("updateTo", "nobody"), "INVALID_TOKEN", "Invalid token"},
		"without an address":    {emailToken(nil), "INVALID_TOKEN", "Invalid token"},
	} {
		problem(t, s.verify(t, tt.token, "", nil), verdict{401, tt.code, tt.message})
		a := s.verify(t, tt.token, "&callbackURL=/page%3Fa%3Db%23c", nil)
		if a.status != http.StatusFound || a.header.Get("Location") != "/page?a=b&error="+tt.code+"#c" {
			t.Errorf("%s: %d %v", name, a.status, a.header)
		}
	}
	problem(t, s.verify(t, with("x", 1), "", s.withCookie(bob.Cookie)), verdict{401, "INVALID_USER", "Invalid user"})
	if got := s.email(t, s.ada.UserID); got != s.ada.Email+" false" {
		t.Errorf("the user is %s", got)
	}
}

func TestUser_ChangeOfAddressAsksTheNewOneAndAVerifiedOldOneFirst(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	ask := func(cookie, email string) answer {
		return s.do(t, post(authPath+"change-email", fmt.Sprintf(`{"newEmail":%q,"callbackURL":"/"}`, email), s.withPage(cookie)))
	}
	free, taken := ask(s.ada.Cookie, "Fresh@Example.com"), ask(s.ada.Cookie, s.newAccount(t).Email)
	if free.status != http.StatusOK || string(free.body) != string(taken.body) || strings.TrimSpace(string(free.body)) != `{"status":true}` {
		t.Errorf("free: %d %s, taken: %d %s", free.status, free.body, taken.status, taken.body)
	}
	if got := s.email(t, s.ada.UserID); got != s.ada.Email+" false" {
		t.Errorf("the user is %s before anybody agreed", got)
	}
	problem(t, ask(s.newSession(t, s.ada.UserID, time.Now().Add(7*24*time.Hour)), "nobody"), verdict{400, "VALIDATION_ERROR", "[body.newEmail] Invalid email address"})
	claims := map[string]any{"email": s.ada.Email, "updateTo": "fresh@example.com", "requestType": "change-email-confirmation", "userId": s.ada.UserID}
	if a := s.verify(t, emailToken(claims), "", nil); strings.TrimSpace(string(a.body)) != `{"status":true}` {
		t.Errorf("agreeing: %d %s", a.status, a.body)
	}
	claims["requestType"] = "change-email-verification"
	changed := object(t, s.verify(t, emailToken(claims), "", s.withCookie(s.ada.Cookie)))
	if user := changed["user"].(map[string]any); user["email"] != "fresh@example.com" || user["id"] != s.ada.UserID {
		t.Errorf("changed: %v", changed)
	}
	problem(t, s.verify(t, emailToken(claims), "", nil), verdict{401, "INVALID_TOKEN", "Invalid token"}) // once
	acts := s.acts(t, s.ada.UserID)
	if want := `account.change_email ` + s.ada.UserID + ` {"after": "fresh@example.com", "before": "` + s.ada.Email + `"}`; acts[0] != want {
		t.Errorf("the log says %v", acts)
	}
	if len(acts) != 3 || !strings.HasPrefix(acts[1], "account.request_email_change "+s.ada.UserID) {
		t.Errorf("the log says %v", acts)
	}
}

func TestUser_AskingForAVerificationTellsOnlyTheUserHimself(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	ask := func(email string, header http.Header) answer {
		return s.do(t, post(authPath+"send-verification-email", fmt.Sprintf(`{"email":%q}`, email), header))
	}
	verified := s.newAccount(t)
	s.exec(t, `update "user" set "emailVerified" = true where "id" = $1`, verified.UserID)
	for _, email := range []string{s.ada.Email, verified.Email, "nobody@example.com"} {
		if a := ask(email, nil); strings.TrimSpace(string(a.body)) != `{"status":true}` || a.status != http.StatusOK {
			t.Errorf("%s: %d %s", email, a.status, a.body)
		}
	}
	s.exec(t, `update "session" set "expiresAt" = now() + interval '7 days'`)
	if a := ask(strings.ToUpper(s.ada.Email), s.withPage(s.ada.Cookie)); a.status != http.StatusOK {
		t.Errorf("her own: %d %s", a.status, a.body)
	}
	problem(t, ask(verified.Email, s.withPage(s.ada.Cookie)), verdict{400, "EMAIL_MISMATCH", "Email mismatch"})
	problem(t, ask(verified.Email, s.withPage(verified.Cookie)), verdict{400, "EMAIL_ALREADY_VERIFIED", "Email is already verified"})
	if got := s.acts(t, s.ada.UserID); len(got) != 2 || got[0] != "account.request_verification "+s.ada.UserID+" {}" {
		t.Errorf("the log says %v", got)
	}
}
