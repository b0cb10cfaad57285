package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestRequestOrigin_IsTheOriginElseTheReferersElseNone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ origin, referer, want string }{
		{"", "", ""},
		{"https://egg.example", "", "https://egg.example"},
		{"https://egg.example", "https://elsewhere.example/", "https://egg.example"},
		{"https://elsewhere.example", "https://egg.example/", "https://elsewhere.example"},
		{"null", "https://egg.example/", "null"},
		{"", "https://egg.example", "https://egg.example"},
		{"", "https://egg.example/", "https://egg.example"},
		{"", "https://egg.example/keys?page=2#top", "https://egg.example"},
		{"", "https://egg.example:8443/keys", "https://egg.example:8443"},
		{"", "http://egg.example/", "http://egg.example"},
		{"", "https://elsewhere.example/https://egg.example/", "https://elsewhere.example"},
		{"", "about:blank", ""},
		{"", "egg.example/keys", ""},
		{"", "/keys", ""},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		setUnlessEmpty(r, "Origin", tt.origin)
		setUnlessEmpty(r, "Referer", tt.referer)
		if got := requestOrigin(r); got != tt.want {
			t.Errorf("Origin %q, Referer %q: %q, want %q", tt.origin, tt.referer, got, tt.want)
		}
	}
}

func setUnlessEmpty(r *http.Request, name, value string) {
	if value != "" {
		r.Header.Set(name, value)
	}
}

func TestTrustedOrigin_IsOneOfTheListToTheLetter(t *testing.T) {
	t.Parallel()
	// An empty entry, as a stray comma in a setting makes it, trusts nobody.
	s := &server{Deps: Deps{TrustedOrigins: []string{"https://egg.example", "http://localhost:8080", ""}}}
	for origin, want := range map[string]bool{
		"https://egg.example": true, "http://localhost:8080": true, "": false, "null": false, "http://egg.example": false, "https://egg.example:443": false,
		"https://EGG.example": false, "https://egg.example.elsewhere.example": false, "https://elsewhere.example": false, "https://sub.egg.example": false,
		"http://localhost:8081": false, "http://127.0.0.1:8080": false, "https://egg.example/": false, "https://egg.example https://elsewhere.example": false,
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		setUnlessEmpty(r, "Origin", origin)
		if got := s.trustedOrigin(r); got != want {
			t.Errorf("%q: %v", origin, got)
		}
	}
	for _, referer := range []string{"https://egg.example@elsewhere.example/", "https://egg.example\\@elsewhere.example/", "https://egg.example?x=/", "//egg.example/"} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Referer", referer)
		if s.trustedOrigin(r) {
			t.Errorf("Referer %q is trusted", referer)
		}
	}
}

func TestBetterAuthOrigin_IsAskedOfBrowsersAndOfCookiesOnly(t *testing.T) {
	t.Parallel()
	s := &server{Deps: Deps{TrustedOrigins: []string{"https://egg.example"}}}
	for _, tt := range []struct {
		method                        string
		cookie, origin, referer, site string
		refused                       bool
	}{
		{method: "POST"},
		{method: "POST", origin: "https://egg.example", site: "same-origin"},
		{method: "POST", cookie: "a=b", origin: "https://egg.example"},
		{method: "POST", cookie: "a=b", referer: "https://egg.example/in"},
		{method: "GET", cookie: "a=b", origin: "https://elsewhere.example", site: "cross-site"},
		{method: "HEAD", cookie: "a=b"},
		{method: "OPTIONS", origin: "https://elsewhere.example"},
		{method: "POST", cookie: "a=b", refused: true},
		{method: "POST", cookie: "a=b", origin: "https://elsewhere.example", refused: true},
		{method: "POST", cookie: "a=b", origin: "null", refused: true},
		{method: "POST", origin: "https://elsewhere.example", refused: true},
		{method: "POST", referer: "https://elsewhere.example/", refused: true},
		{method: "POST", site: "cross-site", refused: true},
		{method: "POST", site: "same-site", refused: true},
		{method: "POST", site: "none", refused: true},
		{method: "DELETE", cookie: "a=b", refused: true},
	} {
		r := httptest.NewRequest(tt.method, "/", nil)
		setUnlessEmpty(r, "Cookie", tt.cookie)
		setUnlessEmpty(r, "Origin", tt.origin)
		setUnlessEmpty(r, "Referer", tt.referer)
		setUnlessEmpty(r, "Sec-Fetch-Site", tt.site)
		if refused := s.checkBetterAuthOrigin(r) != nil; refused != tt.refused {
			t.Errorf("%+v: refused %v", tt, refused)
		}
	}
}

func TestIPExtractor_BelievesWhatTrustedProxiesSayOfTheirPeersAndNoMore(t *testing.T) {
	t.Parallel()
	none := []netip.Prefix(nil)
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48"), netip.MustParsePrefix("192.168.7.9/24")}
	for _, tt := range []struct {
		trusted   []netip.Prefix
		peer      string
		forwarded []string
		want      string
	}{
		{none, "192.0.2.1:99", nil, "192.0.2.1"},
		{none, "192.0.2.1:99", []string{"203.0.113.9"}, "192.0.2.1"},
		{none, "127.0.0.1:99", []string{"203.0.113.9"}, "127.0.0.1"},
		{none, "10.0.0.1:99", []string{"203.0.113.9"}, "10.0.0.1"},
		{none, "[2001:db8::1]:99", []string{"203.0.113.9"}, "2001:db8::1"},
		{proxies, "192.0.2.1:99", []string{"203.0.113.9"}, "192.0.2.1"},                              // a stranger
		{proxies, "127.0.0.1:99", []string{"203.0.113.9"}, "127.0.0.1"},                              // loopback is not named
		{proxies, "172.16.0.1:99", []string{"203.0.113.9"}, "172.16.0.1"},                            // private is not named
		{proxies, "169.254.1.1:99", []string{"203.0.113.9"}, "169.254.1.1"},                          // link-local is not named
		{proxies, "10.0.0.1:99", nil, "10.0.0.1"},                                                    // the proxy itself
		{proxies, "10.0.0.1:99", []string{"203.0.113.9"}, "203.0.113.9"},                             // a client behind it
		{proxies, "10.0.0.1:99", []string{"198.51.100.7, 203.0.113.9"}, "203.0.113.9"},               // who made the left one up
		{proxies, "10.0.0.1:99", []string{"198.51.100.7, 203.0.113.9, 10.9.9.9"}, "203.0.113.9"},     // behind two of them
		{proxies, "10.0.0.1:99", []string{"10.1.1.1, 203.0.113.9, 192.168.7.200"}, "203.0.113.9"},    // claiming to be a proxy
		{proxies, "10.0.0.1:99", []string{"198.51.100.7", "203.0.113.9", "10.9.9.9"}, "203.0.113.9"}, // in three lines
		{proxies, "10.0.0.1:99", []string{"127.0.0.1, 203.0.113.9"}, "203.0.113.9"},                  //
		{proxies, "10.0.0.1:99", []string{"2001:db8:2::5"}, "2001:db8:2::5"},                         //
		{proxies, "[2001:db8:1::1]:99", []string{"198.51.100.7, 2001:db8:2::5"}, "2001:db8:2::5"},    //
		{proxies, "10.0.0.1:99", []string{"203.0.113.9, nonsense"}, "10.0.0.1"},                      // the proxy is broken
		{proxies, "10.0.0.1:99", []string{"nonsense, 203.0.113.9"}, "203.0.113.9"},                   //
		{proxies, "10.0.0.1:99", []string{""}, "10.0.0.1"},                                           //
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = tt.peer
		for _, line := range tt.forwarded {
			r.Header.Add("X-Forwarded-For", line)
		}
		for _, name := range []string{"X-Real-Ip", "Forwarded", "True-Client-Ip", "Cf-Connecting-Ip", "X-Client-Ip"} {
			r.Header.Set(name, "198.51.100.66")
		}
		if got := ipExtractor(tt.trusted)(r); got != tt.want {
			t.Errorf("%s says %v: %s, want %s", tt.peer, tt.forwarded, got, tt.want)
		}
	}
}

func TestIPExtractor_AlwaysGivesAnAddress(t *testing.T) {
	t.Parallel()
	extract := ipExtractor([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	for _, line := range []string{"10.1.1.1", "10.1.1.1, 10.2.2.2", "x", "10.1.1.1:80", "[::1]", "fe80::1%eth0", "::ffff:10.1.1.1", " , , ", "203.0.113.9\t"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "10.0.0.1:99"
		r.Header.Set("X-Forwarded-For", line)
		if got := extract(r); !canLimit(got) {
			t.Errorf("%q: %q cannot be limited", line, got)
		}
	}
}

func canLimit(address string) bool {
	_, err := netip.ParseAddr(address)
	return err == nil
}

func TestSafeName_RepeatsOnlyWhatLooksLikeAName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"num_outputs": "num_outputs", "a-b.c2": "a-b.c2", "": "", "two words": "", "<script>": "", "naïve": "", "a\x00": "", "a\"b": "",
		fmt.Sprintf("%0100d", 1): fmt.Sprintf("%0100d", 1), fmt.Sprintf("%0101d", 1): "",
	} {
		if got := safeName(name); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
}
