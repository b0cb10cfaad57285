package server_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/ratelimit"
	"github.com/eggapi/eggapi/internal/server"
)

// three may be made by an address while a test runs.
var three = ratelimit.Rule{PerSecond: 0.001, Burst: 3}

// counter gives what makes requests from an address, with headers, and tells whether each was let in.
func counter(t *testing.T, d server.Deps) func(peer string, header ...string) bool {
	t.Helper()
	d.Logger = slog.New(slog.DiscardHandler)
	ask := open(t, d)
	return func(peer string, header ...string) bool {
		// A body that nobody may read, and a key that is none: the limit comes before.
		r := request(http.MethodPost, "/v1/generate", append(header, "Authorization", "Bearer wrong")...)
		r.RemoteAddr, r.Body, r.ContentLength = peer, io.NopCloser(untouchable{t}), 2
		w := ask(r)
		if w.Code != http.StatusTooManyRequests && w.Code != http.StatusUnauthorized {
			t.Errorf("%s %v: %d %s", peer, header, w.Code, w.Body)
		}
		return w.Code != http.StatusTooManyRequests
	}
}

func TestLimits_AllAddressesOfACustomersNetworkAreOneBudget(t *testing.T) {
	t.Parallel()
	d, _ := deps()
	d.IPLimit = three
	let := counter(t, d)
	admitted := 0
	for i := range 2000 {
		if let(fmt.Sprintf("[2001:db8:1:2:%x:%x::%x]:99", i&0xff, i>>3, i)) {
			admitted++
		}
	}
	if admitted != three.Burst {
		t.Errorf("2,000 addresses of one /64 made %d requests, want %d", admitted, three.Burst)
	}
	if !let("[2001:db8:1:3::1]:99") {
		t.Error("another network is refused")
	}
	for i, peer := range []string{"192.0.2.7:99", "[::ffff:192.0.2.7]:99", "[::ffff:c000:207]:7", "192.0.2.7:1", "[::ffff:192.0.2.7]:1"} {
		if got := let(peer); got != (i < three.Burst) {
			t.Errorf("request %d of one IPv4 address in two spellings: let in %v", i, got)
		}
	}
	if !let("192.0.2.8:99") {
		t.Error("another address is refused")
	}
}

func TestLimits_WhatAStrangerSaysOfHisAddressIsNotBelieved(t *testing.T) {
	t.Parallel()
	d, _ := deps()
	d.IPLimit, d.TrustedProxies = three, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	let := counter(t, d)
	spoofed := func(i int) []string {
		lines := []string{fmt.Sprintf("203.0.113.%d, 10.0.%d.1", i%256, i/256), fmt.Sprintf("2001:db8:%x::1", i), "10.0.0.1", "x", fmt.Sprintf("198.51.%d.%d:80", i/256, i%256)}
		var header []string
		for n, line := range lines[i%len(lines):] {
			header = append(header, "X-Forwarded-For", line)
			if n == i%2 {
				break
			}
		}
		for _, name := range []string{"X-Real-Ip", "Forwarded", "True-Client-Ip", "Cf-Connecting-Ip"} {
			header = append(header, name, fmt.Sprintf("198.51.%d.%d", i/256, i%256))
		}
		return header
	}
	for name, from := range map[string]func(i int) (string, []string){
		"a stranger": func(i int) (string, []string) { return "192.0.2.1:99", spoofed(i) },
		"a client of a proxy": func(i int) (string, []string) {
			return "10.0.0.1:99", append(spoofed(i), "X-Forwarded-For", "192.0.2.2, 10.0.0.2")
		},
	} {
		admitted := 0
		for i := range 1000 {
			peer, header := from(i)
			if let(peer, header...) {
				admitted++
			}
		}
		if admitted != three.Burst {
			t.Errorf("%s with 1,000 false addresses made %d requests, want %d", name, admitted, three.Burst)
		}
	}
	for i := range 1000 {
		if !let("10.0.0.1:99", "X-Forwarded-For", fmt.Sprintf("198.18.%d.%d", i/256, i%256)) {
			t.Fatalf("client %d of the proxy pays for the others", i)
		}
	}
}

func TestLimits_ClientThatObeysIsNeverRefusedTwice(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 8, 12, 0, 0, 0, time.UTC)
	for i, rule := range []ratelimit.Rule{
		{PerSecond: 100, Burst: 200}, {PerSecond: 1, Burst: 1}, {PerSecond: 0.3, Burst: 2}, {PerSecond: 7.7, Burst: 3}, {PerSecond: 1e6, Burst: 1}, {PerSecond: 50, Burst: 100},
	} {
		wider := ratelimit.Rule{PerSecond: rule.PerSecond * 3, Burst: rule.Burst * 3}
		var who auth.Principal
		d, _ := deps()
		d.Handlers, d.Clock, d.Logger = listing(&who), func() time.Time { return now }, slog.New(slog.DiscardHandler)
		d.IPLimit, d.KeyLimit = wider, rule
		if i%2 == 0 {
			d.IPLimit, d.KeyLimit = rule, wider
		}
		ask := open(t, d)
		refused := false
		for i := range 200 {
			now = now.Add(time.Duration(i%7) * time.Millisecond)
			w := ask(request(http.MethodGet, "/v1/tasks", "Authorization", "Bearer "+goodKey))
			if w.Header().Get("RateLimit") == "" || w.Header().Get("RateLimit-Policy") == "" {
				t.Fatalf("%+v: answer %d has no limit in its headers: %v", rule, i, w.Header())
			}
			if w.Code != http.StatusTooManyRequests {
				refused = false
				continue
			}
			if refused {
				t.Fatalf("%+v: refused again after it obeyed, request %d", rule, i)
			}
			now, refused = now.Add(retryAfter(t, w)), true
		}
	}
}

func retryAfter(t *testing.T, w *httptest.ResponseRecorder) time.Duration {
	t.Helper()
	seconds, err := strconv.Atoi(w.Header().Get("Retry-After"))
	if err != nil || seconds < 1 {
		t.Fatalf("Retry-After is %q", w.Header().Get("Retry-After"))
	}
	return time.Duration(seconds) * time.Second
}
