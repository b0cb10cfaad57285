//go:build system

package main_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// How long to wait for what takes seconds, on a machine that is busy with other things.
const (
	startPatience = 90 * time.Second // the first start fetches PostgreSQL
	stopPatience  = 10 * time.Second
	taskPatience  = 30 * time.Second
	// A dead worker's lease and job must run out before another takes its task.
	rescuePatience = 75 * time.Second
)

// command is the program with arguments, and an environment of which nothing is inherited but PATH and HOME.
type command struct {
	args []string
	env  []string
	user *syscall.Credential
}

// process is a running program of ours.
type process struct {
	name   string
	cmd    *exec.Cmd
	output *output
	exited chan struct{}
}

// output is what a process has printed so far, both streams in one.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// launch starts the program without a test to belong to.
func launch(c command) (*process, error) {
	p := &process{name: strings.Join(c.args, " "), output: &output{}, exited: make(chan struct{})}
	p.cmd = exec.CommandContext(context.Background(), binary, c.args...)
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, c.env...)
	p.cmd.Dir = filepath.Dir(binary)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	// A group of its own: Ctrl-C at the terminal of the tests is for the tests.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: c.user}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// start runs the program until the test ends at the latest.
func start(t *testing.T, c command) *process {
	t.Helper()
	p, err := launch(c)
	if err != nil {
		t.Fatalf("start eggapi %s: %v", strings.Join(c.args, " "), err)
	}
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("eggapi %s printed:\n%s", p.name, p.output)
		}
	})
	return p
}

// end stops the process by any means.
func (p *process) end() {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		_ = p.cmd.Process.Signal(s)
		select {
		case <-p.exited:
			return
		case <-time.After(2 * stopPatience):
		}
	}
	<-p.exited
}

// stop sends a signal and gives the exit code and how long the end took.
func (p *process) stop(t *testing.T, s syscall.Signal) (code int, took time.Duration) {
	t.Helper()
	from := time.Now()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("signal eggapi %s: %v", p.name, err)
	}
	code = p.wait(t, stopPatience)
	return code, time.Since(from)
}

// wait gives the exit code, -1 when a signal ended the process.
func (p *process) wait(t *testing.T, atMost time.Duration) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(atMost):
		t.Fatalf("eggapi %s has not ended after %s", p.name, atMost)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// until waits for a text in the output. It fails the test when the process ends without it.
func (p *process) until(t *testing.T, text string, atMost time.Duration) {
	t.Helper()
	eventually(t, atMost, "eggapi "+p.name+" printed "+text, func() bool {
		said := strings.Contains(p.output.String(), text)
		if !said && !p.running() {
			t.Fatalf("eggapi %s ended before it printed %q", p.name, text)
		}
		return said
	})
}

// runToEnd runs a command that ends by itself.
func runToEnd(t *testing.T, c command) (code int, printed string) {
	t.Helper()
	p := start(t, c)
	return p.wait(t, taskPatience), p.output.String()
}

// eventually polls until a condition holds.
func eventually(t *testing.T, atMost time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(atMost)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("after %s it is still not so that %s", atMost, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// freeAddr is an address of this machine that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// listens tells whether somebody takes connections at the address.
func listens(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// folder is a fresh folder that every account can pass through, as a folder of a project would be.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "eggapi-system-") //nolint:usetesting // t.TempDir is closed to the account that runs PostgreSQL
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// serversOf counts the PostgreSQL processes whose data is in the folder.
func serversOf(t *testing.T, dataDir string) int {
	t.Helper()
	cluster, err := filepath.EvalSymlinks(filepath.Join(dataDir, "postgres"))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, line := range commandLines(t) {
		if strings.Contains(line+" ", "-D "+cluster+" ") {
			count++
		}
	}
	return count
}

// commandLines lists the arguments of every process on this machine.
func commandLines(t *testing.T) []string {
	t.Helper()
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	if len(found) == 0 { // not Linux
		out, err := exec.CommandContext(t.Context(), "ps", "-axo", "args").Output()
		if err != nil {
			t.Fatalf("list processes: %v", err)
		}
		return strings.Split(string(out), "\n")
	}
	var lines []string
	for _, path := range found {
		if text, err := os.ReadFile(path); err == nil { // else it has ended meanwhile
			lines = append(lines, string(bytes.ReplaceAll(bytes.TrimRight(text, "\x00"), []byte{0}, []byte{' '})))
		}
	}
	return lines
}

// mustContain fails the test for each text that is missing.
func mustContain(t *testing.T, printed string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(printed, text) {
			t.Errorf("%q is missing in:\n%s", text, printed)
		}
	}
}

// mustNotContain fails the test for each text that is there.
func mustNotContain(t *testing.T, printed string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(printed, text) {
			t.Errorf("%q must not be in:\n%s", text, printed)
		}
	}
}
