package fetch

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// addresses reads one address a line; what follows a space is a note.
func addresses(t *testing.T, file string) []string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var list []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		addr, _, _ := strings.Cut(lines.Text(), " ")
		list = append(list, addr)
	}
	return list
}

func networkOf(t *testing.T, addr string) string {
	t.Helper()
	if netip.MustParseAddr(addr).Is4() {
		return "tcp4"
	}
	return "tcp6"
}

func TestGuard_DeniesEveryAddressOfTheBattery(t *testing.T) {
	battery := addresses(t, "testdata/denied_addresses.txt")
	if len(battery) < 41 {
		t.Fatalf("battery has %d addresses, want at least 41", len(battery))
	}
	policies := map[string]Policy{
		"strict": {},
		"dev":    {AllowNetworks: []netip.Prefix{netip.MustParsePrefix("198.19.255.0/24")}},
	}
	for name, policy := range policies {
		c := newTestClient(t, policy, seams{})
		for _, addr := range battery {
			for _, port := range []string{"443", "8443", "80", "5432"} {
				if err := c.guard.control(networkOf(t, addr), net.JoinHostPort(addr, port), nil); err == nil {
					t.Errorf("%s: %s port %s is let through", name, addr, port)
				}
			}
		}
	}
}

func TestGuard_IsInTheWayOfEveryDial(t *testing.T) {
	var seen dials
	c := newTestClient(t, Policy{}, seams{control: seen.control})
	transports := []*http.Transport{c.images.Transport.(*http.Transport), c.posts}
	want := 0
	for _, tr := range transports {
		for _, addr := range addresses(t, "testdata/denied_addresses.txt") {
			if networkOf(t, addr) == "tcp6" {
				continue // a machine without IPv6 fails before it asks the guard
			}
			conn, err := tr.DialContext(t.Context(), "tcp", net.JoinHostPort(addr, "443"))
			if err == nil {
				_ = conn.Close()
			}
			if !errors.Is(err, errBlocked) {
				t.Errorf("%s: got %v, want a blocked dial", addr, err)
			}
			want++
		}
	}
	if passed, blocked := seen.counts(); passed != 0 || blocked != want {
		t.Errorf("passed %d blocked %d, want 0 and %d", passed, blocked, want)
	}
}

func TestGuard_LetsThePublicInternetPassOnItsPortsOnly(t *testing.T) {
	c := newTestClient(t, Policy{}, seams{})
	for _, addr := range addresses(t, "testdata/public_addresses.txt") {
		for port, want := range map[string]bool{"443": true, "8443": true, "80": false, "22": false} {
			err := c.guard.control(networkOf(t, addr), net.JoinHostPort(addr, port), nil)
			if (err == nil) != want {
				t.Errorf("%s port %s: got %v, want pass %v", addr, port, err, want)
			}
		}
	}
	if c.guard.control("udp4", "1.1.1.1:443", nil) == nil {
		t.Error("udp is let through")
	}
}

func TestGuard_AllowedLoopbackStillDeniesMetadata(t *testing.T) {
	everything := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	for name, allow := range map[string][]netip.Prefix{"loopback": {loopback}, "everything": everything} {
		c := newTestClient(t, Policy{AllowNetworks: allow}, seams{})
		if err := c.guard.control("tcp4", "127.0.0.1:5000", nil); err != nil {
			t.Errorf("%s: allowed address is denied: %v", name, err)
		}
		if c.guard.control("udp4", "127.0.0.1:53", nil) == nil {
			t.Errorf("%s: udp is let through", name)
		}
		for _, target := range []string{
			"169.254.169.254:80", "169.254.169.254:443", "169.254.170.2:80", "[::ffff:169.254.169.254]:80",
			"168.63.129.16:443", "[fd00:ec2::254]:80", "[fe80::1%lo]:80", "100.100.100.200:80",
		} {
			if c.guard.control("tcp4", target, nil) == nil {
				t.Errorf("%s: %s is let through", name, target)
			}
		}
	}
}

func TestGuard_DenyNetworksWinOverAllowNetworks(t *testing.T) {
	own := netip.MustParsePrefix("203.0.112.0/24")
	c := newTestClient(t, Policy{AllowNetworks: []netip.Prefix{own}, DenyNetworks: []netip.Prefix{own}}, seams{})
	if c.guard.control("tcp4", "203.0.112.9:443", nil) == nil {
		t.Error("own range is let through")
	}
	if c.CheckURL("https://203.0.112.9/") == nil {
		t.Error("own range is an acceptable URL")
	}
}

func TestNew_RefusesUnsafePolicies(t *testing.T) {
	for name, p := range map[string]Policy{
		"development network in production": {Production: true, AllowNetworks: []netip.Prefix{loopback}},
		"invalid network":                   {AllowNetworks: []netip.Prefix{{}}},
		"mapped network":                    {AllowNetworks: []netip.Prefix{netip.MustParsePrefix("::ffff:127.0.0.1/128")}},
		"negative bytes":                    {ImageLimitBytes: -1},
		"negative side":                     {MaxSide: -1},
		"negative timeout":                  {Timeouts: Timeouts{Total: -1}},
	} {
		if _, err := New(p); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := New(Policy{Production: true}); err != nil {
		t.Errorf("the production policy is refused: %v", err)
	}
}

func TestClient_IgnoresProxiesOfTheEnvironment(t *testing.T) {
	if os.Getenv("HTTP_PROXY") == "" {
		t.Fatal("the test process has no proxy set")
	}
	var seen dials
	c := newTestClient(t, Policy{}, seams{control: seen.control})
	before := proxyHits.Load()
	for _, url := range []string{"http://169.254.169.254/latest/meta-data/", "http://93.184.215.14/", "https://93.184.215.14/"} {
		for _, tr := range []*http.Transport{c.images.Transport.(*http.Transport), c.posts} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := tr.RoundTrip(req)
			if err == nil {
				_ = resp.Body.Close()
				t.Errorf("%s got an answer", url)
			}
		}
	}
	if hits := proxyHits.Load() - before; hits != 0 {
		t.Errorf("the proxy got %d connections", hits)
	}
	if passed, blocked := seen.counts(); passed != 2 || blocked != 4 {
		t.Errorf("guard passed %d and blocked %d, want 2 and 4: it must see the true targets", passed, blocked)
	}
}
