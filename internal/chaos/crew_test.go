//go:build system

package chaos

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	restartPause = 100 * time.Millisecond
	stopPatience = 30 * time.Second
	logTailBytes = 2 << 10
)

type processPlan struct {
	name, path string
	args, env  []string
	dir        string // where its log goes
}

// process is one process of the service, started again whenever it ends, as an init system would.
type process struct {
	processPlan
	logPath string
	done    chan struct{}

	mu       sync.Mutex
	cmd      *exec.Cmd
	starts   int
	kills    int
	gaveUp   int // starts that failed, as they must while the database is away
	crashes  []string
	stopping bool
	lastExit error
}

func startProcess(t *testing.T, plan processPlan) *process {
	t.Helper()
	p := &process{processPlan: plan, logPath: filepath.Join(plan.dir, plan.name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatalf("open a log: %v", err)
	}
	go func() {
		defer close(p.done)
		defer func() { _ = log.Close() }()
		for p.runOnce(log) {
			time.Sleep(restartPause)
		}
	}()
	t.Cleanup(func() {
		p.end(syscall.SIGKILL)
		<-p.done
	})
	return p
}

// runOnce runs the process to its end, and tells whether it is to be started again.
func (p *process) runOnce(log *os.File) bool {
	p.mu.Lock()
	if p.stopping {
		p.mu.Unlock()
		return false
	}
	cmd := exec.Command(p.path, p.args...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = p.env, log, log, p.dir
	killsBefore := p.kills
	p.starts++
	logged, err := log.Seek(0, io.SeekEnd)
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		p.cmd = cmd
	}
	p.mu.Unlock()
	if err == nil {
		err = cmd.Wait()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd = nil
	switch {
	case p.stopping:
		p.lastExit = err
		return false
	case p.kills > killsBefore:
	case p.saidReady(logged):
		p.crashes = append(p.crashes, fmt.Sprintf("%s ended by itself: %v: %s", p.name, err, p.tail()))
	default:
		p.gaveUp++
	}
	return true
}

// kill ends the process without a warning.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	p.kills++
	_ = p.cmd.Process.Kill()
}

// saidReady tells whether the process logged, after so many bytes, that it had begun its work.
func (p *process) saidReady(after int64) bool {
	text, err := os.ReadFile(p.logPath)
	if err != nil || int64(len(text)) < after {
		return true // then its end is for a person to look at
	}
	return bytes.Contains(text[after:], []byte(`"msg":"serving"`)) || bytes.Contains(text[after:], []byte(`"msg":"working"`))
}

func (p *process) end(signal syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopping = true
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(signal)
	}
}

func (p *process) tail() string {
	text, err := os.ReadFile(p.logPath)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-logTailBytes):])
}

// stopCrew asks every process to stop, and holds each to doing so in time and without an error.
func (w *world) stopCrew(t *testing.T) {
	t.Helper()
	for _, p := range w.crew {
		p.end(syscall.SIGTERM)
	}
	for _, p := range w.crew {
		select {
		case <-p.done:
			if p.lastExit != nil {
				t.Errorf("%s did not stop cleanly: %v: %s", p.name, p.lastExit, p.tail())
			}
		case <-time.After(stopPatience):
			t.Errorf("%s did not stop within %s: %s", p.name, stopPatience, p.tail())
		}
		for _, c := range p.crashes {
			t.Error(c)
		}
	}
}
