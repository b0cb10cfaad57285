package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/ratelimit"
)

// forgetful has remembered goodKey once, and counts the keys it has to look up.
type forgetful struct {
	doorkeeper
	familiar *bool
	lookups  *int
}

// Recall knows goodKey from before, or nobody.
func (f forgetful) Recall(key string) (auth.Principal, auth.Recall, error) {
	if key == goodKey && *f.familiar {
		return auth.Principal{}, auth.RecallStale, nil
	}
	return auth.Principal{}, auth.RecallNone, nil
}

// Authenticate refuses as a keyring does.
func (f forgetful) Authenticate(ctx context.Context, key string) (auth.Principal, error) {
	*f.lookups++
	if key != goodKey {
		return auth.Principal{}, auth.ErrKeyInvalid
	}
	return f.doorkeeper.Authenticate(ctx, key)
}

func TestLimits_AFloodOfUnknownKeysIsLookedUpNoMore(t *testing.T) {
	t.Parallel()
	var who auth.Principal
	now, familiar, lookups := time.Date(2026, 5, 8, 12, 0, 0, 0, time.UTC), true, 0
	d, _ := deps()
	d.Handlers, d.Clock, d.Keys = listing(&who), func() time.Time { return now }, forgetful{familiar: &familiar, lookups: &lookups}
	d.UnknownKeyLimit = ratelimit.Rule{PerSecond: 2, Burst: 120}
	server := open(t, d)
	ask := func(key, peer string) *httptest.ResponseRecorder {
		r := request(http.MethodGet, "/v1/tasks", "Authorization", "Bearer "+key)
		r.RemoteAddr = peer
		return server(r)
	}
	for i := range 500 {
		want := http.StatusUnauthorized
		if i >= 120 {
			want = http.StatusTooManyRequests
		}
		if w := ask(fmt.Sprint("egg_stranger", i), "192.0.2.1:9"); w.Code != want {
			t.Fatalf("unknown key %d: %d %s", i, w.Code, w.Body)
		}
	}
	if lookups != 120 {
		t.Errorf("500 unknown keys were looked up %d times", lookups)
	}
	if w := ask(goodKey, "192.0.2.1:9"); w.Code != http.StatusOK {
		t.Errorf("a key that is known behind the same address: %d %s", w.Code, w.Body)
	}
	familiar = false
	if w := ask(goodKey, "192.0.2.2:9"); w.Code != http.StatusOK {
		t.Errorf("a new key from another address: %d %s", w.Code, w.Body)
	}
	w := ask(goodKey, "192.0.2.1:9")
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" || w.Header().Get("RateLimit-Policy") != `"unknown-keys";q=120;w=60` {
		t.Errorf("a new key behind the same address: %d %s %v", w.Code, w.Body, w.Header())
	}
	now = now.Add(time.Second)
	if w := ask(goodKey, "192.0.2.1:9"); w.Code != http.StatusOK {
		t.Errorf("a second later: %d %s", w.Code, w.Body)
	}
}

func TestLimits_TestKeysHaveALimitOfTheirOwn(t *testing.T) {
	t.Parallel()
	var who auth.Principal
	d, _ := deps()
	d.Handlers, d.Keys = listing(&who), environments{}
	d.KeyLimit, d.TestKeyLimit = ratelimit.Rule{PerSecond: 100, Burst: 200}, ratelimit.Rule{PerSecond: 25, Burst: 50}
	server := open(t, d)
	for environment, policy := range map[string]string{"live": `"key";q=200;w=1`, "test": `"key";q=50;w=1`} {
		w := server(request(http.MethodGet, "/v1/tasks", "Authorization", "Bearer "+environment))
		if got := w.Header().Get("RateLimit-Policy"); w.Code != http.StatusOK || got != policy {
			t.Errorf("%s: %d %s", environment, w.Code, got)
		}
	}
}

// environments takes the name of an environment for a key of it.
type environments struct{ doorkeeper }

// Authenticate makes up a key.
func (environments) Authenticate(_ context.Context, key string) (auth.Principal, error) {
	return auth.Principal{Kind: auth.KindKey, UserID: "usr_ada", KeyID: "key_" + key, Environment: key, Rights: adasRights}, nil
}
