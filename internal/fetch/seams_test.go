package fetch

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"
)

var loopback = netip.MustParsePrefix("127.0.0.1/32")

// proxyHits counts connections to the proxy that the environment names for every test of this package.
var proxyHits atomic.Int64

func TestMain(m *testing.M) {
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go countConnections(proxy, &proxyHits)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		if err := os.Setenv(name, "http://"+proxy.Addr().String()); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

func countConnections(l net.Listener, hits *atomic.Int64) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		hits.Add(1)
		_ = conn.Close()
	}
}

// canary listens on a loopback port and counts who connects.
func canary(t *testing.T) (port uint16, hits *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hits = new(atomic.Int64)
	done := make(chan struct{})
	go func() { defer close(done); countConnections(l, hits) }()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return netip.MustParseAddrPort(l.Addr().String()).Port(), hits
}

func newTestClient(t *testing.T, p Policy, s seams) *Client {
	t.Helper()
	c, err := newClient(p, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// devClient may reach 127.0.0.1 and nothing else that is private.
func devClient(t *testing.T, p Policy) *Client {
	t.Helper()
	p.AllowNetworks = []netip.Prefix{loopback}
	return newTestClient(t, p, seams{})
}

// dials records what the guard said of each address. What it lets through outside 127.0.0.0/8 is stopped there:
// no packet of a test leaves the machine.
type dials struct {
	mu      sync.Mutex
	passed  []string
	blocked []string
}

var errStopped = errors.New("stopped by the test after the guard let it pass")

func (d *dials) control(next controlFunc) controlFunc {
	return func(network, address string, conn syscall.RawConn) error {
		err := next(network, address, conn)
		d.mu.Lock()
		defer d.mu.Unlock()
		if err != nil {
			d.blocked = append(d.blocked, address)
			return err
		}
		d.passed = append(d.passed, address)
		if !netip.MustParseAddrPort(address).Addr().Unmap().IsLoopback() {
			return errStopped
		}
		return nil
	}
}

func (d *dials) counts() (passed, blocked int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.passed), len(d.blocked)
}

// nameServer answers every A question over loopback UDP with what answer gives for its running number.
func nameServer(t *testing.T, answer func(n int64) []netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); serveNames(conn, answer) }()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func serveNames(conn net.PacketConn, answer func(n int64) []netip.Addr) {
	var asked int64
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var msg dnsmessage.Message
		if msg.Unpack(buf[:n]) != nil || len(msg.Questions) != 1 {
			continue
		}
		q := msg.Questions[0]
		msg.Response, msg.RecursionAvailable, msg.Additionals = true, true, nil
		if q.Type == dnsmessage.TypeA {
			for _, addr := range answer(asked) {
				msg.Answers = append(msg.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body:   &dnsmessage.AResource{A: addr.As4()},
				})
			}
			asked++
		}
		if reply, err := msg.Pack(); err == nil {
			_, _ = conn.WriteTo(reply, from)
		}
	}
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func pngOf(t *testing.T, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func portOf(t *testing.T, serverURL string) string {
	t.Helper()
	_, port, ok := strings.Cut(strings.TrimPrefix(serverURL, "http://"), ":")
	if _, err := strconv.Atoi(port); !ok || err != nil {
		t.Fatalf("no port in %s", serverURL)
	}
	return port
}

func timeLimited(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}
