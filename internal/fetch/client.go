// Package fetch is the only HTTP client that may call a URL chosen by a customer or by an upstream's reply.
//
// Owns: the shape of such URLs, the check of every dialled address, image downloads, webhook posts.
// Does not own: what is sent, how often it is tried again, what a failure means to a task.
// May touch: the network through its own transports, the ssrf guard, image headers.
// Always true: no connection leaves for a non-public address unless the policy lists it; error texts say nothing about the target.
package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/eggapi/eggapi/internal/fault"
)

const (
	maxHeaderBytes = 64 << 10
	userAgent      = "EggAPI/1"

	// Many servers close an idle connection after 5 s: leave before they do.
	idleTimeout = 4 * time.Second
)

// Client fetches images and posts webhooks. It is safe for concurrent use.
type Client struct {
	policy     Policy
	guard      *guard
	images     *http.Client
	posts      *http.Transport // bare: it follows no redirect and sends no Referer
	imageSlots chan struct{}
	postSlots  chan struct{}
}

// seams are the parts a test of this package replaces. The zero value is the real world.
type seams struct {
	resolver *net.Resolver
	roots    *x509.CertPool
	control  func(next controlFunc) controlFunc
	ports    []uint16
}

// New returns a client for the policy. It fails on a negative number, an invalid network,
// and on a development network in production.
func New(p Policy) (*Client, error) {
	return newClient(p, seams{})
}

func newClient(p Policy, s seams) (*Client, error) {
	if p.Production && len(p.AllowNetworks) > 0 {
		return nil, errors.New("fetch policy: networks may not be allowed in production")
	}
	if err := p.setDefaults(); err != nil {
		return nil, err
	}
	g, err := newGuard(p, s.ports)
	if err != nil {
		return nil, err
	}
	c := &Client{
		policy:     p,
		guard:      g,
		imageSlots: make(chan struct{}, p.MaxImages),
		postSlots:  make(chan struct{}, p.MaxPosts),
	}
	c.images = &http.Client{Transport: c.transport(s, p.Timeouts.Header), CheckRedirect: c.checkRedirect}
	// A receiver may use its whole time before it answers, so posts have no header timeout.
	c.posts = c.transport(s, 0)
	return c, nil
}

// Close drops idle connections. Requests under way go on.
func (c *Client) Close() {
	c.images.CloseIdleConnections()
	c.posts.CloseIdleConnections()
}

func (c *Client) transport(s seams, header time.Duration) *http.Transport {
	control := c.guard.control
	if s.control != nil {
		control = s.control(control)
	}
	dialer := &net.Dialer{Timeout: c.policy.Timeouts.Connect, Resolver: s.resolver, Control: control}
	only1 := new(http.Protocols)
	only1.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  nil, // through a proxy the guard would see the proxy's address only
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.roots},
		TLSHandshakeTimeout:    c.policy.Timeouts.Header,
		ResponseHeaderTimeout:  header,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true,
		Protocols:              only1,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        idleTimeout,
	}
}

// take waits for a free slot and returns what gives it back.
func take(ctx context.Context, slots chan struct{}) (func(), error) {
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-ctx.Done():
		return nil, fault.Wrap(ctx.Err(), "wait for a free connection slot")
	}
}
