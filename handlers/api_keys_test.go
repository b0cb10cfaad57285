package handlers_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
)

var keyMembers = []string{
	"created_at", "environment", "hint", "id", "limits", "metadata", "name", "request_count", "scopes", "secrets", "status", "updated_at",
}

func (s *stage) createKey(t *testing.T, body string) answer {
	t.Helper()
	return s.do(t, post("/v1/api-keys", body, s.withPage(s.ada.Cookie)))
}

// changeKey asks for a change and gives the key as it is then.
func (s *stage) changeKey(t *testing.T, keyID, body string) map[string]any {
	t.Helper()
	return data[map[string]any](t, s.do(t, patch("/v1/api-keys/"+keyID, body, s.withPage(s.ada.Cookie))))
}

func (s *stage) revokeKey(t *testing.T, keyID string) answer {
	t.Helper()
	return s.do(t, request{method: http.MethodDelete, path: "/v1/api-keys/" + keyID}.with(s.withPage(s.ada.Cookie)))
}

// works tells what a key gets.
func (s *stage) works(t *testing.T, key string) verdict {
	t.Helper()
	a := s.do(t, get("/v1/tasks", withKey(key)))
	r := a.refusal()
	return verdict{a.status, r.Code, r.Message}
}

func TestCreateAPIKey_ShowsTheSecretOnceAndItWorksAtOnceEverywhere(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	other := &stage{ada: s.ada, Server: apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: s.DatabaseURL})}
	for environment, body := range map[string]string{
		"live": `{"name":"production"}`, "test": `{"name":"Пример 🥚","environment":"test","expires_at":"2126-05-08T12:00:00+02:00"}`,
	} {
		a := s.createKey(t, body)
		made := data[map[string]any](t, a)
		secret, _ := made["secret"].(string)
		if a.status != http.StatusCreated || !regexp.MustCompile(`^egg_`+environment+`_[0-9A-Za-z]{38}$`).MatchString(secret) {
			t.Fatalf("made: %d %s", a.status, a.body)
		}
		if got := other.works(t, secret); got != ok {
			t.Errorf("on the other server it gets %v", got)
		}
		if got := s.works(t, secret); got != ok {
			t.Errorf("it gets %v", got)
		}
		if made["hint"] != secret[:13]+"…"+secret[43:] || made["status"] != "active" || made["environment"] != environment {
			t.Errorf("made %v", made)
		}
		if got := made["expires_at"]; (environment == "test") != (got == "2126-05-08T10:00:00Z") || environment == "live" && got != nil {
			t.Errorf("it expires at %v", got)
		}
		shown := string(s.do(t, get("/v1/api-keys/"+made["id"].(string), s.withCookie(s.ada.Cookie))).body) +
			string(s.do(t, get("/v1/api-keys?per_page=100", s.withCookie(s.ada.Cookie))).body) +
			string(s.do(t, patch("/v1/api-keys/"+made["id"].(string), `{"disabled":false}`, s.withPage(s.ada.Cookie))).body)
		// More of a key than its hint tells is too much.
		if strings.Contains(shown, secret[9:18]) || strings.Contains(shown, secret[38:]) || strings.Contains(shown, `"secret":`) {
			t.Errorf("the key is shown again: %s", shown)
		}
	}
}

func TestAPIKeys_AreListedNewestFirstWithTheirOwnMembersOnly(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	s.newAccount(t)
	// Made within one millisecond, the first two would have no order.
	s.exec(t, `update api_keys set id = 'key_00' where id = $1`, s.ada.LiveID)
	s.ada.LiveID = "key_00"
	third := data[apiclient.CreatedAPIKey](t, s.createKey(t, `{"name":"third","environment":"test"}`))
	s.revokeKey(t, s.ada.LiveID)
	got := data[struct {
		Items      []map[string]any
		Pagination apiclient.Pagination
	}](t, s.do(t, get("/v1/api-keys", s.withCookie(s.ada.Cookie))))
	if got.Pagination != (apiclient.Pagination{Page: 1, PerPage: 20, Total: 3, TotalPages: 1}) {
		t.Errorf("pagination is %+v", got.Pagination)
	}
	var listed []string
	for _, key := range got.Items {
		listed = append(listed, key["id"].(string)+" "+key["status"].(string))
		members := keyMembers
		if key["status"] == "revoked" {
			members = slices.Sorted(slices.Values(append([]string{"revoked_at"}, keyMembers...)))
			if !wholeSeconds.MatchString(key["revoked_at"].(string)) {
				t.Errorf("revoked at %v", key["revoked_at"])
			}
		}
		if diff := cmp.Diff(members, slices.Sorted(maps.Keys(key))); diff != "" {
			t.Errorf("members: want (-), got (+)\n%s", diff)
		}
		one := data[map[string]any](t, s.do(t, get("/v1/api-keys/"+key["id"].(string), s.withCookie(s.ada.Cookie))))
		if diff := cmp.Diff(key, one); diff != "" {
			t.Errorf("listed (-), alone (+)\n%s", diff)
		}
	}
	if diff := cmp.Diff([]string{third.ID + " active", s.ada.TestID + " active", s.ada.LiveID + " revoked"}, listed); diff != "" {
		t.Errorf("want (-), got (+)\n%s", diff)
	}
	for environment, want := range map[string][]string{"test": {third.ID, s.ada.TestID}, "live": {s.ada.LiveID}} {
		page := data[list](t, s.do(t, get("/v1/api-keys?environment="+environment, s.withCookie(s.ada.Cookie))))
		if diff := cmp.Diff(want, page.ids()); diff != "" || page.Pagination.Total != int64(len(want)) {
			t.Errorf("%s: total %d; want (-), got (+)\n%s", environment, page.Pagination.Total, diff)
		}
	}
	second := data[list](t, s.do(t, get("/v1/api-keys?per_page=2&page=2", s.withCookie(s.ada.Cookie))))
	if diff := cmp.Diff([]string{s.ada.LiveID}, second.ids()); diff != "" || second.Pagination.TotalPages != 2 {
		t.Errorf("the second page: %+v\n%s", second, diff)
	}
	for _, q := range []string{"environment=prod", "environment=", "environment=live&environment=test"} {
		if a := s.do(t, get("/v1/api-keys?"+q, s.withCookie(s.ada.Cookie))); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", q, a.status, a.body)
		}
	}
}

func TestUpdateAPIKey_ChangesWhatIsPresentAndHoldsAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	key := s.ada.LiveKey
	if got := s.changeKey(t, s.ada.LiveID, `{"name":"renamed"}`); got["name"] != "renamed" || got["status"] != "active" || got["expires_at"] != nil {
		t.Errorf("renamed: %v", got)
	}
	if got := s.changeKey(t, s.ada.LiveID, `{"disabled":true}`); got["name"] != "renamed" || got["status"] != "disabled" {
		t.Errorf("disabled: %v", got)
	}
	s.becomes(t, key, inactive)
	if got := s.changeKey(t, s.ada.LiveID, `{"disabled":true,"expires_at":"2126-05-08T12:00:00.999Z"}`); got["status"] != "disabled" || got["expires_at"] != "2126-05-08T12:00:00Z" {
		t.Errorf("given an end: %v", got)
	}
	if got := s.changeKey(t, s.ada.LiveID, `{"disabled":false}`); got["status"] != "active" || got["expires_at"] != "2126-05-08T12:00:00Z" {
		t.Errorf("enabled: %v", got)
	}
	s.becomes(t, key, ok)
	if got := s.changeKey(t, s.ada.LiveID, `{"expires_at":null}`); got["expires_at"] != nil || len(got) != len(keyMembers) {
		t.Errorf("without an end: %v", got)
	}
	s.exec(t, `update api_keys set expires_at = now() where id = $1`, s.ada.LiveID)
	s.becomes(t, key, expired)
	if got := s.changeKey(t, s.ada.LiveID, `{"name":"late"}`); got["status"] != "expired" {
		t.Errorf("expired: %v", got)
	}
	if got := s.changeKey(t, s.ada.LiveID, `{"expires_at":null}`); got["status"] != "active" {
		t.Errorf("brought back: %v", got)
	}
	s.becomes(t, key, ok)
}

// becomes waits until a key gets what it should, at most the second that the contract promises.
func (s *stage) becomes(t *testing.T, key string, want verdict) {
	t.Helper()
	deadline := time.Now().Add(time.Second)
	got := s.works(t, key)
	for ; got != want && time.Now().Before(deadline); got = s.works(t, key) {
		time.Sleep(5 * time.Millisecond)
	}
	if got != want {
		t.Errorf("a second later the key still gets %v, want %v", got, want)
	}
}

func TestUpdateAPIKey_RefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	before := s.stored(t)
	for body, want := range map[string][]field{
		`{}`:            {{"body", "", "minProperties", "must have at least one member"}},
		`{"name":""}`:   {{"body", "name", "minLength", "must be at least 1 character"}},
		`{"name":null}`: {{"body", "name", "type", "must be of type string"}},
		`{"name":"` + strings.Repeat("n", 101) + `"}`: {{"body", "name", "maxLength", "must be at most 100 characters"}},
		`{"disabled":null}`:                           {{"body", "disabled", "type", "must be of type boolean"}},
		`{"disabled":"true"}`:                         {{"body", "disabled", "type", "must be of type boolean"}},
		`{"expires_at":"tomorrow"}`:                   {{"body", "expires_at", "format", "must be a valid date-time"}},
		`{"expires_at":1893456000}`:                   {{"body", "expires_at", "type", "must be of type string"}},
		`{"environment":"test"}`:                      {{"body", "environment", "unknown", "is not a member of this object"}},
		`{"user_id":"usr_x"}`:                         {{"body", "user_id", "unknown", "is not a member of this object"}},
		`{"name":"x","revoked":true}`:                 {{"body", "revoked", "unknown", "is not a member of this object"}},
	} {
		a := s.do(t, patch("/v1/api-keys/"+s.ada.LiveID, body, s.withPage(s.ada.Cookie)))
		expect(t, a, 400, "VALIDATION_ERROR", "request validation failed")
		if diff := cmp.Diff(want, a.refusal().Fields); diff != "" {
			t.Errorf("%.60s: want (-), got (+)\n%s", body, diff)
		}
	}
	past := []field{{"body", "expires_at", "future", "must be in the future"}}
	for _, a := range []answer{
		s.do(t, patch("/v1/api-keys/"+s.ada.LiveID, `{"expires_at":"2020-01-01T00:00:00Z"}`, s.withPage(s.ada.Cookie))),
		s.createKey(t, `{"name":"x","expires_at":"2020-01-01T00:00:00Z"}`),
	} {
		if r := a.refusal(); a.status != 400 || r.Code != "VALIDATION_ERROR" || cmp.Diff(past, r.Fields) != "" {
			t.Errorf("an end in the past: %d %s", a.status, a.body)
		}
	}
	for _, body := range []string{`{}`, `{"name":""}`, `{"name":"x","environment":null}`, `{"name":"x","environment":"prod"}`, `{"name":"x","secret":"egg_live_x"}`} {
		expect(t, s.createKey(t, body), 400, "VALIDATION_ERROR", "request validation failed")
	}
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}

func TestRevokeAPIKey_EndsItOnEveryServerWithinASecondAndForGood(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	other := &stage{ada: s.ada, Server: apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: s.DatabaseURL})}
	for _, server := range []*stage{s, other} { // so that both remember it
		if got := server.works(t, s.ada.LiveKey); got != ok {
			t.Fatalf("before: %v", got)
		}
	}
	first := s.revokeKey(t, s.ada.LiveID)
	ended := data[map[string]any](t, first)
	if first.status != http.StatusOK || ended["status"] != "revoked" || !wholeSeconds.MatchString(ended["revoked_at"].(string)) {
		t.Errorf("revoked: %d %s", first.status, first.body)
	}
	other.becomes(t, s.ada.LiveKey, revoked)
	s.becomes(t, s.ada.LiveKey, revoked)
	if again := s.revokeKey(t, s.ada.LiveID); string(again.body) != string(first.body) {
		t.Errorf("again: %s, first %s", again.body, first.body)
	}
	for _, body := range []string{`{"name":"x"}`, `{"disabled":false}`, `{"expires_at":null}`} {
		a := s.do(t, patch("/v1/api-keys/"+s.ada.LiveID, body, s.withPage(s.ada.Cookie)))
		expect(t, a, 409, "CONFLICT", "API key has been revoked")
	}
	if got := other.works(t, s.ada.TestKey); got != ok {
		t.Errorf("the other key gets %v", got)
	}
}

func TestAPIKeys_OfOthersAreAsGoodAsMissing(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	eve := s.newAccount(t)
	same := http.Header{"X-Request-Id": {"the-same"}}
	before := s.stored(t)
	for _, method := range []string{http.MethodGet, http.MethodPatch, http.MethodDelete} {
		ask := func(keyID string) answer {
			r := request{method: method, path: "/v1/api-keys/" + keyID}.with(s.withPage(s.ada.Cookie)).with(same)
			if method == http.MethodPatch {
				r = patch(r.path, `{"name":"mine now"}`, r.header)
			}
			return s.do(t, r)
		}
		missing := ask("key_00000000000000000000000000")
		expect(t, missing, 404, "NOT_FOUND", "API key not found")
		for _, keyID := range []string{eve.LiveID, eve.TestID, eve.UserID, "x", strings.Repeat("k", 128), "'%20or%20''='"} {
			if a := ask(keyID); a.status != missing.status || string(a.body) != string(missing.body) {
				t.Errorf("%s %s: %d %s, of a missing one %s", method, keyID, a.status, a.body, missing.body)
			}
		}
		if a := ask(strings.Repeat("k", 129)); a.status != http.StatusBadRequest {
			t.Errorf("%s of an id that is too long: %d %s", method, a.status, a.body)
		}
	}
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
	if got := s.works(t, eve.LiveKey); got != ok {
		t.Errorf("the other's key gets %v", got)
	}
}

func TestCreateAPIKey_AHundredAreEnough(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	s.exec(t, `insert into api_keys (id, user_id, environment, name, digest, hint)
		select 'key_' || n, $1, 'live', 'many', sha256(n::text::bytea), 'hint' from generate_series(1, 97) n`, s.ada.UserID)
	last := data[apiclient.CreatedAPIKey](t, s.createKey(t, `{"name":"the hundredth"}`))
	expect(t, s.createKey(t, `{"name":"one more"}`), 409, "CONFLICT", "You already have 100 API keys; revoke one before you create another")
	s.changeKey(t, last.ID, `{"disabled":true}`)
	expect(t, s.createKey(t, `{"name":"one more"}`), 409, "CONFLICT", "You already have 100 API keys; revoke one before you create another")
	s.revokeKey(t, last.ID)
	if a := s.createKey(t, `{"name":"in its place"}`); a.status != http.StatusCreated {
		t.Errorf("after revoking one: %d %s", a.status, a.body)
	}
	eve := s.newAccount(t)
	if a := s.do(t, post("/v1/api-keys", `{"name":"hers"}`, s.withPage(eve.Cookie))); a.status != http.StatusCreated {
		t.Errorf("somebody else: %d %s", a.status, a.body)
	}
}

func TestAPIKeys_EveryChangeIsAuditedWithoutTheSecret(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	s.exec(t, `alter table audit_log disable trigger user`)
	s.exec(t, `delete from audit_log`)
	made := data[apiclient.CreatedAPIKey](t, s.createKey(t, `{"name":"production"}`))
	s.changeKey(t, made.ID, `{"disabled":true}`)
	s.revokeKey(t, made.ID)
	s.revokeKey(t, made.ID) // changes nothing
	got := one[string](t, s.Pool, `select string_agg(concat_ws(' ', action, user_id, target, ip_address), ', ' order by id) from audit_log`)
	want := fmt.Sprintf("api_key.create %[1]s %[2]s 127.0.0.1, api_key.update %[1]s %[2]s 127.0.0.1, api_key.revoke %[1]s %[2]s 127.0.0.1", s.ada.UserID, made.ID)
	if got != want {
		t.Errorf("audited %s\nwant %s", got, want)
	}
	all := one[string](t, s.Pool, `select string_agg(a::text, ' ') || (select string_agg(k::text, ' ') from api_keys k) from audit_log a`)
	if strings.Contains(all, made.Secret[9:18]) || strings.Contains(all, made.Secret[38:]) {
		t.Errorf("the key is stored: %s", all)
	}
}
