package dbtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/peterldowns/pgtestdb"

	"github.com/eggapi/eggapi/internal/devdb"
	"github.com/eggapi/eggapi/internal/fault"
)

const (
	// clusterName changes with the settings below or the server's version: a process must not join a cluster
	// that another checkout set up differently.
	clusterName = "dbtest-1"
	idleTimeout = 20 * time.Second
	joinTimeout = 6 * time.Minute // the first run ever fetches the server
	joinPoll    = 20 * time.Millisecond
	spawnPause  = 200 * time.Millisecond
)

// settings hold the cluster's log small, for it may live in memory, and keep vacuum workers out of templates,
// which cannot be cloned while one is inside.
var settings = map[string]string{
	"max_connections": "300",
	"autovacuum":      "off",
	"min_wal_size":    "32MB",
	"max_wal_size":    "128MB",
}

// server is where this process's databases are.
type server struct {
	config pgtestdb.Config
	place  *member // held for as long as the process lives; nil at a server the developer named
}

// shared finds this process's server once.
var shared = sync.OnceValues(func() (server, error) {
	if address := setting(serverEnv); address != "" {
		c, err := config(address)
		return server{config: c}, err
	}
	scratch, err := devdb.ScratchDir()
	if err != nil {
		return server{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), joinTimeout)
	defer cancel()
	m, err := join(ctx, order{Dir: filepath.Join(scratch, clusterName), BinDir: setting(binEnv), Idle: idleTimeout})
	if err != nil {
		return server{}, err
	}
	c, err := config(m.url)
	return server{config: c, place: m}, err
})

// member is a process's right to use the cluster: while anyone holds the users lock, the guard keeps the server.
type member struct {
	url   string
	users *os.File
}

func (m *member) leave() { _ = m.users.Close() }

// join waits for the cluster to answer, and starts a guard for it when there is none.
// Any number of processes may do so at once: guards agree among themselves which one stays.
func join(ctx context.Context, o order) (*member, error) {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fault.Wrap(err, "make the test cluster's folder")
	}
	users, err := lockShared(ctx, o.usersPath())
	if err != nil {
		return nil, err
	}
	url, err := findOrStart(ctx, o)
	if err != nil {
		_ = users.Close()
		return nil, err
	}
	return &member{url: url, users: users}, nil
}

func findOrStart(ctx context.Context, o order) (string, error) {
	var guard *exec.Cmd
	var spawned time.Time
	for {
		if url, ok := answering(ctx, o); ok {
			return url, nil
		}
		if guard != nil {
			code, ended := exitCode(guard)
			if ended && code != 0 {
				return "", fmt.Errorf("the test cluster did not start: %s", lastLines(o.logPath()))
			}
			if ended {
				guard = nil // another guard has the folder
			}
		}
		if guard == nil && time.Since(spawned) > spawnPause {
			var err error
			if guard, err = spawnGuard(o); err != nil {
				return "", err
			}
			spawned = time.Now()
		}
		if err := pause(ctx, joinPoll); err != nil {
			return "", fault.Wrap(err, "wait for the test cluster")
		}
	}
}

// answering gives the address the guard wrote down if a server answers there.
func answering(ctx context.Context, o order) (string, bool) {
	text, err := os.ReadFile(o.urlPath())
	if err != nil {
		return "", false
	}
	conn, err := pgx.Connect(ctx, string(text))
	if err != nil {
		return "", false
	}
	return string(text), conn.Close(ctx) == nil
}

// exitCode tells whether a child has ended without waiting for it. Waiting would need a goroutine, and tests
// look for goroutines left behind.
func exitCode(cmd *exec.Cmd) (code int, ended bool) {
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WNOHANG, nil)
	if err != nil {
		return 1, true
	}
	return status.ExitStatus(), pid != 0
}

// lockShared waits for a place among the users; the guard holds the lock alone while it stops the server.
func lockShared(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, "open the test cluster's lock")
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = pause(ctx, joinPoll)
		}
		if err != nil {
			_ = f.Close()
			return nil, fault.Wrap(err, "lock the test cluster")
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

func lastLines(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "its log cannot be read"
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}
