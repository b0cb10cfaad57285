package devdb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"

	"github.com/eggapi/eggapi/internal/fault"
)

const (
	newestMajor  = 18
	fetchTimeout = 5 * time.Minute // 15 MB on a slow line
	waitInterval = 100 * time.Millisecond
	fetchReport  = 5 * time.Second
)

// fetchable are the versions the library knows, by major version.
var fetchable = map[int]embeddedpostgres.PostgresVersion{
	15: embeddedpostgres.V15,
	16: embeddedpostgres.V16,
	17: embeddedpostgres.V17,
	18: embeddedpostgres.V18,
}

func unpackedName(version string) string { return "postgresql-" + version }

func cached(cacheDir string, major int) (binaries, bool) {
	version, ok := fetchable[orNewest(major)]
	if !ok {
		return binaries{}, false
	}
	b := binaries{dir: filepath.Join(cacheDir, unpackedName(string(version)), "bin"), major: orNewest(major)}
	_, err := os.Stat(b.path("postgres"))
	return b, err == nil
}

func orNewest(major int) int {
	if major == 0 {
		return newestMajor
	}
	return major
}

// fetch brings the binaries of a major version into the cache. Processes that want the same wait for one another.
func fetch(ctx context.Context, o Options, major int) (binaries, error) {
	version, ok := fetchable[orNewest(major)]
	if !ok {
		return binaries{}, fmt.Errorf("PostgreSQL %d cannot be fetched", major)
	}
	if err := makeOpenDir(o.CacheDir); err != nil {
		return binaries{}, fault.Wrap(err, "make the cache folder")
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	unlock, err := waitLock(ctx, filepath.Join(o.CacheDir, "fetch.lock"))
	if err != nil {
		return binaries{}, err
	}
	defer unlock()
	if b, ok := cached(o.CacheDir, major); ok {
		return b, nil
	}
	staging, err := stage(o.CacheDir)
	if err != nil {
		return binaries{}, err
	}
	defer func() { _ = os.RemoveAll(staging) }()
	o.Progress(fmt.Sprintf("Fetching PostgreSQL %s (about 15 MB, once) ...", version))
	if err := await(ctx, o.Progress, func() error { return unpack(version, staging) }); err != nil {
		return binaries{}, err
	}
	if _, err := inspect(ctx, filepath.Join(staging, "server", "bin")); err != nil {
		return binaries{}, err
	}
	final := filepath.Join(o.CacheDir, unpackedName(string(version)))
	if err := os.Rename(filepath.Join(staging, "server"), final); err != nil {
		return binaries{}, fault.Wrap(err, "put the fetched server in place")
	}
	b, _ := cached(o.CacheDir, major)
	return b, nil
}

// stage makes an empty folder to unpack in and clears those that broken downloads left.
func stage(cacheDir string) (string, error) {
	const pattern = "unpacking-*"
	broken, _ := filepath.Glob(filepath.Join(cacheDir, pattern))
	for _, dir := range broken {
		_ = os.RemoveAll(dir)
	}
	dir, err := os.MkdirTemp(cacheDir, pattern)
	return dir, fault.Wrap(err, "make a folder to unpack in")
}

// unpack makes the library download a server and unpack it under staging/server.
// The library has no call for that alone. Given a data folder that holds nothing but a version it fetches,
// unpacks and then fails to start the server, which is where we take over.
func unpack(version embeddedpostgres.PostgresVersion, staging string) error {
	data := filepath.Join(staging, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fault.Wrap(err, "make a folder to unpack in")
	}
	major, _, _ := strings.Cut(string(version), ".")
	if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte(major+"\n"), 0o600); err != nil {
		return fault.Wrap(err, "make a folder to unpack in")
	}
	server := filepath.Join(staging, "server")
	err := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(version).
		Port(0).
		CachePath(filepath.Join(staging, "archive")).
		RuntimePath(filepath.Join(staging, "run")).
		DataPath(data).
		BinariesPath(server).
		Logger(nil)).Start()
	if _, statErr := os.Stat(filepath.Join(server, "bin", "initdb")); statErr != nil {
		return fault.Wrap(errors.Join(err, statErr), "download and unpack")
	}
	return openToAll(server)
}

// openToAll lets every account run the server, whatever the umask was: as root another account runs it.
func openToAll(dir string) error {
	tree, err := os.OpenRoot(dir)
	if err != nil {
		return fault.Wrap(err, "open the unpacked server")
	}
	defer func() { _ = tree.Close() }()
	err = fs.WalkDir(tree.FS(), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if mode&0o100 != 0 {
			mode |= 0o111
		}
		return tree.Chmod(path, mode)
	})
	return fault.Wrap(err, "open the unpacked server to all")
}

// await runs work that knows no context, says every few seconds that it goes on, and gives up with ctx.
func await(ctx context.Context, progress func(string), work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	start := time.Now()
	tick := time.NewTicker(fetchReport)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		case now := <-tick.C:
			progress(fmt.Sprintf("Still fetching (%d s) ...", int(now.Sub(start).Seconds())))
		}
	}
}

// waitLock takes an exclusive lock on path, waiting until ctx ends.
func waitLock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, "open a lock")
	}
	tick := time.NewTicker(waitInterval)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fault.Wrap(err, "take a lock")
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
	}
}
