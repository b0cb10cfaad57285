package fetch

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestCheckURL_RefusesEveryOtherSpellingOfAPrivateHost(t *testing.T) {
	c := newTestClient(t, Policy{}, seams{})
	for _, raw := range []string{
		"https://127.0.0.1/", "https://127.0.0.1./", "https://127.1/", "https://127.0.1/", "https://2130706433/",
		"https://017700000001/", "https://0177.0.0.1/", "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0X7F.1/",
		"https://127.0.0.0x1/", "https://127.0.0.01/", "https://0/", "https://0x/", "https://00000/", "https://1.2.3.256/",
		"https://１２７.０.０.１/", "https://①②⑦.⓪.⓪.①/", "https://127。0。0。1/", "https://127.0.0.%31/", "https://%EF%BC%91.1/",
		"https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/", "https://[::]/",
		"https://[fe80::1%25lo]/", "https://[fe80::1%25eth0]:443/", "https://[2606:4700::1%25lo]/", "https://[fd00::1]/",
		"https://[64:ff9b::7f00:1]/", "https://[0:0:0:0:0:0:0:1]/", "https://[::1/", "https://::1/", "https://[127.0.0.1]/",
		"https://10.0.0.1/", "https://169.254.169.254/", "https://168.63.129.16/", "https://100.64.0.1/", "https://0.0.0.0/",
		"https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://a.localhost/", "https://db.local/",
		"https://metadata.google.internal/", "https://postgres/", "https://müller.de/", "https://ⓛocalhost/", "https://localhost\u00ad/",
		"https://exa mple.com/", "https://example..com/", "https://.example.com/", "https://example.com./", "https://ex*mple.com/",
		"https://" + strings.Repeat("a", 64) + ".com/", "https://" + strings.Repeat("a.", 127) + "com/",
	} {
		if err := c.CheckURL(raw); !errors.Is(err, ErrURLNotAllowed) {
			t.Errorf("%q: got %v", raw, err)
		}
	}
}

func TestCheckURL_SaysWhichRuleIsBroken(t *testing.T) {
	c := newTestClient(t, Policy{}, seams{})
	for raw, want := range map[string]*RejectedError{
		"":                                  errURLShape,
		"example.com/x.png":                 errURLShape,
		"https:///x":                        errURLShape,
		"https:example.com":                 errURLShape,
		"https://example.com\x00/":          errURLShape,
		"https://example.com\r\n/":          errURLShape,
		"https://example.com/\xff":          errURLShape,
		"mailto:a@example.com":              errURLShape,
		"file:///etc/passwd":                errURLShape,
		"//example.com/":                    errURLScheme,
		"http://example.com/":               errURLScheme,
		"http://127.0.0.1/":                 errURLScheme,
		"gopher://example.com/":             errURLScheme,
		"file://example.com/etc/passwd":     errURLScheme,
		"ftp://example.com/":                errURLScheme,
		"https://a@example.com/":            errURLUserinfo,
		"https://a:b@example.com/":          errURLUserinfo,
		"https://:@example.com/":            errURLUserinfo,
		"https://example.com:80/":           errURLPort,
		"https://example.com:0443/":         errURLPort,
		"https://example.com:65979/":        errURLPort, // 443 + 65,536
		"https://example.com:5432/":         errURLPort,
		"https://127.0.0.1.nip.io.:443/":    errURLHost,
		"https://[fe80::1%25lo]/":           errURLHost,
		"https://2130706433/":               errURLHost,
		"https://10.1.2.3/":                 errURLPrivate,
		"https://[::ffff:8.8.8.8]/":         errURLPrivate,
		"https://intranet/":                 errURLPrivate,
		"https://example.com/" + long(2029): errURLTooLong,
	} {
		var got *RejectedError
		if err := c.CheckURL(raw); !errors.As(err, &got) || got != want {
			t.Errorf("%.60q: got %v, want %v", raw, err, want)
		}
	}
}

func long(n int) string { return strings.Repeat("x", n) }

func TestCheckURL_AcceptsOrdinaryPublicURLs(t *testing.T) {
	c := newTestClient(t, Policy{}, seams{})
	for _, raw := range []string{
		"https://example.com", "https://example.com/a/b.png?x=1&y=%20#frag", "https://EXAMPLE.com:443/", "https://example.com:8443/hook",
		"https://xn--mller-kva.de/", "https://a-b_c.example.co.uk/", "https://1.1.1.1/", "https://[2606:4700:4700::1111]/",
		"https://3com.com/", "https://0xabc.example.com/", "https://example.com/ä.png", "HTTPS://example.com/",
		"https://" + strings.Repeat("a.", 125) + "com/", "https://example.com/" + long(2028),
	} {
		if err := c.CheckURL(raw); err != nil {
			t.Errorf("%.60q: %v", raw, err)
		}
	}
}

func TestCheckURL_OpensOnlyListedNetworks(t *testing.T) {
	c := devClient(t, Policy{})
	for raw, want := range map[string]bool{
		"http://127.0.0.1:3000/hook": true, "https://127.0.0.1:3000/": true, "http://localhost:3000/": true, "http://LocalHost/": true,
		"http://127.0.0.2:3000/": false, "http://[::1]:3000/": false, "http://[::ffff:127.0.0.1]:3000/": false, "http://127.0.0.1:0/": false,
		"http://127.0.0.1:70000/": false, "http://169.254.169.254/": false, "http://example.com/": false, "https://10.0.0.1/": false,
		"http://a@127.0.0.1:3000/": false, "ftp://127.0.0.1/": false, "http://127.1:3000/": false, "https://example.com/": true,
	} {
		if err := c.CheckURL(raw); (err == nil) != want {
			t.Errorf("%q: got %v, want accepted %v", raw, err, want)
		}
	}
}

func TestCheckURL_ErrorHoldsNothingOfTheURL(t *testing.T) {
	c := newTestClient(t, Policy{}, seams{})
	for _, raw := range []string{"https://canary.internal/", "canary://canary", "https://canary:canary@x.com/", "https://[canary]/", "https://canary:99/"} {
		if err := c.CheckURL(raw); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: got %v", raw, err)
		}
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, raw := range []string{
		"https://example.com/", "https://[fe80::1%25lo]/", "https://0x7f.1/", "http://a@b", "https://127.0.0.1.:443/", "https://１.1.1.1/",
	} {
		f.Add(raw)
	}
	c, err := New(Policy{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if c.CheckURL(raw) != nil {
			return
		}
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "https" || u.User != nil || len(raw) > maxURLBytes {
			t.Fatalf("accepted %q", raw)
		}
		host := u.Hostname()
		if len(host) > maxHostBytes || strings.ContainsAny(host, "%@\\ \x00") || strings.HasSuffix(host, ".") {
			t.Fatalf("accepted host %q", host)
		}
		if addr, err := netip.ParseAddr(host); err == nil {
			if addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsUnspecified() || addr.Is4In6() {
				t.Fatalf("accepted address %q", host)
			}
			return
		}
		if last := host[strings.LastIndex(host, ".")+1:]; !strings.ContainsAny(strings.ToLower(last), "ghijklmnopqrstuvwxyz-_") && last[0] >= '0' && last[0] <= '9' {
			if isNumber(strings.ToLower(last)) {
				t.Fatalf("accepted number %q", host)
			}
		}
	})
}
