package apitest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/ledger"
	"github.com/eggapi/eggapi/internal/money"
)

// Account is a user with all there is to call with.
type Account struct {
	UserID   string
	Email    string
	Password string
	Cookie   string // the session cookie's value, as a browser sends it
	LiveKey  string
	LiveID   string
	TestKey  string
	TestID   string
}

var accounts atomic.Int64

// NewAccount signs a user up through the API and gives him $100 and two keys.
func (s *Server) NewAccount(t testing.TB) Account {
	t.Helper()
	a := s.NewPoorAccount(t)
	s.TopUp(t, a.UserID, 100*money.PerDollar)
	return a
}

// NewPoorAccount signs a user up with an empty balance.
func (s *Server) NewPoorAccount(t testing.TB) Account {
	t.Helper()
	a := Account{Email: fmt.Sprintf("user%d@example.com", accounts.Add(1)), Password: "correct horse 1"}
	up, err := s.Anonymous(t).SignUpEmailWithResponse(t.Context(), apiclient.SignUpRequest{Name: "Ada", Email: a.Email, Password: a.Password})
	if err != nil {
		t.Fatalf("sign up: %v", err)
	}
	if up.JSON200 == nil {
		t.Fatalf("sign up: %s", up.Body)
	}
	a.UserID = up.JSON200.User.ID
	for _, c := range up.HTTPResponse.Cookies() {
		if c.Name == s.Node.Sessions.CookieName() {
			a.Cookie = c.Value
		}
	}
	actor := audit.Actor{UserID: a.UserID}
	a.LiveID, a.LiveKey = s.newKey(t, auth.NewKey{Actor: actor, Name: "live", Environment: "live"})
	a.TestID, a.TestKey = s.newKey(t, auth.NewKey{Actor: actor, Name: "test", Environment: "test"})
	return a
}

func (s *Server) newKey(t testing.TB, n auth.NewKey) (keyID, secret string) {
	t.Helper()
	row, secret, err := s.Node.Keyring.Create(t.Context(), n)
	if err != nil {
		t.Fatalf("create a key: %v", err)
	}
	return row.ID, secret
}

// TopUp adds to a balance.
func (s *Server) TopUp(t testing.TB, userID string, micros int64) {
	t.Helper()
	booked, err := ledger.TopUp(t.Context(), s.Pool, ledger.Credit{
		UserID: userID, AmountMicros: micros, Reference: fmt.Sprintf("test %d", accounts.Add(1)), Now: time.Now(),
	})
	if err != nil || !booked {
		t.Fatalf("top up: %v %v", booked, err)
	}
}

// Generate asks for an image and fails the test unless it is accepted.
func (s *Server) Generate(t testing.TB, key string, r apiclient.GenerateRequest) apiclient.Task {
	t.Helper()
	if r.Model == "" {
		r.Model = "nanobanana"
	}
	got, err := s.WithKey(t, key).GenerateWithResponse(t.Context(), nil, r)
	if err != nil {
		t.Fatalf("generate: %v", err)
	}
	if got.JSON202 == nil {
		t.Fatalf("generate: %s", got.Body)
	}
	return got.JSON202.Data
}

// WaitForEnd polls a task until it has ended.
func (s *Server) WaitForEnd(t testing.TB, key, taskID string) apiclient.Task {
	t.Helper()
	var last apiclient.Task
	client := s.WithKey(t, key)
	Eventually(t, "task "+taskID+" ends", func() bool {
		got, err := client.GetTaskWithResponse(t.Context(), taskID, nil)
		if err != nil {
			t.Fatalf("get task: %v", err)
		}
		if got.JSON200 == nil {
			t.Fatalf("get task: %s", got.Body)
		}
		last = got.JSON200.Data
		return last.CompletedAt != nil
	})
	return last
}

// CheckBooks fails the test when anything in the ledger does not add up.
func (s *Server) CheckBooks(t testing.TB) {
	t.Helper()
	violations, err := ledger.Check(t.Context(), s.Pool)
	if err != nil {
		t.Fatalf("check the books: %v", err)
	}
	for _, v := range violations {
		t.Errorf("broken: %s: %s: %d", v.Invariant, v.Subject, v.AmountMicros)
	}
}

// SignCookie gives the cookie value of a session token, as the server would.
func SignCookie(token string) string { return auth.SignCookie(token, authSecret) }

// SignToken gives a JWT about an address, as a mail of the server would hold it.
func SignToken(claims map[string]any) string {
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims(claims))
	signed, err := token.SignedString([]byte(authSecret))
	if err != nil {
		panic(err)
	}
	return signed
}

func decode(raw []byte) (any, error) {
	var v any
	err := json.Unmarshal(raw, &v)
	return v, err
}

// Cookies reads the cookies a response sets, decoded.
func Cookies(r *http.Response) map[string]string {
	values := map[string]string{}
	for _, c := range r.Cookies() {
		value, err := url.PathUnescape(c.Value)
		if err != nil {
			value = c.Value
		}
		values[c.Name] = strings.TrimSpace(value)
	}
	return values
}
