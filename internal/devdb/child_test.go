package devdb

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// A child is this test binary run again as a program that owns a database, so that tests can kill it,
// run it as another user, or take rights from it.
const childEnv = "DEVDB_TEST_CHILD"

type childOrder struct {
	Dir          string
	CacheDir     string
	RootState    string
	NoNamespaces bool // forbid user namespaces inside the child's own
}

type childReport struct {
	URL     string
	Who     string
	Cluster string
	UID     int // of the server process
	Server  int // its process
	Busy    int // process named by a BusyError
	Err     string
}

func TestMain(m *testing.M) {
	if order, ok := os.LookupEnv(childEnv); ok {
		childMain(order)
		os.Exit(0)
	}
	code := m.Run()
	if dir, err := pristine(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

func childMain(text string) {
	var order childOrder
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		panic(err)
	}
	rootState = order.RootState
	if order.NoNamespaces {
		if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0o600); err != nil {
			panic(err)
		}
	}
	ctx := context.Background()
	d, err := Start(ctx, Options{Dir: order.Dir, CacheDir: order.CacheDir, Logger: slog.New(slog.DiscardHandler)})
	report := childReport{}
	var busy *BusyError
	switch {
	case errors.As(err, &busy):
		report.Busy = busy.PID
	case err != nil:
		report.Err = err.Error()
	default:
		report = childReport{URL: d.URL(), Who: d.who.name, Cluster: d.cluster, Server: d.proc.cmd.Process.Pid}
		if report.UID, _, err = owner(fmt.Sprintf("/proc/%d", report.Server)); err != nil {
			report.UID = os.Geteuid() // no /proc here
		}
	}
	line, _ := json.Marshal(report)
	_, _ = os.Stdout.Write(append(line, '\n'))
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent closes it
	if d != nil {
		if err := d.Stop(ctx); err != nil {
			panic(err)
		}
	}
}

type child struct {
	childReport
	cmd   *exec.Cmd
	stdin io.Closer
}

// startChild runs a child and returns its report. The child ends with the test at the latest.
func startChild(t *testing.T, order childOrder, attr *syscall.SysProcAttr) *child {
	t.Helper()
	order.CacheDir = cacheDir(t)
	text, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), executable(t))
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.Dir = "/"
	cmd.SysProcAttr = attr
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, stdin: stdin}
	t.Cleanup(c.stop)
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatalf("the child said nothing: %v", err)
	}
	if err := json.Unmarshal(line, &c.childReport); err != nil {
		t.Fatal(err)
	}
	return c
}

// executable is a path to this binary that another user may run too: go test builds it in a closed folder.
func executable(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat("/proc/self/exe"); err == nil {
		return "/proc/self/exe"
	}
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func (c *child) stop() {
	_ = c.stdin.Close()
	_ = c.cmd.Wait()
}

// kill ends the child as kill -9 does.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

func cacheDir(t *testing.T) string {
	t.Helper()
	dir, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// scratch is a temporary folder in a place where making a cluster is quick. Only its owner may enter it.
func scratch(t *testing.T) string {
	t.Helper()
	base, err := ScratchDir()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(base, "devdb-test-") //nolint:usetesting // it is somewhere slower
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
