package mock_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/mock"
)

// request makes a request that the gate lets through, with the contract's own example for a body.
func (o operation) request(t *testing.T, ada http.Header) call {
	t.Helper()
	c := call{method: o.method, path: strings.NewReplacer("{id}", "x", "{token}", "x").Replace(o.path), header: http.Header{}}
	for _, requirement := range *o.Security {
		if _, byKey := requirement["apiKey"]; byKey {
			c.header = withKey(mock.Key)
			break
		}
		if _, bySession := requirement["session"]; bySession {
			c.header = ada.Clone()
		}
	}
	c.path += map[string]string{"verifyEmail": "?token=x", "resetPasswordCallback": "?callbackURL=/"}[o.OperationID]
	if o.RequestBody == nil {
		return c
	}
	for _, example := range o.RequestBody.Value.Content.Get("application/json").Examples {
		body, err := json.Marshal(example.Value.Value)
		if err != nil {
			t.Fatal(err)
		}
		c.body = string(body)
	}
	return c
}

// refusals gives the codes an operation declares by status.
func (o operation) refusals() map[int][]string {
	all := map[int][]string{}
	for text, response := range o.Responses.Map() {
		status, _ := strconv.Atoi(text)
		codes, _ := response.Value.Extensions["x-error-codes"].([]any)
		for _, code := range codes {
			all[status] = append(all[status], code.(string))
		}
	}
	return all
}

func TestFail_PlaysEveryRefusalThatAnOperationDeclares(t *testing.T) {
	t.Parallel()
	url := newMock(t, mock.Options{})
	ada := signUp(t, url)
	for operationID, op := range operations() {
		for status, codes := range op.refusals() {
			for _, wish := range append(codes, strconv.Itoa(status)) {
				c := op.request(t, ada)
				c.header.Set(mock.HeaderFail, wish)
				got := send(t, url, c)
				code := got.member("error.code") + got.member("code") // Better Auth's has no envelope
				if got.status != status || code != wish && wish != strconv.Itoa(status) || code == "" {
					t.Errorf("%s with %s: %d %s", operationID, wish, got.status, got.body)
				}
				if message := got.member("error.message") + got.member("message"); message == "" {
					t.Errorf("%s with %s says nothing: %s", operationID, wish, got.body)
				}
				if waits := op.Responses.Status(status).Value.Headers["Retry-After"] != nil; waits != (got.header.Get("Retry-After") == "1") {
					t.Errorf("%s with %s: Retry-After: %q", operationID, wish, got.header.Get("Retry-After"))
				}
			}
		}
	}
}

func TestFail_AsksTheCallerToWaitAsLongAsScripted(t *testing.T) {
	t.Parallel()
	url := newMock(t, mock.Options{})
	ada := signUp(t, url)
	for _, operationID := range []string{"generate", "getSession"} {
		for _, wish := range []string{"429; retry-after=7", "429;retry-after=7", "503 ; retry-after=7 "} {
			c := operations()[operationID].request(t, ada)
			c.header.Set(mock.HeaderFail, wish)
			if got := send(t, url, c); strconv.Itoa(got.status) != wish[:3] || got.header.Get("Retry-After") != "7" {
				t.Errorf("%s with %s: %d %v", operationID, wish, got.status, got.header)
			}
		}
	}
}

func TestFail_ExplainsItselfWhenTheOperationDeclaresNoSuchThing(t *testing.T) {
	t.Parallel()
	url := newMock(t, mock.Options{})
	ada := signUp(t, url)
	for operationID, op := range operations() {
		for _, wish := range []string{"", "418", "nonsense", "200", "BAD_REQUEST; retry-after=1", "503; retry-after=0", "503; retry-after=3601", "503; after=1", "503; "} {
			c := op.request(t, ada)
			c.header.Set(mock.HeaderFail, wish)
			got := send(t, url, c)
			if got.status != http.StatusBadRequest || got.member("error.code")+got.member("code") != "BAD_REQUEST" {
				t.Errorf("%s with %q: %d %s", operationID, wish, got.status, got.body)
			}
			if message := got.member("error.message") + got.member("message"); !strings.Contains(message, "400 BAD_REQUEST") || strings.Contains(message, "nonsense") {
				t.Errorf("%s with %q: %s", operationID, wish, message)
			}
		}
	}
	twice := call{method: http.MethodGet, path: "/v1/models", header: http.Header{mock.HeaderFail: {"500", "503"}}}
	if got := send(t, url, twice); got.status != http.StatusBadRequest {
		t.Errorf("twice: %d", got.status)
	}
}

func TestFail_LeavesTheGateAsItIs(t *testing.T) {
	t.Parallel()
	url := newMock(t, mock.Options{})
	wish := func(h http.Header) http.Header {
		h.Set(mock.HeaderFail, "500")
		h.Set(mock.HeaderDelay, "59s") // would be noticed
		return h
	}
	const path = "/v1/generate"
	for name, c := range map[string]struct {
		call   call
		status int
	}{
		"no key":     {call{method: http.MethodPost, path: path, body: `{}`, header: wish(http.Header{})}, http.StatusUnauthorized},
		"wrong key":  {call{method: http.MethodPost, path: path, body: `{}`, header: wish(withKey("x"))}, http.StatusUnauthorized},
		"no session": {call{method: http.MethodGet, path: "/v1/account", header: wish(http.Header{})}, http.StatusUnauthorized},
		"wrong body": {call{method: http.MethodPost, path: path, body: `{}`, header: wish(withKey(mock.Key))}, http.StatusBadRequest},
		"no path":    {call{method: http.MethodGet, path: "/v1/x", header: wish(http.Header{})}, http.StatusNotFound},
	} {
		if got := send(t, url, c.call); got.status != c.status {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}

func TestFail_LeavesNothingBehind(t *testing.T) {
	t.Parallel()
	url := newMock(t, mock.Options{})
	c := operations()["generate"].request(t, nil)
	c.header.Set(mock.HeaderFail, "503")
	c.header.Set("Idempotency-Key", "once")
	send(t, url, c)
	c.header.Del(mock.HeaderFail)
	if got := send(t, url, c); got.status != http.StatusAccepted || got.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("after a failure: %d %v", got.status, got.header)
	}
	c.header.Set(mock.HeaderFail, "503")
	if got := send(t, url, c); got.status != http.StatusServiceUnavailable {
		t.Errorf("a replay that is to fail: %d", got.status)
	}
}

func TestDelay_HoldsTheAnswerBack(t *testing.T) {
	t.Parallel()
	url := newMock(t, mock.Options{})
	for delay, want := range map[string]int{
		"250ms": http.StatusOK, "0s": http.StatusOK, "60.001s": http.StatusBadRequest, "-1s": http.StatusBadRequest,
		"soon": http.StatusBadRequest, "": http.StatusBadRequest, "5": http.StatusBadRequest,
	} {
		asked := time.Now()
		got := send(t, url, call{method: http.MethodGet, path: "/v1/models", header: http.Header{mock.HeaderDelay: {delay}}})
		bounds, err := time.ParseDuration(delay)
		if got.status != want || want == http.StatusOK && (err != nil || time.Since(asked) < bounds) {
			t.Errorf("%q: %d after %s: %s", delay, got.status, time.Since(asked), fmt.Sprintf("%.100s", got.body))
		}
	}
}
