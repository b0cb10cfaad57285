package fetch

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// chain redirects /n to /n-1; /0 is an image.
func chain(t *testing.T) *httptest.Server {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Path[1:])
		if err != nil {
			t.Error(err)
		}
		if n == 0 {
			_, _ = w.Write(pngOf(t, 1, 1))
			return
		}
		http.Redirect(w, r, fmt.Sprintf("/%d", n-1), http.StatusFound)
	})
}

func TestImage_FollowsThreeRedirectsNotFour(t *testing.T) {
	c := devClient(t, Policy{})
	s := chain(t)
	if _, err := c.Image(t.Context(), s.URL+"/3"); err != nil {
		t.Errorf("three: %v", Cause(err))
	}
	if _, err := c.Image(t.Context(), s.URL+"/4"); !errors.Is(err, ErrImageFetch) {
		t.Errorf("four: %v", err)
	}
}

func TestImage_ChecksEachRedirectBeforeItIsDialled(t *testing.T) {
	var seen dials
	c := newTestClient(t, Policy{AllowNetworks: []netip.Prefix{loopback}}, seams{control: seen.control})
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, target := range []string{
			"http://127.0.0.2/", "http://[::1]/", "http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/",
			"file:///etc/passwd", "gopher://example.com/", "http://93.184.215.14/", "https://93.184.215.14:22/", "https://a:b@example.com/",
			"https://2130706433/", "//[::ffff:127.0.0.1]/", "https://[fe80::1%25lo]/", "https://localhost.localdomain./", ":", "",
		} {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", target)
				w.WriteHeader(status)
			})
			passedBefore, blockedBefore := seen.counts()
			if _, err := c.Image(t.Context(), s.URL); !errors.Is(err, ErrImageFetch) {
				t.Errorf("%d to %q: %v", status, target, err)
			}
			passed, blocked := seen.counts()
			if passed-passedBefore != 1 || blocked != blockedBefore {
				t.Errorf("%d to %q: %d passed and %d blocked dials, want only the first server's", status, target, passed-passedBefore, blocked-blockedBefore)
			}
		}
	}
}

func TestImage_RedirectToANameThatLeadsInsideIsBlocked(t *testing.T) {
	var seen dials
	inside := nameServer(t, func(int64) []netip.Addr { return []netip.Addr{netip.MustParseAddr("10.0.0.7")} })
	c := newTestClient(t, Policy{AllowNetworks: []netip.Prefix{loopback}}, seams{resolver: inside, control: seen.control})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://cdn.example/x.png", http.StatusFound)
	})
	if _, err := c.Image(t.Context(), s.URL); !errors.Is(Cause(err), errBlocked) {
		t.Errorf("got %v", Cause(err))
	}
	if passed, blocked := seen.counts(); passed != 1 || blocked != 1 {
		t.Errorf("passed %d blocked %d", passed, blocked)
	}
}

func TestImage_NeverStepsDownFromTLS(t *testing.T) {
	var hits atomic.Int64
	plain := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		_, _ = w.Write(pngOf(t, 1, 1))
	})
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/down" {
			http.Redirect(w, r, plain.URL, http.StatusFound)
			return
		}
		_, _ = w.Write(pngOf(t, 1, 1))
	}))
	defer secure.Close()
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	c := newTestClient(t, Policy{AllowNetworks: []netip.Prefix{loopback}}, seams{roots: roots})
	if _, err := c.Image(t.Context(), secure.URL+"/ok"); err != nil {
		t.Fatalf("plain TLS: %v", Cause(err))
	}
	if _, err := c.Image(t.Context(), secure.URL+"/down"); !errors.Is(err, ErrImageFetch) || hits.Load() != 0 {
		t.Errorf("got %v, %d requests in the clear", err, hits.Load())
	}
	stranger := devClient(t, Policy{})
	if _, err := stranger.Image(t.Context(), secure.URL+"/ok"); !errors.Is(err, ErrImageFetch) {
		t.Errorf("an unknown certificate gave %v", err)
	}
}

// TestGuard_RebindingNameNeverReachesLoopback lets a name server swap its answer on every question.
func TestGuard_RebindingNameNeverReachesLoopback(t *testing.T) {
	public, inside := netip.MustParseAddr("93.184.215.14"), loopback.Addr()
	for name, answer := range map[string]func(n int64) []netip.Addr{
		"alternating": func(n int64) []netip.Addr {
			if n%2 == 0 {
				return []netip.Addr{public}
			}
			return []netip.Addr{inside}
		},
		"both at once": func(n int64) []netip.Addr {
			if n%2 == 0 {
				return []netip.Addr{public, inside}
			}
			return []netip.Addr{inside, public}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var seen dials
			port, hits := canary(t)
			c := newTestClient(t, Policy{}, seams{
				resolver: nameServer(t, answer), control: seen.control, ports: []uint16{port},
			})
			target := fmt.Sprintf("https://rebind.example:%d/", port)
			for range 500 {
				if _, err := c.Image(t.Context(), target); !errors.Is(err, ErrImageFetch) {
					t.Fatalf("image: %v", err)
				}
				if _, err := c.Post(t.Context(), PostRequest{URL: target}); !errors.Is(err, ErrPostFailed) {
					t.Fatalf("post: %v (%v)", err, Cause(err))
				}
			}
			passed, blocked := seen.counts()
			if passed < 500 || blocked < 500 || hits.Load() != 0 {
				t.Errorf("passed %d, blocked %d, canary %d connections", passed, blocked, hits.Load())
			}
			for _, addr := range seen.passed {
				if !strings.HasPrefix(addr, public.String()) {
					t.Fatalf("%s passed", addr)
				}
			}
		})
	}
}
