package devdb

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// process is a running server, a child of ours.
type process struct {
	cmd      *exec.Cmd
	exited   chan struct{}
	err      error // set before exited closes
	expected atomic.Bool
}

// spawn starts the server from a thread of its own that lives as long as the server: on Linux the server is told
// to end when the thread that started it ends, and the runtime is free to end other threads early.
func spawn(cmd *exec.Cmd) (*process, error) {
	dieWithParent(cmd.SysProcAttr)
	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.exited)
		}
	}()
	return p, <-started
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// stop asks for a fast shutdown and falls back to an immediate one when ctx ends.
func (p *process) stop(ctx context.Context) error {
	p.expected.Store(true)
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.exited:
		return p.err
	case <-ctx.Done():
		p.quit()
		return context.Cause(ctx)
	}
}

// quit stops the server as a crash would, and returns when it is gone.
func (p *process) quit() {
	const patience = 5 * time.Second
	p.expected.Store(true)
	_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// watch logs an end nobody asked for.
func (p *process) watch(ctx context.Context, log *slog.Logger) {
	<-p.exited
	if !p.expected.Load() {
		log.LogAttrs(ctx, slog.LevelError, "the private database ended by itself", slog.Any("error", p.err))
	}
}
