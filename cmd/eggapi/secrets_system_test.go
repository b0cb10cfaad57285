//go:build system

package main_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/eggapi/eggapi/gen/apiclient"
)

// Nothing that is secret is printed, at the most talkative level, whatever goes wrong meanwhile.
func TestSystem_SecretsAreInNoLog(t *testing.T) {
	var told atomic.Int64
	upstream := indiscreet(t, &told)
	settings := map[string]string{
		"the secret of sessions": "sessions-" + canary + "-0123456789abcdef",
		"the sealing key":        base64.StdEncoding.EncodeToString([]byte("sealing-" + canary + "-0123456789")[:32]),
		"the provider's key":     "AIza-" + canary + "-provider",
	}
	d := newDeployment(t,
		"EGGAPI_LOG_LEVEL=debug", "EGGAPI_AUTH_SECRETS="+settings["the secret of sessions"], "EGGAPI_SEAL_KEYS=k:"+settings["the sealing key"],
		"EGGAPI_GEMINI_API_KEY="+settings["the provider's key"], "EGGAPI_GEMINI_BASE_URL="+upstream, "EGGAPI_SANDBOX_FOR_LIVE=false",
	)
	api, worker := d.serve(t, hostOf(d.url)), d.work(t)
	c := d.newCustomer(t)
	misuse(t, d, c)
	failTasks(t, d, c)
	for _, n := range []node{worker, api} {
		if code, _ := n.stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("%s ended with %d", n.name, code)
		}
	}

	address, err := url.Parse(d.databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := address.User.Password()
	secrets := map[string]string{
		"the database's password": password, "a password": c.password, "a live key": c.liveKey, "a test key": c.testKey,
		"a webhook's secret": strings.TrimPrefix(c.webhookSecret, "whsec_"), "a session": strings.SplitN(c.cookie.Value, ".", 2)[0],
		"any canary": canary,
	}
	for name, secret := range settings {
		secrets[name] = secret
	}
	if told.Load() == 0 {
		t.Error("the provider was never told the key")
	}
	printed := api.output.String() + worker.output.String()
	mustContain(t, printed, `"level":"DEBUG"`, `"operation":"generate"`, `"operation":"signInEmail"`)
	for name, secret := range secrets {
		for line := range strings.Lines(printed) {
			if secret == "" || strings.Contains(line, secret) {
				t.Errorf("the log holds %s: %s", name, line)
			}
		}
	}
}

// indiscreet is a provider that repeats what it was sent, key and all, in every error.
func indiscreet(t *testing.T, told *atomic.Int64) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("X-Goog-Api-Key"), canary) {
			told.Add(1)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `{"error":{"code":403,"status":"PERMISSION_DENIED","message":"%s may not call %s"}}`,
			r.Header.Get("X-Goog-Api-Key"), r.URL)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// misuse puts credentials where they do not belong.
func misuse(t *testing.T, d deployment, c customer) {
	t.Helper()
	wrong, err := anonymous(t, d.url).SignInEmailWithResponse(t.Context(), apiclient.SignInRequest{Email: c.email, Password: c.password + canary})
	if err != nil || wrong.StatusCode() != http.StatusUnauthorized {
		t.Fatalf("sign in with a wrong password: %v %s", err, wrong.Status())
	}
	signedIn(t, d.url, c.email, c.password)
	for _, path := range []string{"/v1/tasks/" + c.liveKey, "/v1/tasks?api_key=" + c.liveKey, "/v1/" + c.liveKey, "/files/" + c.liveKey} {
		if status, _, _ := get(t, d.url+path); status < 400 {
			t.Errorf("GET %s: %d", path, status)
		}
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer " + c.liveKey + canary, "authorization": "Basic " + canary, "Cookie": sessionCookie + "=" + canary + "." + canary,
		"X-Request-Id": canary + " " + c.liveKey, "X-Api-Key": c.liveKey,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+"/v1/tasks", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set(name, value)
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", name, response.Status)
		}
	}
}

// failTasks asks for images that cannot be made, with secrets of the customer's in every URL and text.
func failTasks(t *testing.T, d deployment, c customer) {
	t.Helper()
	hook := "http://127.0.0.1:1/hook?token=" + canary
	input := []string{"http://127.0.0.1:1/in.png?signature=" + canary}
	for _, request := range []apiclient.GenerateRequest{
		{Model: "nanobanana", Prompt: canary, WebhookURL: &hook},
		{Model: "nanobanana", Prompt: canary, ImageUrls: input},
	} {
		client := withKey(t, d.url, c.liveKey)
		got, err := client.GenerateWithResponse(t.Context(), nil, request)
		if err != nil || got.JSON202 == nil {
			t.Fatalf("ask for an image: %v %s", err, got.Body)
		}
		eventually(t, taskPatience, "the task has failed", func() bool {
			return taskOf(t, client, got.JSON202.Data.ID).Status == "failed"
		})
	}
	completed(t, withKey(t, d.url, c.testKey), submit(t, withKey(t, d.url, c.testKey), canary+" [[500:once]]", hook))
}
