package auth_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
)

// try signs in and tells what came of it: in, wrong, or wait with how long.
func (h house) try(t *testing.T, s *auth.Sessions, email, password string) (what string, wait time.Duration) {
	t.Helper()
	_, err := s.SignIn(t.Context(), auth.SignIn{Email: email, Password: password})
	var problem *auth.Problem
	switch f, refused := fault.As(err); {
	case err == nil:
		return "in", 0
	case errors.As(err, &problem) && problem.Code == "INVALID_EMAIL_OR_PASSWORD":
		return "wrong", 0
	case refused && f.Code == fault.RateLimited && f.Message == "Too many wrong passwords; try again later":
		return "wait", f.RetryAfter
	}
	t.Fatalf("got %v", err)
	return "", 0
}

func TestSignIn_FiveWrongPasswordsAreFreeAndThenTheWaitDoublesToFifteenMinutes(t *testing.T) {
	h := newHouse(t)
	h.signUp(t)
	for _, email := range []string{"ada@example.test", "nobody@example.test"} { // whoever has the address or not
		for range 5 {
			if got, _ := h.try(t, h.Sessions, email, "wrong horse 1"); got != "wrong" {
				t.Fatalf("%s: a free one: %s", email, got)
			}
		}
		for _, seconds := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900} {
			pause := time.Duration(seconds) * time.Second
			if got, wait := h.try(t, h.Sessions, email, "correct horse 1"); got != "wait" || wait != pause {
				t.Fatalf("%s: right away: %s %v, want to wait %v", email, got, wait, pause)
			}
			h.clock.Add(pause - time.Millisecond)
			if got, _ := h.try(t, h.Sessions, email, "wrong horse 1"); got != "wait" {
				t.Fatalf("%s: a moment before %v: %s", email, pause, got)
			}
			h.clock.Add(time.Millisecond)
			if got, _ := h.try(t, h.Sessions, email, "wrong horse 1"); got != "wrong" {
				t.Fatalf("%s: after %v: %s", email, pause, got)
			}
		}
	}
}

func TestSignIn_RightPasswordAndADayOfPeaceForgetTheWrongOnes(t *testing.T) {
	h := newHouse(t)
	h.signUp(t)
	fail := func(times int) {
		for range times {
			if got, _ := h.try(t, h.Sessions, "ada@example.test", "wrong horse 1"); got != "wrong" {
				t.Fatal(got)
			}
		}
	}
	fail(4)
	if got, _ := h.try(t, h.Sessions, "ada@example.test", "correct horse 1"); got != "in" {
		t.Fatal(got)
	}
	fail(5)
	h.clock.Add(24*time.Hour + time.Millisecond)
	fail(5)
	if n := scan[int](t, h.pool, "select count(*) from sign_in_failures"); n != 1 {
		t.Errorf("%d accounts are remembered", n)
	}
	if got, _ := h.try(t, h.Sessions, "nobody@example.test", "wrong horse 1"); got != "wrong" {
		t.Fatal(got)
	}
	h.clock.Add(24*time.Hour + time.Millisecond)
	if got, _ := h.try(t, h.Sessions, "eve@example.test", "wrong horse 1"); got != "wrong" {
		t.Fatal(got)
	}
	if n := scan[int](t, h.pool, "select count(*) from sign_in_failures"); n != 1 {
		t.Errorf("%d accounts are remembered a day later", n)
	}
	if text := scan[string](t, h.pool, "select string_agg(f::text, ' ') from sign_in_failures f"); strings.Contains(text, "eve") || strings.Contains(text, "example") {
		t.Errorf("stored as %s", text)
	}
}

// Two processes, and one that was started anew, count together; tries that come at the same moment are counted, too.
func TestSignIn_WrongPasswordsAreCountedForAllProcessesAtOnce(t *testing.T) {
	h := newHouse(t)
	h.signUp(t)
	nodes := []*auth.Sessions{h.Sessions, h.sessions(t, auth.SessionConfig{Secrets: []string{testSecret}})}
	var all sync.WaitGroup
	var mu sync.Mutex
	got := map[string]int{}
	for i := range 20 {
		all.Go(func() {
			what, _ := h.try(t, nodes[i%2], "ada@example.test", "wrong horse 1")
			mu.Lock()
			defer mu.Unlock()
			got[what]++
		})
	}
	all.Wait()
	if got["wrong"] != 5 || got["wait"] != 15 {
		t.Errorf("of 20 at once: %v", got)
	}
	restarted := h.sessions(t, auth.SessionConfig{Secrets: []string{testSecret}})
	if what, _ := h.try(t, restarted, "ada@example.test", "correct horse 1"); what != "wait" {
		t.Errorf("after a restart: %s", what)
	}
}

func TestSignIn_OwnerWhoHasToWaitGetsInByAReset(t *testing.T) {
	h := newHouse(t)
	h.signUp(t)
	for range 5 {
		h.try(t, h.Sessions, "ada@example.test", "wrong horse 1")
	}
	if err := h.RequestReset(t.Context(), auth.Caller{}, "ada@example.test", ""); err != nil {
		t.Fatal(err)
	}
	token := scan[string](t, h.pool, `select replace("identifier", 'reset-password:', '') from "verification"`)
	if err := h.ResetPassword(t.Context(), auth.Caller{}, token, "another horse 2"); err != nil {
		t.Fatal(err)
	}
	if got, _ := h.try(t, h.Sessions, "ada@example.test", "another horse 2"); got != "in" {
		t.Errorf("after the reset: %s", got)
	}
}

func TestChangePassword_GuessesOfAStolenSessionCountLikeThoseAtTheDoor(t *testing.T) {
	h := newHouse(t)
	in := h.signUp(t)
	caller := auth.Caller{SessionCookie: auth.SignCookie(in.Token, testSecret)}
	for i := range 5 {
		var err error
		if i%2 == 0 {
			_, err = h.ChangePassword(t.Context(), auth.PasswordChange{Current: "wrong horse 1", New: "another horse 2", Caller: caller})
		} else {
			err = h.DeleteUser(t.Context(), auth.Deletion{Password: "wrong horse 1", Caller: caller})
		}
		wantProblem(t, err, 400, "INVALID_PASSWORD", "Invalid password")
	}
	_, err := h.ChangePassword(t.Context(), auth.PasswordChange{Current: "correct horse 1", New: "another horse 2", Caller: caller})
	wantFault(t, err, fault.RateLimited, "Too many wrong passwords; try again later")
	if got, _ := h.try(t, h.Sessions, "ada@example.test", "correct horse 1"); got != "wait" {
		t.Errorf("at the door: %s", got)
	}
}
