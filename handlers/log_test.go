package handlers_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
)

// Whatever a caller sends, and whatever breaks meanwhile, the log holds none of it.
func TestLog_HoldsNothingThatWasSentAndNoSecret(t *testing.T) {
	t.Parallel()
	log := &record{}
	s := newStage(t, apitest.Options{LogTo: log})
	eve := s.newAccount(t)
	p := s.newProps(t)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, canary, http.StatusGone)
	}))
	t.Cleanup(receiver.Close)

	made := data[apiclient.CreatedAPIKey](t, s.createKey(t, `{"name":"`+canary+`"}`))
	webhookSecret := data[apiclient.WebhookSecret](t, s.do(t, request{method: http.MethodPost, path: "/v1/webhooks/secret"}.with(s.withPage(s.ada.Cookie)))).Secret
	up := s.do(t, post(signUpPath, `{"name":"`+canary+`","email":"`+canary+`@example.com","password":"`+canary+` horse"}`, nil))
	token := object(t, up)["token"].(string)
	s.do(t, post(signInPath, `{"email":"`+canary+`@example.com","password":"`+canary+`"}`, nil))
	s.do(t, post(signInPath, `{"email":"`+canary+`@nowhere.example","password":"`+canary+`"}`, nil))
	body := `{"model":"nanobanana","prompt":"` + canary + ` [[500]]","negative_prompt":"` + canary + `","webhook_url":"` + receiver.URL + `/` + canary + `?a=` + canary + `"}`
	created := data[apiclient.Task](t, s.do(t, once(withKey(made.Secret), canary, body)))
	edit := `{"model":"nanobanana","prompt":"` + canary + `","image_urls":["` + receiver.URL + `/` + canary + `.png"]}`
	edited := data[apiclient.Task](t, s.do(t, post("/v1/generate", edit, withKey(made.Secret))))
	for _, id := range []string{created.ID, edited.ID} {
		if done := s.WaitForEnd(t, made.Secret, id); done.Status != "failed" {
			t.Errorf("ended as %+v", done)
		}
	}

	sendCanaries := func() {
		for _, op := range operations {
			for _, header := range []http.Header{
				s.allowed(t, op, eve),
				{"Authorization": {"Bearer " + canary}},
				{"Authorization": {canary}},
				s.withPage(canary),
				{"Origin": {"https://" + canary + ".example"}},
			} {
				r := op.request(p, header).with(http.Header{"User-Agent": {canary}, "X-Forwarded-For": {canary}, "Referer": {"https://" + canary}, "X-Request-Id": {canary + "!"}})
				r.path += "?" + canary + "=" + canary
				s.do(t, r)
				r.path, _, _ = strings.Cut(r.path, "?")
				if op.hasBody() {
					r.body = `{"` + canary + `":"` + canary + `",`
					s.do(t, r)
				}
			}
		}
		s.do(t, get("/"+canary, withKey(canary)))
		s.do(t, get("/v1/tasks/"+canary+"%00", withKey(s.ada.LiveKey)))
		s.do(t, get("/v1/tasks/"+canary, withKey(s.ada.LiveKey)))
		s.do(t, get("/v1/tasks?model="+canary, withKey(s.ada.LiveKey)))
	}
	sendCanaries()
	// Now everything that reads or writes a task breaks, with the caller's values in its hands.
	s.exec(t, `alter table tasks rename to tasks_gone`)
	s.exec(t, `alter table api_keys rename column name to name_gone`)
	s.exec(t, `alter table "user" rename column "email" to "email_gone"`)
	s.do(t, once(withKey(made.Secret), canary+"2", `{"model":"nanobanana","prompt":"`+canary+`"}`))
	s.do(t, post("/v1/api-keys", `{"name":"`+canary+`"}`, s.withPage(s.ada.Cookie)))
	s.do(t, post(signUpPath, `{"name":"x","email":"`+canary+`2@example.com","password":"`+canary+` horse"}`, nil))
	s.do(t, get("/v1/tasks?model="+canary, withKey(made.Secret)))
	sendCanaries()

	text := log.String()
	if n := strings.Count(text, `"msg":"request"`); n < 100 || !strings.Contains(text, "SQLSTATE") {
		t.Fatalf("the log tells of %d requests, or of no broken statement; it proves nothing", n)
	}
	for name, secret := range map[string]string{
		"a value": canary, "a live key": s.ada.LiveKey, "a test key": s.ada.TestKey, "a new key": made.Secret, "a part of a key": made.Secret[9:30],
		"a session": s.ada.Cookie, "a session's token": strings.Split(s.ada.Cookie, ".")[0], "a new session's token": token,
		"the webhook secret": webhookSecret, "a part of it": webhookSecret[6:30], "an e-mail address": s.ada.Email, "the database's password": "pgtdbpass",
	} {
		if at := strings.Index(text, secret); at >= 0 {
			t.Errorf("the log holds %s: %s", name, text[max(0, at-300):min(len(text), at+100)])
		}
	}
}

func TestLog_TellsOfEachRequestWhoAskedForWhatAndHowItWent(t *testing.T) {
	t.Parallel()
	log := &record{}
	s := newStage(t, apitest.Options{NoWork: true, LogTo: log})
	for _, tt := range []struct {
		request request
		want    map[string]any
	}{
		{get("/v1/tasks/x?", withKey(s.ada.LiveKey)), map[string]any{
			"level": "INFO", "operation": "getTask", "method": "GET", "route": "/v1/tasks/:id", "status": 404.0, "ip": "127.0.0.1",
			"user_id": s.ada.UserID, "credential": "key", "api_key_id": s.ada.LiveID,
		}},
		{get("/v1/account", s.withCookie(s.ada.Cookie)), map[string]any{"operation": "getAccount", "status": 200.0, "credential": "session", "api_key_id": nil}},
		{get("/v1/account", nil), map[string]any{"level": "INFO", "operation": "getAccount", "status": 401.0, "user_id": nil}},
		{get("/v1/nothing", nil), map[string]any{"level": "INFO", "operation": "none", "status": 404.0}},
	} {
		id := s.do(t, tt.request).header.Get("X-Request-Id")
		var got map[string]any
		apitest.Eventually(t, "the request is logged", func() bool { return json.Unmarshal([]byte(log.line(id)), &got) == nil })
		for name, value := range tt.want {
			if got[name] != value {
				t.Errorf("%s: %s is %v, want %v", tt.request.path, name, got[name], value)
			}
		}
		if took, ok := got["duration_ms"].(float64); !ok || took <= 0 {
			t.Errorf("%s: it took %v", tt.request.path, got["duration_ms"])
		}
	}
}
