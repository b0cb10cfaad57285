package handlers_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
)

// fire sends one key's requests to every node without a pause, until stop is called. It remembers when each node last let
// one in, and counts what was neither that nor the refusal that may come.
type fire struct {
	lastOK  []atomic.Int64 // of each node, when the request was sent, in nanoseconds
	asked   atomic.Int64
	strange atomic.Pointer[answer]
	stop    func()
}

func (s *stage) open(t *testing.T, nodes []*stage, key *atomic.Pointer[string], mayBe int) *fire {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &fire{lastOK: make([]atomic.Int64, len(nodes))}
	var all sync.WaitGroup
	for i, n := range nodes {
		for range 3 {
			all.Go(func() {
				for ctx.Err() == nil {
					sent := time.Now()
					a := n.do(t, get("/v1/me", withKey(*key.Load())))
					f.asked.Add(1)
					switch a.status {
					case http.StatusOK:
						f.lastOK[i].Store(max(f.lastOK[i].Load(), sent.UnixNano()))
					case mayBe:
					default:
						f.strange.Store(&a)
					}
				}
			})
		}
	}
	f.stop = func() { cancel(); all.Wait() }
	return f
}

func threeNodes(t *testing.T) []*stage {
	t.Helper()
	first := newStage(t, apitest.Options{NoWork: true})
	nodes := []*stage{first}
	for range 2 {
		nodes = append(nodes, &stage{ada: first.ada, Server: apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: first.DatabaseURL})})
	}
	return nodes
}

func TestRevokeAPIKey_EndsItOnThreeBusyNodesWithinASecond(t *testing.T) {
	t.Parallel()
	nodes := threeNodes(t)
	s := nodes[0]
	for name, end := range map[string]func(){
		"disabled":         func() { s.changeKey(t, s.ada.TestID, `{"disabled":true}`) },
		"deprived":         func() { s.changeKey(t, s.ada.TestID, `{"disabled":false,"limits":{"networks":["192.0.2.1"]}}`) },
		"owner suspended":  func() { s.exec(t, `update "user" set "banned" = true where "id" = $1`, s.ada.UserID) },
		"revoked, at last": func() { s.revokeKey(t, s.ada.LiveID) },
	} {
		var key atomic.Pointer[string]
		key.Store(&s.ada.TestKey)
		if name == "revoked, at last" {
			key.Store(&s.ada.LiveKey)
		}
		s.exec(t, `update "user" set "banned" = false where "id" = $1`, s.ada.UserID)
		s.exec(t, `update api_keys set disabled_at = null, networks = '{}' where id = $1`, s.ada.TestID)
		for _, n := range nodes {
			n.becomes(t, *key.Load(), ok)
		}
		// A key that may not is told 401 or 403.
		mayBe := http.StatusUnauthorized
		if name == "deprived" || name == "owner suspended" {
			mayBe = http.StatusForbidden
		}
		f := s.open(t, nodes, &key, mayBe)
		apitest.Eventually(t, "every node lets it in", func() bool {
			return f.lastOK[0].Load() > 0 && f.lastOK[1].Load() > 0 && f.lastOK[2].Load() > 0
		})
		end()
		ended := time.Now()
		apitest.Eventually(t, "a second passes", func() bool { return time.Since(ended) > 1500*time.Millisecond })
		f.stop()
		for i := range nodes {
			if late := time.Unix(0, f.lastOK[i].Load()).Sub(ended); late > time.Second {
				t.Errorf("%s: node %d let it in %s later", name, i, late)
			}
		}
		if a := f.strange.Load(); a != nil {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

func TestRotateAPIKey_NeitherSecretIsRefusedWhileItTurns(t *testing.T) {
	t.Parallel()
	nodes := threeNodes(t)
	s := nodes[0]
	var old, newest atomic.Pointer[string]
	old.Store(&s.ada.LiveKey)
	newest.Store(&s.ada.LiveKey)
	fires := []*fire{s.open(t, nodes, &old, 0), s.open(t, nodes, &newest, 0)}
	for range 3 {
		rotated := data[apiclient.CreatedAPIKey](t, s.rotateKey(t, s.ada.LiveID, `{"overlap_seconds":604800}`, ""))
		newest.Store(&rotated.Secret)
		before := fires[0].asked.Load() + fires[1].asked.Load()
		apitest.Eventually(t, "both are used on all nodes", func() bool { return fires[0].asked.Load()+fires[1].asked.Load() > before+60 })
		old.Store(&rotated.Secret)
		before = fires[0].asked.Load()
		apitest.Eventually(t, "nobody uses the old one", func() bool { return fires[0].asked.Load() > before+60 })
		s.exec(t, `update api_key_secrets set expires_at = now() where expires_at is not null`)
	}
	for _, f := range fires {
		f.stop()
		if a := f.strange.Load(); a != nil {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}
