package webhook

import (
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	maxPerHost   = 4
	maxPerUser   = 16
	openTimeouts = 5 // in a row
	openFor      = time.Minute

	shortestWait = time.Second
	longestWait  = 30 * time.Second
	crowd        = 64 // refusals that share one second

	pruneHosts = 1024
	forgetTime = 10 * time.Minute
)

// gate keeps one slow host, or one user with many, from taking all of a process's workers. It is safe for concurrent use.
type gate struct {
	clock func() time.Time
	mu    sync.Mutex
	hosts map[string]*host
	users map[string]int // in flight
}

type host struct {
	inFlight int
	refused  int       // since a slot was last given back by a receiver that answered
	timeouts int       // in a row
	opened   time.Time // no call before this time
	usedAt   time.Time
}

// slot is the right to make one call.
type slot struct {
	gate *gate
	host string
	user string
}

func newGate(clock func() time.Time) *gate {
	return &gate{clock: clock, hosts: map[string]*host{}, users: map[string]int{}}
}

// take gives a slot, or none and how long to wait before asking again.
func (g *gate) take(hostName, user string) (*slot, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock()
	h := g.host(hostName, now)
	h.usedAt = now
	limit := maxPerHost
	if h.timeouts >= openTimeouts {
		limit = 1 // one call finds out whether the host is back
	}
	closedFor := max(h.opened.Sub(now), 0)
	if closedFor > 0 || h.inFlight >= limit || g.users[user] >= maxPerUser {
		h.refused++
		return nil, closedFor + waitOf(h.refused)
	}
	h.inFlight++
	g.users[user]++
	return &slot{gate: g, host: hostName, user: user}, 0
}

// release gives the slot back. It is called once.
func (s *slot) release(timedOut bool) {
	g := s.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users[s.user]--; g.users[s.user] == 0 {
		delete(g.users, s.user)
	}
	h := g.hosts[s.host]
	h.inFlight--
	if timedOut {
		if h.timeouts++; h.timeouts >= openTimeouts {
			h.opened = g.clock().Add(openFor)
		}
		return
	}
	h.timeouts, h.refused, h.opened = 0, 0, time.Time{}
	if h.inFlight == 0 {
		delete(g.hosts, s.host)
	}
}

// waitOf spreads a crowd before a host that gives no slot back: without it thousands of jobs would each
// wake up every second, and the queue with them.
func waitOf(refused int) time.Duration {
	return min(shortestWait*time.Duration(1+refused/crowd), longestWait)
}

func (g *gate) host(name string, now time.Time) *host {
	h, ok := g.hosts[name]
	if ok {
		return h
	}
	if len(g.hosts) >= pruneHosts {
		g.prune(now)
	}
	h = &host{}
	g.hosts[name] = h
	return h
}

func (g *gate) prune(now time.Time) {
	for name, h := range g.hosts {
		if h.inFlight == 0 && (h.timeouts == 0 || now.Sub(h.usedAt) > forgetTime) {
			delete(g.hosts, name)
		}
	}
}

// hostOf gives the host and port of a URL in one spelling.
func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".") + ":" + port
}
