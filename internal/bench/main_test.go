//go:build system

package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// orderEnv makes this test binary play one part of the benchmark in a process of its own, so that no part's
// memory or scheduler weighs on another's.
const orderEnv = "EGGAPI_BENCH_ORDER"

// order is what such a process is told.
type order struct {
	Part         string   // node, bare, receiver, load, statements or flow
	DatabaseURL  string   `json:",omitempty"`
	DataDir      string   `json:",omitempty"`
	Serve, Work  bool     `json:",omitempty"` // node: what it does
	Addrs        []string `json:",omitempty"` // load, flow: whom to ask
	RequestsPath string   `json:",omitempty"` // load, flow: what to ask, as written by writeRequests
	ScriptPath   string   `json:",omitempty"` // statements: what to run
	Users        int      `json:",omitempty"` // statements: how many there are to draw from
	Ports        int      `json:",omitempty"` // receiver: on how many it listens
	KeyLimit     float64  `json:",omitempty"` // node: requests per second and key; 0 = no limit
	Conns        int      // of the load, or to the database
	Seconds      float64  `json:",omitempty"`
	LeadSeconds  float64  `json:",omitempty"` // statements: how long it runs before it counts
}

func (o order) duration() time.Duration { return time.Duration(o.Seconds * float64(time.Second)) }

func TestMain(m *testing.M) {
	text := os.Getenv(orderEnv)
	if text == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until whoever gave the order closes it or dies
		stop()
	}()
	err := play(ctx, text)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func play(ctx context.Context, text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	parts := map[string]struct {
		run func(context.Context, order) error
		// One thread, as the usual load generators: what it burns is not left for the service.
		oneThread bool
	}{
		"node": {runNode, false}, "bare": {serveBare, false}, "receiver": {receive, true},
		"load": {load, true}, "statements": {runStatements, true}, "flow": {flow, true},
	}
	part, ok := parts[o.Part]
	if !ok {
		return fmt.Errorf("unknown part %q", o.Part)
	}
	if part.oneThread {
		runtime.GOMAXPROCS(1)
	}
	return part.run(ctx, o)
}

// command prepares a process that plays a part.
func command(t *testing.T, o order) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatalf("write the order: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("find this program: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), orderEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil { // closed when the process has ended
		t.Fatalf("hold the process: %v", err)
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}
