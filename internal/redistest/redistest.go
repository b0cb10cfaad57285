// Package redistest starts a real Redis or Valkey for a test.
//
// Owns: the server's process, its port, its password and its certificate.
// Does not own: what is kept in it.
// May touch: the redis-server or valkey-server that tools/setup installs; imported by tests only.
// Always true: no test sees another's keys; without a server program a test fails, it is never skipped.
package redistest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience is how long the server may take to start, on a machine that is busy with other things.
const patience = 20 * time.Second

// Server is a running server, which keeps nothing on disk.
type Server struct {
	URL      string // with the password
	Password string
	CAFile   string // whose signature the certificate bears; "" without TLS

	addr, settings string
	client         *redis.Client // without TLS
	cmd            *exec.Cmd
}

// Start starts a server that ends with the test. It fails the test when there is no program to start.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{Password: rand.Text(), addr: freeAddr(t)}
	s.settings = "port " + portOf(s.addr)
	s.URL = "redis://:" + s.Password + "@" + s.addr + "/0"
	return s.begin(t, s.addr)
}

// StartTLS starts a server that speaks nothing but TLS where URL points to.
func StartTLS(t testing.TB) *Server {
	t.Helper()
	s := &Server{Password: rand.Text(), addr: freeAddr(t)}
	files := newCertificate(t)
	plain := freeAddr(t) // for the test's own client
	s.settings = fmt.Sprintf("port %s\ntls-port %s\ntls-cert-file %s\ntls-key-file %s\ntls-ca-cert-file %s\ntls-auth-clients no",
		portOf(plain), portOf(s.addr), files.cert, files.key, files.ca)
	s.CAFile = files.ca
	s.URL = "rediss://:" + s.Password + "@" + s.addr + "/0"
	return s.begin(t, plain)
}

func (s *Server) begin(t testing.TB, plain string) *Server {
	t.Helper()
	s.client = redis.NewClient(&redis.Options{Addr: plain, Password: s.Password, Protocol: 2})
	t.Cleanup(func() {
		s.end()
		_ = s.client.Close()
	})
	s.Restart(t)
	return s
}

// Restart starts the server anew, and empty, where it was.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.end()
	s.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), program(t), "-")
	s.cmd.Dir = t.TempDir()
	s.cmd.Stdin = strings.NewReader(fmt.Sprintf("%s\nbind 127.0.0.1\nsave \"\"\nappendonly no\nrequirepass %s\n", s.settings, s.Password))
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start the Redis server: %v", err)
	}
	deadline := time.Now().Add(patience)
	for s.client.Ping(t.Context()).Err() != nil {
		if time.Now().After(deadline) {
			t.Fatalf("the Redis server does not answer: %v", s.client.Ping(t.Context()).Err())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Kill ends the server as a loss of power would.
func (s *Server) Kill() { s.end() }

// Pause makes the server hang: it takes connections and answers nothing.
func (s *Server) Pause(t testing.TB) { s.signal(t, syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (s *Server) Resume(t testing.TB) { s.signal(t, syscall.SIGCONT) }

// Client is the test's own way in.
func (s *Server) Client() *redis.Client { return s.client }

func (s *Server) signal(t testing.TB, what syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(what); err != nil {
		t.Fatalf("signal the Redis server: %v", err)
	}
}

func (s *Server) end() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

func program(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("there is neither redis-server nor valkey-server: tools/setup installs one")
	return ""
}

// freeAddr is an address of this machine that nobody listens on.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func portOf(addr string) string {
	_, port, _ := strings.Cut(addr, ":")
	return port
}

func write(t testing.TB, dir, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatalf("write %s: %v", name, err)
	}
	return path
}
