package handlers_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
)

func TestGetMe_TellsAKeyWhatItIsAndWhatRemains(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	keyID, key := s.limited(t, "live", everyLimit)
	for range 3 {
		if a := s.do(t, post("/v1/generate", prompt, withKey(key))); a.status != http.StatusAccepted {
			t.Fatalf("generate: %d %s", a.status, a.body)
		}
	}
	me := data[apiclient.Me](t, s.do(t, get("/v1/me", withKey(key))))
	if me.KeyID != keyID || me.Name != "limited" || me.Environment != "live" || len(me.Scopes) != 4 {
		t.Errorf("me is %+v", me)
	}
	got := map[string]string{
		"spend": me.Remaining.Spend.Remaining, "running": me.Remaining.RunningTasks.Remaining, "day": me.Remaining.RequestsPerDay.Remaining,
		"held": me.Balance.Held, "per second": me.Limits.TimeZone,
	}
	want := map[string]string{"spend": "$25.4700", "running": "6", "day": "99996", "held": "$0.0300", "per second": "Europe/Vienna"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+)\n%s", diff)
	}
	if me.Remaining.Spend.ResetsAt == nil || me.Remaining.RequestsPerDay.ResetsAt == nil || me.Remaining.RunningTasks.ResetsAt != nil {
		t.Errorf("resets: %+v", me.Remaining)
	}
}

func TestGetMe_OfATestKeyHasNoBalance(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	me := data[apiclient.Me](t, s.do(t, get("/v1/me", withKey(s.ada.TestKey))))
	if me.Balance != nil || me.Environment != "test" || me.KeyID != s.ada.TestID || me.Remaining != (apiclient.RemainingLimits{}) {
		t.Errorf("me is %+v", me)
	}
}

func TestTasks_EnvironmentsNeverMix(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	live := s.Generate(t, s.ada.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"}).ID
	test := s.Generate(t, s.ada.TestKey, apiclient.GenerateRequest{Prompt: "a fox"}).ID
	session := s.withCookie(s.ada.Cookie)
	for _, tt := range []struct {
		name, query string
		header      http.Header
		sees        string
	}{
		{"live key", "", withKey(s.ada.LiveKey), live},
		{"live key, live", "?environment=live", withKey(s.ada.LiveKey), live},
		{"test key", "", withKey(s.ada.TestKey), test},
		{"test key, test", "?environment=test", withKey(s.ada.TestKey), test},
		{"session", "", session, live},
		{"session, live", "?environment=live", session, live},
		{"session, test", "?environment=test", session, test},
	} {
		page := data[list](t, s.do(t, get("/v1/tasks"+tt.query, tt.header)))
		if diff := cmp.Diff([]string{tt.sees}, page.ids()); diff != "" {
			t.Errorf("%s lists: want (-), got (+)\n%s", tt.name, diff)
		}
		for _, id := range []string{live, test} {
			want := http.StatusNotFound
			if id == tt.sees {
				want = http.StatusOK
			}
			if a := s.do(t, get("/v1/tasks/"+id+tt.query, tt.header)); a.status != want {
				t.Errorf("%s asks for %s: %d %s", tt.name, id, a.status, a.body)
			}
		}
	}
	for _, path := range []string{"/v1/tasks", "/v1/tasks/" + live} {
		expect(t, s.do(t, get(path+"?environment=live", withKey(s.ada.TestKey))), http.StatusBadRequest, "BAD_REQUEST", "request is malformed")
		expect(t, s.do(t, get(path+"?environment=test", withKey(s.ada.LiveKey))), http.StatusBadRequest, "BAD_REQUEST", "request is malformed")
	}
}
