package keepalive_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/keepalive"
)

const patience = 10 * time.Second

// start serves an echo of what is posted, and parks after the time given.
func start(t *testing.T, after, limit time.Duration) (*keepalive.Listener, *http.Server) {
	t.Helper()
	var lc net.ListenConfig
	inner, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	l, err := keepalive.Listen(inner, after)
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	s := &http.Server{ReadHeaderTimeout: patience, IdleTimeout: limit, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/deaf" {
			w.Header().Set("Connection", "close")
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read a body: %v", err)
		}
		_, _ = fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.Path, body)
	})}
	l.Use(s)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	return l, s
}

// client is one connection of a client.
type client struct {
	net.Conn
	answers *bufio.Reader
}

func dial(t *testing.T, l net.Listener) client {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	if err := c.SetDeadline(time.Now().Add(3 * patience)); err != nil {
		t.Fatalf("set a deadline: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return client{c, bufio.NewReader(c)}
}

func (c client) answer() (int, string, error) {
	response, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

func (c client) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatalf("send: %v", err)
	}
}

func (c client) ask(t *testing.T, path string) {
	t.Helper()
	c.send(t, "GET "+path+" HTTP/1.1\r\nHost: egg\r\n\r\n")
	c.expect(t, "GET "+path+" ")
}

func (c client) expect(t *testing.T, body string) {
	t.Helper()
	status, got, err := c.answer()
	if err != nil || status != http.StatusOK || got != body {
		t.Fatalf("answered %d %q %v, want %q", status, got, err, body)
	}
}

// expectEnd waits for the end of the connection.
func (c client) expectEnd(t *testing.T) {
	t.Helper()
	if b, err := c.answers.ReadByte(); !errors.Is(err, io.EOF) {
		t.Fatalf("read %q %v, want the end", b, err)
	}
}

func requireParked(t *testing.T, l *keepalive.Listener, n int) {
	t.Helper()
	for end := time.Now().Add(patience); l.Parked() != n; pause(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d are parked, want %d", l.Parked(), n)
		}
	}
}

func TestParked_AnswersOnTheSameConnection(t *testing.T) {
	l, _ := start(t, 5*time.Millisecond, time.Minute)
	c := dial(t, l)
	for i := range 5 {
		c.ask(t, fmt.Sprintf("/%d", i))
		requireParked(t, l, 1)
		c.send(t, "POST /body HTTP/1.1\r\nHost: egg\r\nContent-Length: 7\r\n\r\n{\"a\":1}")
		c.expect(t, `POST /body {"a":1}`)
		requireParked(t, l, 1)
	}
}

// The deadline after that of the wait is the one for a request, which may end a line long before its own end.
func TestParked_NotWhileARequestIsRead(t *testing.T) {
	l, _ := start(t, 5*time.Millisecond, time.Minute)
	c, other := dial(t, l), dial(t, l)
	c.send(t, "GET /first HTTP/1.1\r\nHost: egg\r\n\r\nG")
	c.expect(t, "GET /first ")
	c.send(t, "ET / HTTP/1.1\r\n")
	for range 3 {
		other.ask(t, "/")
		requireParked(t, l, 1)
	}
	c.send(t, "Host: egg\r\n\r\n")
	c.expect(t, "GET / ")
}

// What a client sends early may be in the server's buffer where nobody sees it.
func TestParked_NotWhileANextRequestHasBegun(t *testing.T) {
	for _, begun := range []string{"G", "GE", "GET", "GET ", "GET / HTTP/1.1\r\n"} {
		t.Run(begun, func(t *testing.T) {
			l, _ := start(t, 5*time.Millisecond, time.Minute)
			c, other := dial(t, l), dial(t, l)
			c.send(t, "GET /first HTTP/1.1\r\nHost: egg\r\n\r\n"+begun)
			c.expect(t, "GET /first ")
			other.ask(t, "/")
			requireParked(t, l, 1) // the other, which was idle later
			c.send(t, strings.TrimPrefix("GET / HTTP/1.1\r\nHost: egg\r\n\r\n", begun))
			c.expect(t, "GET / ")
			requireParked(t, l, 2)
		})
	}
}

func TestParked_ABodyThatMayBeAMethodStaysWithTheServer(t *testing.T) {
	l, _ := start(t, 5*time.Millisecond, time.Minute)
	c, other := dial(t, l), dial(t, l)
	c.send(t, "POST / HTTP/1.1\r\nHost: egg\r\nContent-Length: 3\r\n\r\nPUT")
	c.expect(t, "POST / PUT")
	other.ask(t, "/")
	requireParked(t, l, 1)
	c.ask(t, "/again")
}

func TestParked_EndsWithTheServersIdleTimeout(t *testing.T) {
	const limit = 3 * time.Second
	l, _ := start(t, 5*time.Millisecond, limit)
	c := dial(t, l)
	begun := time.Now()
	c.ask(t, "/")
	requireParked(t, l, 1)
	c.expectEnd(t)
	if took := time.Since(begun); took < limit {
		t.Fatalf("closed after %s", took)
	}
	requireParked(t, l, 0)
}

func TestParked_LeavesWithTheClient(t *testing.T) {
	l, _ := start(t, 5*time.Millisecond, time.Minute)
	for range 3 {
		c := dial(t, l)
		c.ask(t, "/")
		requireParked(t, l, 1)
		_ = c.Close()
		requireParked(t, l, 0)
	}
}

func TestParked_EndsWithTheServer(t *testing.T) {
	l, s := start(t, 5*time.Millisecond, time.Minute)
	c := dial(t, l)
	c.ask(t, "/")
	requireParked(t, l, 1)
	limit, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Shutdown(limit); err != nil {
		t.Fatalf("shut down: %v", err)
	}
	c.expectEnd(t)
	requireParked(t, l, 0)
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("accept: %v", err)
	}
}

// What the handler did not read of a last request the server reads beside the end of the connection.
func TestListener_ClosesWhileTheServerReads(t *testing.T) {
	l, _ := start(t, 5*time.Millisecond, time.Minute)
	for range 20 {
		c := dial(t, l)
		c.send(t, "POST /deaf HTTP/1.1\r\nHost: egg\r\nContent-Length: 2\r\n\r\n{}")
		c.expect(t, "")
		c.expectEnd(t)
	}
}

// The moment of parking and a next request meet in every way.
func TestParked_EachRequestIsAnsweredWhateverThePause(t *testing.T) {
	const after = 2 * time.Millisecond
	l, _ := start(t, after, time.Minute)
	var clients sync.WaitGroup
	for n := range 50 {
		c := dial(t, l)
		clients.Go(func() {
			for i := range 60 {
				path := fmt.Sprintf("/%d/%d", n, i)
				text := "POST " + path + " HTTP/1.1\r\nHost: egg\r\nContent-Length: 2\r\n\r\n{}"
				cut := rand.IntN(len(text)) //#nosec G404 -- any cut will do
				for _, part := range []string{text[:cut], text[cut:]} {
					pause(rand.N(2 * after)) //#nosec G404
					if _, err := io.WriteString(c, part); err != nil {
						t.Errorf("%s: %v", path, err)
						return
					}
				}
				status, body, err := c.answer()
				if err != nil || status != http.StatusOK || body != "POST "+path+" {}" {
					t.Errorf("%s: %d %q %v", path, status, body, err)
					return
				}
			}
		})
	}
	clients.Wait()
	requireParked(t, l, 50)
}

// pause lets time pass that no condition could be waited for in.
func pause(d time.Duration) { <-time.After(d) }
