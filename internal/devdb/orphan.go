package devdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/eggapi/eggapi/internal/fault"
)

const pollInterval = 5 * time.Millisecond

// pidFile is the part of a server's postmaster.pid we use.
type pidFile struct {
	pid    int
	status string // "starting", "ready", "stopping" ...
}

const (
	pidName    = "postmaster.pid"
	pidLine    = 0
	statusLine = 7
)

func pidPath(cluster string) string { return filepath.Join(cluster, pidName) }

func readPIDFile(cluster string) (pidFile, error) {
	text, err := os.ReadFile(pidPath(cluster))
	if err != nil {
		return pidFile{}, err
	}
	lines := strings.Split(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[pidLine]))
	if err != nil {
		return pidFile{}, fault.Wrap(err, "read the server's process file")
	}
	// A server without a postmaster writes its number negated.
	p := pidFile{pid: max(pid, -pid)}
	if len(lines) > statusLine {
		p.status = strings.TrimSpace(lines[statusLine])
	}
	return p, nil
}

// reap stops a server that outlived the process that started it and leaves a process file the next server accepts.
// The caller holds the folder's lock, so a server of this cluster can only be such an orphan.
func reap(ctx context.Context, cluster string) error {
	p, err := readPIDFile(cluster)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if errors.Is(err, strconv.ErrSyntax) {
		// Cut short by a full disk or a crash of the machine; the server would refuse to start over it.
		return fault.Wrap(os.Remove(pidPath(cluster)), "remove a broken process file")
	}
	if err != nil {
		return fault.Wrap(err, "look for a server left behind")
	}
	if serves(ctx, p.pid, cluster) {
		return stopOrphan(ctx, p.pid, cluster)
	}
	if !alive(p.pid) {
		return nil
	}
	return disown(cluster)
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// serves tells whether the process is a server of this cluster and not a stranger that got its number.
func serves(ctx context.Context, pid int, cluster string) bool {
	return strings.Contains(commandLine(ctx, pid)+" ", "-D "+cluster+" ")
}

// stopOrphan asks for a fast shutdown, then an immediate one, then kills.
func stopOrphan(ctx context.Context, pid int, cluster string) error {
	const patience = 5 * time.Second
	var refused error
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		// One we may not signal still ends by itself when its owner's end told it to.
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			refused = err
		}
		gone, err := waitUntil(ctx, patience, func() bool { return !serves(ctx, pid, cluster) })
		if gone || err != nil {
			return err
		}
		if refused != nil {
			return fault.Wrap(refused, fmt.Sprintf("stop process %d, a server left behind", pid))
		}
	}
	return fmt.Errorf("process %d, a server left behind, does not end", pid)
}

// disown puts our own number where a dead server's number stands that a stranger now has. A server takes its
// parent's number for a leftover, as it would a dead one, and still checks the shared memory the file names
// for sessions that live on; removing the file would skip that check.
func disown(cluster string) error {
	data, err := os.OpenRoot(cluster)
	if err != nil {
		return fault.Wrap(err, "open the data")
	}
	defer func() { _ = data.Close() }()
	text, err := data.ReadFile(pidName)
	if err != nil {
		return fault.Wrap(err, "read the server's process file")
	}
	_, rest, _ := bytes.Cut(text, []byte("\n"))
	text = append([]byte(strconv.Itoa(os.Getpid())+"\n"), rest...)
	return fault.Wrap(data.WriteFile(pidName, text, 0o600), "correct the server's process file")
}

// waitUntil polls a condition. It gives false when the time is over and an error when ctx is.
func waitUntil(ctx context.Context, atMost time.Duration, condition func() bool) (bool, error) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-timer.C:
			return false, nil
		case <-tick.C:
		}
	}
	return true, nil
}
