//go:build system

package bench

import (
	"context"
	"encoding/json"
	"fmt"
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
	Part         string // full, bare, load or statements
	DatabaseURL  string `json:",omitempty"`
	DataDir      string `json:",omitempty"`
	Addr         string `json:",omitempty"` // load: whom to ask
	RequestsPath string `json:",omitempty"` // load: what to ask, as written by writeRequests
	ScriptPath   string `json:",omitempty"` // statements: what to run, as JSON
	Users        int    `json:",omitempty"` // statements: how many there are
	Conns        int
	Seconds      float64 `json:",omitempty"`
}

func TestMain(m *testing.M) {
	text := os.Getenv(orderEnv)
	if text == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
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
	switch o.Part {
	case "full":
		return serveFull(ctx, o)
	case "bare":
		return serveBare(ctx, o)
	case "load":
		// One thread, as the usual load generators: what it burns is not left for the service.
		runtime.GOMAXPROCS(1)
		return load(ctx, o)
	case "statements":
		runtime.GOMAXPROCS(1)
		return runStatements(ctx, o)
	default:
		return fmt.Errorf("unknown part %q", o.Part)
	}
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
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}
