package dbtest

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/eggapi/eggapi/internal/devdb"
	"github.com/eggapi/eggapi/internal/fault"
)

// guardEnv makes a test binary the guard of a cluster instead of a test: it runs the server for all of them and
// stops it when nobody has used it for a while.
const guardEnv = "EGGAPI_DBTEST_GUARD"

const (
	stopTimeout   = 10 * time.Second
	sweepInterval = time.Minute
	maxLogBytes   = 1 << 20
)

// order is what a guard is told.
type order struct {
	Dir    string
	BinDir string // a folder with postgres and initdb; empty = any
	Idle   time.Duration
}

func (o order) usersPath() string { return filepath.Join(o.Dir, "users.lock") }
func (o order) urlPath() string   { return filepath.Join(o.Dir, "url") }
func (o order) logPath() string   { return filepath.Join(o.Dir, "guard.log") }

func init() {
	text, ok := os.LookupEnv(guardEnv) //nolint:forbidigo // set by spawnGuard and by nobody else
	if !ok {
		return
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	var o order
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = keep(ctx, o, log)
	}
	if err != nil {
		log.ErrorContext(ctx, "the guard gives up", slog.Any("error", err))
		os.Exit(1) //nolint:gocritic // nothing is left to undo
	}
	os.Exit(0)
}

// spawnGuard starts this binary again as a guard that outlives us: a session of its own, and none of our pipes,
// whose closing `go test` waits for.
func spawnGuard(o order) (*exec.Cmd, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, fault.Wrap(err, "order a guard")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fault.Wrap(err, "find this program")
	}
	if info, err := os.Stat(o.logPath()); err == nil && info.Size() > maxLogBytes {
		_ = os.Remove(o.logPath())
	}
	log, err := os.OpenFile(o.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, "open the guard's log")
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(self) // without a context: it must outlive every one here
	cmd.Env = append(os.Environ(), guardEnv+"="+string(text))
	cmd.Dir = o.Dir
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, fault.Wrap(cmd.Start(), "start a guard")
}

// keep runs the cluster until nobody has used it for o.Idle or ctx ends. It does nothing when another guard has it.
func keep(ctx context.Context, o order, log *slog.Logger) error {
	db, err := devdb.Start(ctx, devdb.Options{
		Dir:        o.Dir,
		BinDir:     o.BinDir,
		Settings:   settings,
		Disposable: true,
		Logger:     log,
		Progress:   func(line string) { log.InfoContext(ctx, "starting", slog.String("step", line)) },
	})
	var busy *devdb.BusyError
	if errors.As(err, &busy) {
		return nil
	}
	if err != nil {
		return err
	}
	err = serve(ctx, o, db.URL(), log)
	_ = os.Remove(o.urlPath())
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return errors.Join(err, db.Stop(stopping))
}

// serve cleans up, lets the users in and returns when the last has been gone for o.Idle. From then on it holds
// the users lock, so whoever comes next waits until this process has ended and finds no server half stopped.
func serve(ctx context.Context, o order, url string, log *slog.Logger) error {
	users, err := os.OpenFile(o.usersPath(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fault.Wrap(err, "open the test cluster's lock")
	}
	if err := clean(ctx, url); err != nil {
		return err
	}
	if err := os.WriteFile(o.urlPath()+".new", []byte(url), 0o600); err != nil {
		return fault.Wrap(err, "write the test cluster's address")
	}
	if err := os.Rename(o.urlPath()+".new", o.urlPath()); err != nil {
		return fault.Wrap(err, "write the test cluster's address")
	}
	log.InfoContext(ctx, "the test cluster is up")
	lastUsed, lastSwept := time.Now(), time.Now()
	for pause(ctx, o.Idle/20) == nil {
		now := time.Now()
		if now.Sub(lastSwept) > sweepInterval {
			lastSwept = now
			if err := sweep(ctx, url); err != nil {
				log.WarnContext(ctx, "old test databases stay", slog.Any("error", err))
			}
		}
		if syscall.Flock(int(users.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			lastUsed = now
			continue
		}
		if now.Sub(lastUsed) >= o.Idle {
			log.InfoContext(ctx, "nobody uses the test cluster")
			return nil
		}
		_ = syscall.Flock(int(users.Fd()), syscall.LOCK_UN)
	}
	return nil
}
