package apitest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
)

// Proxy stands between a server and clients that are not ours, such as generated ones and browsers.
type Proxy struct {
	URL    string
	target atomic.Pointer[url.URL]
}

// NewProxy opens a proxy that holds every answer against the contract and fails the test on one that is not
// declared. Its URL is what the server must be told as its public one; call Forward once the server is up.
func NewProxy(t testing.TB) *Proxy {
	t.Helper()
	p := &Proxy{}
	transport := &checkedTransport{t: t, next: &http.Transport{DisableKeepAlives: true}}
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(p.target.Load())
			r.Out.Host = r.In.Host
		},
		Transport: transport,
	})
	t.Cleanup(front.Close)
	p.URL = front.URL
	return p
}

// Forward says where requests go, as in http://127.0.0.1:8080. To be called before the first request.
func (p *Proxy) Forward(t testing.TB, target string) {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatalf("read the address of the server: %v", err)
	}
	p.target.Store(to)
}
