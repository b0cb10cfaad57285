package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/config"
)

const everyLimit = `{"models":["nanobanana"],"networks":["127.0.0.1","2001:db8::/32"],"requests_per_second":1000,
	"requests_per_day":100000,"running_tasks":9,"spend_cap":{"amount":"$25.5","window":"month"},"time_zone":"Europe/Vienna"}`

// limited makes a key of Ada's with limits, through the contract.
func (s *stage) limited(t *testing.T, environment, limits string) (keyID, secret string) {
	t.Helper()
	a := s.createKey(t, fmt.Sprintf(`{"name":"limited","environment":%q,"limits":%s}`, environment, limits))
	made := data[apiclient.CreatedAPIKey](t, a)
	return made.ID, made.Secret
}

func TestAPIKeys_LimitsAreShownAsTheyWereAskedFor(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	body := `{"name":"x","metadata":{"team":"growth"},"scopes":["tasks:read","generate"],"limits":` + everyLimit + `}`
	made := data[map[string]any](t, s.createKey(t, body))
	want := map[string]any{
		"models": []any{"nanobanana"}, "networks": []any{"127.0.0.1/32", "2001:db8::/32"}, "requests_per_second": 1000.0,
		"requests_per_day": 100000.0, "running_tasks": 9.0, "spend_cap": map[string]any{"amount": "$25.5000", "window": "month"},
		"time_zone": "Europe/Vienna",
	}
	path := "/v1/api-keys/" + made["id"].(string)
	listed := data[struct{ Items []map[string]any }](t, s.do(t, get("/v1/api-keys", s.withCookie(s.ada.Cookie))))
	for name, key := range map[string]map[string]any{
		"made": made, "listed": listed.Items[0],
		"got":     data[map[string]any](t, s.do(t, get(path, s.withCookie(s.ada.Cookie)))),
		"renamed": data[map[string]any](t, s.do(t, patch(path, `{"name":"y"}`, s.withPage(s.ada.Cookie)))),
		"rotated": data[map[string]any](t, s.rotateKey(t, made["id"].(string), `{}`, "")),
		"revoked": data[map[string]any](t, s.do(t, request{method: http.MethodDelete, path: path}.with(s.withPage(s.ada.Cookie)))),
	} {
		got := map[string]any{"limits": key["limits"], "scopes": key["scopes"], "metadata": key["metadata"]}
		expected := map[string]any{"limits": want, "scopes": []any{"tasks:read", "generate"}, "metadata": map[string]any{"team": "growth"}}
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("%s: want (-), got (+)\n%s", name, diff)
		}
	}
}

func TestAPIKeys_LimitsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	for limits, field := range map[string]string{
		`{"networks":["here"]}`: "limits.networks", `{"networks":["127.0.0.1/33"]}`: "limits.networks", `{"networks":["::ffff:127.0.0.1/120"]}`: "limits.networks",
		`{"spend_cap":{"amount":"$0.00","window":"day"}}`: "limits.spend_cap.amount", `{"spend_cap":{"amount":"25","window":"day"}}`: "limits.spend_cap.amount",
		`{"spend_cap":{"amount":"$1","window":"year"}}`: "limits.spend_cap.window", `{"spend_cap":{"amount":"$1"}}`: "limits.spend_cap.window",
		`{"time_zone":"Mars/Olympus"}`: "limits.time_zone", `{"time_zone":"Local"}`: "limits.time_zone", `{"time_zone":"../UTC"}`: "limits.time_zone",
		`{"requests_per_day":0}`: "limits.requests_per_day", `{"running_tasks":0}`: "limits.running_tasks", `{"models":[]}`: "limits.models",
		`{"colour":"red"}`: "limits.colour",
	} {
		for _, a := range []answer{
			s.createKey(t, `{"name":"x","limits":`+limits+`}`),
			s.do(t, patch("/v1/api-keys/"+s.ada.LiveID, `{"limits":`+limits+`}`, s.withPage(s.ada.Cookie))),
		} {
			fields := a.refusal().Fields
			if a.status != http.StatusBadRequest || len(fields) == 0 || !strings.HasPrefix(fields[0].Name, field) {
				t.Errorf("%s: %d %s", limits, a.status, a.body)
			}
		}
	}
}

func TestGate_AKeyDoesOnlyWhatItsScopesName(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	props := s.newProps(t)
	scopes := map[string]string{
		"generate": "generate", "listTasks": "tasks:read", "getTask": "tasks:read", "listUsage": "usage:read", "summarizeUsage": "usage:read", "getMe": "",
	}
	keys := map[string]string{}
	for _, scope := range []string{"generate", "tasks:read", "tasks:cancel", "usage:read"} {
		made := data[apiclient.CreatedAPIKey](t, s.createKey(t, fmt.Sprintf(`{"name":"x","scopes":[%q]}`, scope)))
		keys[scope] = made.Secret
	}
	asked := 0
	for _, op := range operations {
		if op.class != eitherRead && op.class != eitherWrite && op.class != keyRead {
			continue
		}
		needed, known := scopes[op.id]
		if !known {
			t.Errorf("say in this test which scope %s needs", op.id)
		}
		for scope, key := range keys {
			asked++
			a := s.do(t, op.request(props, withKey(key)))
			if needed == "" || needed == scope {
				if a.status != op.want.status {
					t.Errorf("%s with %s: %d %s", op.id, scope, a.status, a.body)
				}
				continue
			}
			expect(t, a, http.StatusForbidden, "FORBIDDEN", "This API key lacks the scope "+needed)
		}
	}
	if asked != len(scopes)*len(keys) {
		t.Errorf("%d questions were asked", asked)
	}
}

func TestGate_AKeyIsUsedOnlyFromItsNetworks(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	_, elsewhere := s.limited(t, "live", `{"networks":["192.0.2.0/24","2001:db8::1"]}`)
	_, here := s.limited(t, "live", `{"networks":["192.0.2.0/24","127.0.0.0/8"]}`)
	expect(t, s.do(t, get("/v1/me", withKey(elsewhere))), http.StatusForbidden, "FORBIDDEN", "This API key may not be used from this address")
	spoofed := withKey(elsewhere)
	spoofed.Set("X-Forwarded-For", "192.0.2.7")
	expect(t, s.do(t, get("/v1/me", spoofed)), http.StatusForbidden, "FORBIDDEN", "This API key may not be used from this address")
	if a := s.do(t, get("/v1/me", withKey(here))); a.status != http.StatusOK {
		t.Errorf("from here: %d %s", a.status, a.body)
	}
}

func TestGenerate_AKeyUsesOnlyItsModels(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	_, key := s.limited(t, "live", `{"models":["nanobanana"]}`)
	a := s.do(t, post("/v1/generate", `{"model":"nanobanana-pro","prompt":"a fox"}`, withKey(key)))
	expect(t, a, http.StatusForbidden, "FORBIDDEN", "This API key may not use this model")
	if a := s.do(t, post("/v1/generate", prompt, withKey(key))); a.status != http.StatusAccepted {
		t.Errorf("its model: %d %s", a.status, a.body)
	}
}

// quotaOf reads which limit a refusal names.
func quotaOf(t *testing.T, a answer) apiclient.Quota {
	t.Helper()
	var envelope struct {
		Error struct{ Quota apiclient.Quota }
	}
	if err := json.Unmarshal(a.body, &envelope); err != nil {
		t.Fatal(err)
	}
	expect(t, a, http.StatusTooManyRequests, "QUOTA_EXCEEDED", "A limit of this API key is used up")
	return envelope.Error.Quota
}

func TestGenerate_ASpendCapIsHeldToAndToldOf(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 3, 28, 0, 30, 0, 0, time.UTC) // the night in which Vienna's clocks go forward
	s := newStage(t, apitest.Options{NoWork: true, Clock: func() time.Time { return now }})
	s.ada.Cookie = s.newSession(t, s.ada.UserID, now.AddDate(1, 0, 0))
	_, key := s.limited(t, "live", `{"spend_cap":{"amount":"$0.025","window":"day"},"time_zone":"Europe/Vienna"}`)
	for _, idempotency := range []http.Header{nil, {"Idempotency-Key": {"one"}}} {
		if a := s.do(t, post("/v1/generate", prompt, withKey(key)).with(idempotency)); a.status != http.StatusAccepted {
			t.Fatalf("within the cap: %d %s", a.status, a.body)
		}
	}
	held := s.balanceOf(t)
	for _, idempotency := range []http.Header{nil, {"Idempotency-Key": {"two"}}, {"Idempotency-Key": {"two"}}} {
		a := s.do(t, post("/v1/generate", prompt, withKey(key)).with(idempotency))
		ends := time.Date(2027, 3, 28, 22, 0, 0, 0, time.UTC) // 23 hours after the day began
		want := apiclient.Quota{Name: "spend", Limit: "$0.0250", Remaining: "$0.0050", ResetsAt: &ends}
		if diff := cmp.Diff(want, quotaOf(t, a)); diff != "" {
			t.Errorf("want (-), got (+)\n%s", diff)
		}
		if got := a.header.Get("Retry-After"); got != "77400" { // 21.5 h
			t.Errorf("Retry-After is %s", got)
		}
	}
	if got := s.balanceOf(t); got != held {
		t.Errorf("a refused order changed the balance from %v to %v", held, got)
	}
	me := data[apiclient.Me](t, s.do(t, get("/v1/me", withKey(key))))
	if me.Remaining.Spend == nil || me.Remaining.Spend.Remaining != "$0.0050" || me.Limits.SpendCap.Amount != "$0.0250" {
		t.Errorf("me is %+v", me)
	}
	now = time.Date(2027, 3, 28, 21, 59, 59, 0, time.UTC)
	quotaOf(t, s.do(t, post("/v1/generate", prompt, withKey(key))))
	now = now.Add(time.Second)
	if a := s.do(t, post("/v1/generate", prompt, withKey(key))); a.status != http.StatusAccepted {
		t.Errorf("on the next day: %d %s", a.status, a.body)
	}
	s.CheckBooks(t)
}

func (s *stage) balanceOf(t *testing.T) apiclient.Balance {
	t.Helper()
	return data[apiclient.Balance](t, s.do(t, get("/v1/account/balance", s.withCookie(s.ada.Cookie))))
}

func TestGenerate_OnlySoManyTasksOfAKeyRun(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	for _, environment := range []string{"live", "test"} {
		_, key := s.limited(t, environment, `{"running_tasks":2}`)
		for range 2 {
			if a := s.do(t, post("/v1/generate", prompt, withKey(key))); a.status != http.StatusAccepted {
				t.Fatalf("%s: %d %s", environment, a.status, a.body)
			}
		}
		got := quotaOf(t, s.do(t, post("/v1/generate", prompt, withKey(key))))
		if diff := cmp.Diff(apiclient.Quota{Name: "running_tasks", Limit: "2", Remaining: "0"}, got); diff != "" {
			t.Errorf("%s: want (-), got (+)\n%s", environment, diff)
		}
	}
}

func TestGate_ADayHasOnlySoManyRequestsOfAKey(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 3, 28, 12, 0, 0, 0, time.UTC)
	s := newStage(t, apitest.Options{NoWork: true, Clock: func() time.Time { return now }})
	s.ada.Cookie = s.newSession(t, s.ada.UserID, now.AddDate(1, 0, 0))
	props := s.newProps(t)
	_, key := s.limited(t, "live", `{"requests_per_day":3}`)
	for range 3 {
		if a := s.do(t, get("/v1/me", withKey(key))); a.status != http.StatusOK {
			t.Fatalf("within the limit: %d %s", a.status, a.body)
		}
	}
	ends := time.Date(2027, 3, 29, 0, 0, 0, 0, time.UTC)
	for _, op := range operations {
		if op.class != eitherRead && op.class != eitherWrite && op.class != keyRead {
			continue
		}
		a := s.do(t, op.request(props, withKey(key)))
		want := apiclient.Quota{Name: "requests_per_day", Limit: "3", Remaining: "0", ResetsAt: &ends}
		if diff := cmp.Diff(want, quotaOf(t, a)); diff != "" || a.header.Get("Retry-After") != "43200" {
			t.Errorf("%s: want (-), got (+)\n%s%v", op.id, diff, a.header)
		}
	}
	now = ends
	if a := s.do(t, get("/v1/me", withKey(key))); a.status != http.StatusOK {
		t.Errorf("on the next day: %d %s", a.status, a.body)
	}
}

func TestGate_AKeysOwnRateTakesThePlaceOfTheCommonOne(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true, KeyLimit: 50})
	_, slow := s.limited(t, "live", `{"requests_per_second":1}`)
	_, eager := s.limited(t, "live", `{"requests_per_second":1000}`)
	first, second := s.do(t, get("/v1/me", withKey(slow))), s.do(t, get("/v1/me", withKey(slow)))
	if first.status != http.StatusOK || first.header.Get("RateLimit-Policy") != `"key";q=1;w=1` {
		t.Errorf("the first: %d %v", first.status, first.header)
	}
	expect(t, second, http.StatusTooManyRequests, "RATE_LIMITED", "Rate limit exceeded")
	for _, key := range []string{eager, s.ada.LiveKey} {
		if a := s.do(t, get("/v1/tasks", withKey(key))); a.status != http.StatusOK || a.header.Get("RateLimit-Policy") != `"key";q=100;w=1` {
			t.Errorf("another key: %d %v", a.status, a.header)
		}
	}
}

func TestAPIKeys_AUserMakesThirtySecretsAMinute(t *testing.T) {
	t.Parallel()
	now := time.Now() // and stands still
	s := newStage(t, apitest.Options{NoWork: true, Clock: func() time.Time { return now }, Config: func(c *config.Config) { c.NewKeyLimit = 30 }})
	bob := s.newAccount(t)
	key := data[apiclient.CreatedAPIKey](t, s.createKey(t, `{"name":"first"}`))
	rotate := func() answer {
		return s.do(t, post("/v1/api-keys/"+key.ID+"/rotate", `{"overlap_seconds":0}`, s.withPage(s.ada.Cookie)))
	}
	for i := range 29 {
		ask, want := rotate, http.StatusOK
		if i%2 == 1 { // what is refused for another reason counts, too
			ask, want = func() answer { return s.createKey(t, `{}`) }, http.StatusBadRequest
		}
		if a := ask(); a.status != want {
			t.Fatalf("secret %d: %d %s", i+2, a.status, a.body)
		}
	}
	for _, a := range []answer{s.createKey(t, `{"name":"one more"}`), rotate()} {
		expect(t, a, http.StatusTooManyRequests, "RATE_LIMITED", "Rate limit exceeded")
		if a.header.Get("Retry-After") != "2" || a.header.Get("RateLimit-Policy") != `"new-keys";q=30;w=60` {
			t.Errorf("%v", a.header)
		}
	}
	if a := s.do(t, get("/v1/api-keys", s.withCookie(s.ada.Cookie))); a.status != http.StatusOK {
		t.Errorf("what makes no secret: %d %s", a.status, a.body)
	}
	if a := s.do(t, post("/v1/api-keys", `{"name":"another's"}`, s.withPage(bob.Cookie))); a.status != http.StatusCreated {
		t.Errorf("another user: %d %s", a.status, a.body)
	}
}
