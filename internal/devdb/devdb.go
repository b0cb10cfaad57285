// Package devdb is a private, real PostgreSQL that starts with the program and stops with it.
//
// Owns: finding or fetching the server's binaries, one cluster in one folder, its process, port and password.
// Does not own: the schema, and any server named by DATABASE_URL.
// May touch: embedded-postgres (fetching only), pgx (to see that the server answers), files and processes; unix only.
// Always true: one running program per folder; whatever a kill -9 left behind never blocks the next start.
package devdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/eggapi/eggapi/internal/fault"
)

// Options says where the cluster lives and which server runs it. Only Dir is required.
type Options struct {
	Dir        string            // holds the cluster (postgres/), its password, log and lock; made when missing
	CacheDir   string            // where fetched binaries are kept; empty = CacheDir()
	BinDir     string            // a folder with postgres and initdb, used before any other
	Progress   func(line string) // told about work that takes seconds; may be nil
	Logger     *slog.Logger      // told about a server that exits by itself; may be nil
	Settings   map[string]string // server settings on top of our own
	Disposable bool              // nothing in it is worth keeping: fast and unsafe; made anew after an unclean end
}

// DB is a running server that belongs to this process.
type DB struct {
	o        Options
	lock     *dirLock
	bin      binaries
	who      identity
	cluster  string // absolute, symlinks resolved
	password string

	mu   sync.Mutex
	port int
	proc *process
}

// Start brings the cluster in o.Dir up, making it on first use, and returns when it answers.
// It fails with *BusyError while another process has the folder. ctx bounds the start only.
func Start(ctx context.Context, o Options) (*DB, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	lock, err := takeLock(o.Dir)
	if err != nil {
		return nil, err
	}
	d := &DB{o: o, lock: lock}
	if err := d.open(ctx); err != nil {
		d.lock.release()
		return nil, fault.Wrap(err, "start the database in "+o.Dir)
	}
	return d, nil
}

// URL is the address of the cluster's database on the loopback interface, password included.
func (d *DB) URL() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.address()
}

func (d *DB) address() string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", superuser, d.password, d.port, database)
}

// Stop ends sessions, writes everything out and frees the folder. When ctx ends first the server is
// stopped at once; it then recovers at the next start. A second call does nothing.
func (d *DB) Stop(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lock == nil {
		return nil
	}
	var err error
	if d.proc != nil {
		err = d.proc.stop(ctx)
		d.proc = nil
	}
	if err == nil && d.o.Disposable {
		err = os.WriteFile(d.cleanMark(), nil, 0o600)
	}
	d.lock.release()
	d.lock = nil
	return fault.Wrap(err, "stop the database")
}

// RestartImmediate stops the server as a crash would and starts it again on the same port.
// The URL stays valid; every session is lost. It fails after Stop.
func (d *DB) RestartImmediate(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lock == nil {
		return errors.New("restart the database: it is stopped")
	}
	if d.proc != nil {
		d.proc.quit()
		d.proc = nil
	}
	return fault.Wrap(d.launchOn(ctx, d.port), "restart the database")
}

func (o Options) complete() (Options, error) {
	if o.Dir == "" {
		return o, errors.New("start the database: no folder given")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, fault.Wrap(err, "find the database folder")
	}
	if err := makeOpenDir(dir); err != nil {
		return o, fault.Wrap(err, "make the database folder")
	}
	// The server reports resolved paths, and orphans are recognised by theirs.
	if o.Dir, err = filepath.EvalSymlinks(dir); err != nil {
		return o, fault.Wrap(err, "find the database folder")
	}
	if o.CacheDir == "" {
		if o.CacheDir, err = CacheDir(); err != nil {
			return o, err
		}
	}
	if o.CacheDir, err = filepath.Abs(o.CacheDir); err != nil {
		return o, fault.Wrap(err, "find the cache folder")
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// open leaves d running, or nothing running.
func (d *DB) open(ctx context.Context) error {
	cluster, err := clusterPath(d.o.Dir)
	if err != nil {
		return err
	}
	major, err := clusterMajor(cluster)
	if err != nil {
		return err
	}
	if d.bin, err = locate(ctx, d.o, major); err != nil {
		return err
	}
	if d.who, d.cluster, err = d.settle(ctx, cluster); err != nil {
		return err
	}
	if err := reap(ctx, d.cluster); err != nil {
		return err
	}
	if !d.o.Disposable {
		return d.bringUp(ctx)
	}
	if os.Remove(d.cleanMark()) == nil {
		if err := d.bringUp(ctx); err == nil || ctx.Err() != nil {
			return err
		}
	}
	if err := os.RemoveAll(d.cluster); err != nil {
		return fault.Wrap(err, "throw the broken cluster away")
	}
	return d.bringUp(ctx)
}

// cleanMark is a file that stands while a disposable cluster is stopped and whole. Without fsync nothing else tells.
func (d *DB) cleanMark() string { return filepath.Join(d.o.Dir, "clean") }

func (d *DB) bringUp(ctx context.Context) error {
	if err := d.ensureCluster(ctx); err != nil {
		return err
	}
	return d.launch(ctx)
}
