package mock_test

import (
	"net/http"
	"testing"

	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/mock"
)

func newKey(t *testing.T, environment string) string {
	t.Helper()
	key, _, _, err := auth.NewSecret(environment)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestKeys_EveryWellFormedTestKeyIsAnAccountOfItsOwn(t *testing.T) {
	t.Parallel()
	url := newMock(t, mock.Options{})
	taskID := generate(t, url, `{"model":"nanobanana","prompt":"a fox"}`)
	path := "/v1/tasks/" + taskID
	for key, want := range map[string]int{
		mock.Key:                  http.StatusOK,
		newKey(t, "test"):         http.StatusNotFound,
		newKey(t, "live"):         http.StatusUnauthorized,
		mock.Key[:46] + "0":       http.StatusUnauthorized,
		"egg_test_" + mock.Key:    http.StatusUnauthorized,
		"sk-" + newKey(t, "test"): http.StatusUnauthorized,
	} {
		got := send(t, url, call{method: http.MethodGet, path: path, header: withKey(key)})
		if got.status != want {
			t.Errorf("%s: %d %s", key, got.status, got.body)
		}
		if got.status == http.StatusUnauthorized && got.member("error.message") != "Invalid API key" {
			t.Errorf("%s: %s", key, got.body)
		}
	}
}

func TestHeader_SaysOnEveryAnswerThatThisIsAMock(t *testing.T) {
	t.Parallel()
	url := newMock(t, mock.Options{})
	for _, path := range []string{"/healthz", "/v1/models", "/v1/tasks", "/nothing", "/", "/files/images/gen_x/0.png"} {
		got := send(t, url, call{method: http.MethodGet, path: path})
		if got.header.Get(mock.Header) != "in-memory" {
			t.Errorf("%s: %v", path, got.header)
		}
	}
}

func TestAccount_BeginsWithAHundredDollarsThatCanBeUsedUp(t *testing.T) {
	t.Parallel()
	// Nothing is drawn, so that everything stays held.
	url := newMock(t, mock.Options{Latency: hour})
	ada := signUp(t, url)
	created := send(t, url, call{method: http.MethodPost, path: "/v1/api-keys", body: `{"name":"live"}`, header: ada})
	live := withKey(created.member("data.secret"))
	most := call{method: http.MethodPost, path: "/v1/generate", body: `{"model":"nanobanana-pro","prompt":"a fox","num_outputs":4,"resolution":"4k"}`, header: live}
	const fits = 781 // of $0.128 in $100
	for i := range fits {
		if got := send(t, url, most); got.status != http.StatusAccepted {
			t.Fatalf("request %d: %d %s", i+1, got.status, got.body)
		}
	}
	if got := send(t, url, most); got.status != http.StatusForbidden || got.member("error.code") != "INSUFFICIENT_BALANCE" {
		t.Errorf("one too many: %d %s", got.status, got.body)
	}
	balance := send(t, url, call{method: http.MethodGet, path: "/v1/account/balance", header: ada})
	if balance.member("data.balance") != "$100.0000" || balance.member("data.available") != "$0.0320" {
		t.Errorf("balance: %s", balance.body)
	}
}

// signUp makes a user and gives what his page sends.
func signUp(t *testing.T, url string) http.Header {
	t.Helper()
	got := send(t, url, call{method: http.MethodPost, path: "/api/auth/sign-up/email", body: `{"name":"Ada","email":"ada@example.com","password":"correct horse 1"}`})
	if got.status != http.StatusOK {
		t.Fatalf("sign up: %d %s", got.status, got.body)
	}
	cookie := (&http.Response{Header: got.header}).Cookies()[0]
	return http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}, "Origin": {url}}
}
