package ratelimit

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// wire is a store that speaks Redis's protocol and says what a test wants; what a real one decides, the system tests see.
type wire struct {
	url   string
	asked atomic.Int64 // decisions

	mu     sync.Mutex
	say    func() string // the answer to a decision; what a client sends to connect does not use one up
	silent bool          // nothing is answered
	conns  []net.Conn
	listen net.Listener // nil while cut
}

// allowing and refusing are answers of the script, in microseconds.
func allowing(used int) func() string {
	return func() string { return fmt.Sprintf("*3\r\n:1\r\n:%d\r\n:0\r\n", used) }
}

func refusing(used, over int) func() string {
	return func() string { return fmt.Sprintf("*3\r\n:0\r\n:%d\r\n:%d\r\n", used, over) }
}

func newWire(t *testing.T, say func() string) *wire {
	t.Helper()
	w := &wire{say: say}
	w.open(t, "127.0.0.1:0")
	t.Cleanup(w.cut)
	return w
}

func (w *wire) open(t *testing.T, addr string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listen, w.url = l, "redis://"+l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if w.keep(l, c) {
				go w.serve(c)
			}
		}
	}()
}

// keep notes a connection, for its end. One that was taken while the store was cut ends at once.
func (w *wire) keep(l net.Listener, c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listen != l {
		_ = c.Close()
		return false
	}
	w.conns = append(w.conns, c)
	return true
}

// cut ends the store and its connections.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listen != nil {
		_ = w.listen.Close()
	}
	w.listen = nil
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

// revive makes the store well again where it was.
func (w *wire) revive(t *testing.T) {
	t.Helper()
	w.cut()
	w.now(allowing(1))
	w.open(t, strings.TrimPrefix(w.url, "redis://"))
}

func (w *wire) now(say func() string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.say, w.silent = say, false
}

// silence has the store answer nothing until it is told what to say.
func (w *wire) silence() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.silent = true
}

func (w *wire) serve(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		words, err := readCommand(in)
		if err != nil {
			return
		}
		answer := w.answer(words)
		if answer == "" {
			continue
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}

func (w *wire) answer(words []string) string {
	w.mu.Lock()
	say, silent := w.say, w.silent
	w.mu.Unlock()
	switch command := strings.ToUpper(words[0]); {
	case silent:
		return ""
	case strings.HasPrefix(command, "EVAL"):
		if !strings.HasSuffix(words[3], "probe") {
			w.asked.Add(1)
		}
		return say()
	case command == "PING":
		return "+PONG\r\n"
	case command == "HELLO":
		return "-ERR unknown command\r\n"
	}
	return "+OK\r\n"
}

// readCommand reads an array of texts.
func readCommand(in *bufio.Reader) ([]string, error) {
	count, err := readNumber(in, '*')
	if err != nil {
		return nil, err
	}
	words := make([]string, count)
	for i := range words {
		length, err := readNumber(in, '$')
		if err != nil {
			return nil, err
		}
		text := make([]byte, length+len("\r\n"))
		if _, err := io.ReadFull(in, text); err != nil {
			return nil, err
		}
		words[i] = string(text[:length])
	}
	return words, nil
}

func readNumber(in *bufio.Reader, kind byte) (int, error) {
	line, err := in.ReadString('\n')
	if err != nil || line[0] != kind {
		return 0, io.ErrUnexpectedEOF
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}

// node is what one process has of shared limits.
type node struct {
	*Limits
	shared   *Shared
	log      *transcript
	registry *prometheus.Registry
}

// measured gives the value of a metric.
func (n node) measured(t testing.TB, name string) float64 {
	t.Helper()
	families, err := n.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if m := f.GetMetric()[0]; f.GetName() == name {
			return m.GetGauge().GetValue() + m.GetCounter().GetValue() // one of them is there
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// newNode gives one that watches over the store at the address until the test ends.
func newNode(t testing.TB, url string) node {
	t.Helper()
	n := node{log: &transcript{}, registry: prometheus.NewRegistry()}
	var err error
	n.shared, err = NewShared(SharedConfig{
		URL: url, Clock: time.Now, Logger: slog.New(slog.NewJSONHandler(n.log, nil)), Registry: n.registry,
	})
	if err != nil {
		t.Fatal(err)
	}
	n.Limits, err = NewLimits(time.Now, n.shared)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { n.shared.Run(t.Context()) })
	t.Cleanup(func() {
		running.Wait()
		if err := n.shared.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return n
}

func (n node) of(t testing.TB, rule Rule) *Limiter {
	t.Helper()
	l, err := n.Of(rule)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// awaits waits until limits are shared, or until they are not.
func (n node) awaits(t testing.TB, up bool) {
	t.Helper()
	eventually(t, fmt.Sprintf("limits are shared: %v", up), func() bool { return n.shared.health.up.Load() == up })
	eventually(t, fmt.Sprintf("the gauge says so: %v", up), func() bool { return (n.measured(t, "eggapi_limits_shared") == 1) == up })
}

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it is still not so that %s", what)
		}
	}
}

// transcript is a log that can be read while it is written.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *transcript) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
