package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
)

const day = 24 * time.Hour

func TestNewSessions_RefusesASecretThatProtectsNothing(t *testing.T) {
	for name, secrets := range map[string][]string{
		"none":           nil,
		"empty":          {""},
		"short":          {strings.Repeat("x", 31)},
		"public":         {"better-auth-secret-12345678901234567890"},
		"second empty":   {testSecret, ""},
		"second public":  {testSecret, "better-auth-secret-12345678901234567890"},
		"second too few": {testSecret, "x"},
	} {
		_, err := auth.NewSessions(auth.SessionConfig{Clock: time.Now, Logger: quiet, Secrets: secrets})
		if err == nil {
			t.Errorf("%s was accepted", name)
		}
		for _, secret := range secrets {
			if len(secret) > 1 && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error repeats the secret", name)
			}
		}
	}
}

func TestSessions_NameCookiesAsBetterAuthDoes(t *testing.T) {
	for _, tt := range []struct {
		config                auth.SessionConfig
		session, dontRemember string
	}{
		{auth.SessionConfig{}, "better-auth.session_token", "better-auth.dont_remember"},
		{auth.SessionConfig{Secure: true}, "__Secure-better-auth.session_token", "__Secure-better-auth.dont_remember"},
		{auth.SessionConfig{CookiePrefix: "dash"}, "dash.session_token", "dash.dont_remember"},
	} {
		tt.config.Secrets = []string{testSecret}
		s, err := auth.NewSessions(tt.config)
		if err != nil {
			t.Fatal(err)
		}
		if s.CookieName() != tt.session || s.DontRememberName() != tt.dontRemember {
			t.Errorf("got %s and %s", s.CookieName(), s.DontRememberName())
		}
	}
}

func TestGet_MovesTheEndWhenBetterAuthDoes(t *testing.T) {
	h := newHouse(t)
	addUser(t, h.pool, "usr_a")
	for i, tt := range []struct {
		name    string
		left    time.Duration
		caller  auth.Caller
		moved   bool
		cookies int
	}{
		{"6 d + 1 min left", 6*day + time.Minute, auth.Caller{}, false, 0},
		{"6 d + 1 ms left", 6*day + time.Millisecond, auth.Caller{}, false, 0},
		{"6 d left", 6 * day, auth.Caller{}, true, 1},
		{"6 d - 1 min left", 6*day - time.Minute, auth.Caller{}, true, 1},
		{"1 h left", time.Hour, auth.Caller{}, true, 1},
		{"this very millisecond left", 0, auth.Caller{}, true, 1},
		{"1 h left, refresh disabled", time.Hour, auth.Caller{DisableRefresh: true}, false, 0},
		{"1 h left, to be forgotten", time.Hour, auth.Caller{DontRemember: true}, false, 0},
		{"to be forgotten, but the mark was dropped", 24 * time.Hour, auth.Caller{}, true, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token := strings.Repeat(string(rune('A'+i)), 32)
			tt.caller.SessionCookie = h.addSession(t, "usr_a", token, tt.left).SessionCookie
			current, cookies := h.get(t, tt.caller)
			if current == nil || len(cookies) != tt.cookies {
				t.Fatalf("got %+v, cookies %+v", current, cookies)
			}
			now := h.clock.Now()
			want := now.Add(tt.left)
			if tt.moved {
				want = now.Add(7 * day)
				cookie := auth.Cookie{Name: "better-auth.session_token", Value: auth.SignCookie(token, testSecret), MaxAgeSeconds: ptr(604800)}
				if diff := cmp.Diff([]auth.Cookie{cookie}, cookies); diff != "" {
					t.Error(diff)
				}
				if !current.Session.UpdatedAt.Equal(now) {
					t.Errorf("updated at %v", current.Session.UpdatedAt)
				}
			}
			if stored := h.end(t, token); !stored.Equal(want) || !current.Session.ExpiresAt.Equal(want) {
				t.Errorf("ends at %v, told %v, want %v", stored, current.Session.ExpiresAt, want)
			}
			if current.Session.Token != token || current.User.ID != "usr_a" {
				t.Errorf("got %+v", current)
			}
		})
	}
}

func TestGet_ClearsTheCookiesOfASessionThatEnded(t *testing.T) {
	h := newHouse(t)
	addUser(t, h.pool, "usr_a")
	expired := h.addSession(t, "usr_a", strings.Repeat("E", 32), -time.Millisecond)
	missing := auth.Caller{SessionCookie: auth.SignCookie(strings.Repeat("M", 32), testSecret)}
	for _, caller := range []auth.Caller{expired, missing} {
		current, cookies := h.get(t, caller)
		if current != nil {
			t.Errorf("got %+v", current)
		}
		wantClears(t, cookies)
	}
	if got := scan[int](t, h.pool, `select count(*) from "session"`); got != 0 {
		t.Errorf("%d sessions are left", got)
	}
}

func TestGet_LeavesACookieAloneThatWasNeverOurs(t *testing.T) {
	h := newHouse(t)
	for _, cookie := range []string{"", "nonsense", strings.Repeat("A", 32), auth.SignCookie(strings.Repeat("A", 32), testSecret+"x")} {
		if current, cookies := h.get(t, auth.Caller{SessionCookie: cookie}); current != nil || len(cookies) != 0 {
			t.Errorf("%q: got %+v, cookies %+v", cookie, current, cookies)
		}
	}
}

func TestAuthenticateSession_WritesNothing(t *testing.T) {
	h := newHouse(t)
	addUser(t, h.pool, "usr_a")
	caller := h.addSession(t, "usr_a", strings.Repeat("A", 32), time.Hour)
	expired := h.addSession(t, "usr_a", strings.Repeat("E", 32), -time.Millisecond)
	const rows = `select string_agg(s.xmin::text || s::text, ';' order by s."id") from "session" s`
	before := scan[string](t, h.pool, rows)
	ctx, cookies := withCookies(t)
	want := auth.Principal{Kind: auth.KindSession, UserID: "usr_a", Environment: "live", Role: "user", SessionID: "id-" + strings.Repeat("A", 32)}
	got, err := h.Authenticate(ctx, caller.SessionCookie)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
	for _, cookie := range []string{expired.SessionCookie, auth.SignCookie("unknown", testSecret), "", strings.Repeat("A", 32), caller.SessionCookie + "x"} {
		_, err := h.Authenticate(ctx, cookie)
		wantFault(t, err, fault.Unauthorized, "Your session is invalid or has expired; sign in again")
	}
	if after := scan[string](t, h.pool, rows); after != before || len(cookies.List()) != 0 {
		t.Errorf("it wrote: %s, cookies %+v", after, cookies.List())
	}
}

func TestAuthenticateSession_LivesToTheMillisecond(t *testing.T) {
	h := newHouse(t)
	addUser(t, h.pool, "usr_a")
	caller := h.addSession(t, "usr_a", strings.Repeat("A", 32), time.Hour)
	h.clock.Add(time.Hour)
	if _, err := h.Authenticate(t.Context(), caller.SessionCookie); err != nil {
		t.Fatal(err)
	}
	h.clock.Add(time.Millisecond)
	if _, err := h.Authenticate(t.Context(), caller.SessionCookie); fault.CodeOf(err) != fault.Unauthorized {
		t.Fatalf("got %v", err)
	}
}

func TestAuthenticateSession_ImpersonationIsTold(t *testing.T) {
	h := newHouse(t)
	addUser(t, h.pool, "usr_a")
	token := strings.Repeat("A", 32)
	caller := h.addSession(t, "usr_a", token, time.Hour)
	exec(t, h.pool, `update "session" set "impersonatedBy" = 'usr_admin'`)
	p, err := h.Authenticate(t.Context(), caller.SessionCookie)
	if err != nil || !p.Impersonated || p.UserID != "usr_a" {
		t.Fatal(err, p)
	}
	end := h.end(t, token)
	if current, cookies := h.get(t, caller); current == nil || len(cookies) != 0 || !h.end(t, token).Equal(end) {
		t.Error("an impersonation was extended")
	}
}

func TestSessions_AnOldSecretStillVerifiesAndTheFirstSigns(t *testing.T) {
	h := newHouse(t)
	addUser(t, h.pool, "usr_a")
	token := strings.Repeat("A", 32)
	caller := h.addSession(t, "usr_a", token, time.Hour)
	next := strings.Repeat("n", 32)
	rotated := h.sessions(t, auth.SessionConfig{Secrets: []string{next, testSecret}, Secure: true})
	if _, err := rotated.Authenticate(t.Context(), caller.SessionCookie); err != nil {
		t.Fatal(err)
	}
	ctx, cookies := withCookies(t)
	if _, err := rotated.Get(ctx, caller); err != nil {
		t.Fatal(err)
	}
	want := []auth.Cookie{{Name: "__Secure-better-auth.session_token", Value: auth.SignCookie(token, next), MaxAgeSeconds: ptr(604800), Secure: true}}
	if diff := cmp.Diff(want, cookies.List()); diff != "" {
		t.Error(diff)
	}
	alone := h.sessions(t, auth.SessionConfig{Secrets: []string{next}})
	if _, err := alone.Authenticate(t.Context(), caller.SessionCookie); fault.CodeOf(err) != fault.Unauthorized {
		t.Errorf("got %v", err)
	}
}

func TestSession_LivesAsLongAsTheTimesSay(t *testing.T) {
	h := newHouse(t)
	h.Sessions = h.sessions(t, auth.SessionConfig{
		Secrets: []string{testSecret}, Times: auth.SessionTimes{Lifetime: day, UpdateAge: time.Hour, Most: 2 * day},
	})
	in := h.signUp(t)
	start, caller := h.clock.Now(), auth.Caller{SessionCookie: auth.SignCookie(in.Token, testSecret)}
	ends := func(what string, want time.Duration) {
		t.Helper()
		if got := h.end(t, in.Token).Sub(start); got != want {
			t.Errorf("%s: ends after %v, want %v", what, got, want)
		}
	}
	ends("signed up", day)
	for _, step := range []struct {
		after, ends time.Duration
		cookies     int
	}{
		{time.Hour - time.Millisecond, day, 0}, // too early to note
		{time.Hour, day + time.Hour, 1},
		{day, 2 * day, 1},
		{day + 12*time.Hour, 2 * day, 0}, // as long as may be
	} {
		h.clock.Set(start.Add(step.after))
		current, cookies := h.get(t, caller)
		if current == nil || len(cookies) != step.cookies {
			t.Fatalf("after %v: %+v, cookies %+v", step.after, current, cookies)
		}
		if len(cookies) > 0 && *cookies[0].MaxAgeSeconds != 86400 {
			t.Errorf("after %v: the cookie lives %d s", step.after, *cookies[0].MaxAgeSeconds)
		}
		ends(step.after.String(), step.ends)
	}
	// Another server on this database knows nothing of the bound.
	exec(t, h.pool, `update "session" set "expiresAt" = "expiresAt" + interval '7 days'`)
	h.clock.Set(start.Add(2*day - time.Millisecond))
	if _, err := h.Authenticate(t.Context(), caller.SessionCookie); err != nil {
		t.Error(err)
	}
	h.clock.Set(start.Add(2 * day))
	_, err := h.Authenticate(t.Context(), caller.SessionCookie)
	wantFault(t, err, fault.Unauthorized, "Your session is invalid or has expired; sign in again")
	if current, cookies := h.get(t, caller); current != nil || len(cookies) != 3 {
		t.Errorf("got %+v, cookies %+v", current, cookies)
	}
}
