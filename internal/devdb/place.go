package devdb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/eggapi/eggapi/internal/fault"
)

// The folders of root are outside its home, because the account that runs the server cannot enter homes.
var (
	rootCache = "/var/cache/eggapi"
	rootState = "/var/lib/eggapi"
)

// CacheDir is the folder for what this user may lose: fetched binaries and test clusters. It exists on return.
func CacheDir() (string, error) {
	if os.Geteuid() == 0 {
		if err := ownFolder(rootCache); err == nil {
			return rootCache, nil
		}
	}
	if base, err := os.UserCacheDir(); err == nil {
		dir := filepath.Join(base, "eggapi")
		if err := ownFolder(dir); err == nil {
			return dir, nil
		}
	}
	dir := tempFolder()
	return dir, fault.Wrap(ownFolder(dir), "make a cache folder")
}

// ScratchDir is the fastest folder for data that may vanish at any time: in memory where the system offers
// at least 2 GiB of it as a file system, else CacheDir. It exists on return.
func ScratchDir() (string, error) {
	const room = 2 << 30
	if memoryFolder != "" {
		dir := filepath.Join(memoryFolder, filepath.Base(tempFolder()))
		_, err := os.Stat(dir)
		// Once made it stays the answer, so that all processes agree while the memory fills.
		if (err == nil || freeMemory(memoryFolder) >= room) && ownFolder(dir) == nil {
			return dir, nil
		}
	}
	return CacheDir()
}

func tempFolder() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("eggapi-%d", os.Geteuid()))
}

// makeOpenDir makes a folder every account may pass through. What is secret inside is closed itself.
func makeOpenDir(dir string) error {
	return os.MkdirAll(dir, 0o755) //nolint:gosec // as root another account runs the server
}

// ownFolder makes dir and makes sure that nobody else put it there, which matters under a shared /tmp.
func ownFolder(dir string) error {
	if err := makeOpenDir(dir); err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(st.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is not a folder of our own", dir)
	}
	if os.Geteuid() == 0 {
		// A strict umask would shut out the account that runs the server.
		if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // folders on the way hold no secrets
			return err
		}
	}
	return syscall.Access(dir, 7)
}

// clusterPath is where the data of dir is: dir/postgres, or where that symlink leads.
func clusterPath(dir string) (string, error) {
	path := filepath.Join(dir, "postgres")
	resolved, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		// A symlink to a folder that is gone: the data is gone with it.
		if _, err := os.Lstat(path); err == nil {
			return path, fault.Wrap(os.Remove(path), "remove a dead link to the database")
		}
		return path, nil
	}
	return resolved, fault.Wrap(err, "find the database's data")
}

// clusterMajor is the major version that made the cluster, 0 when there is none.
func clusterMajor(cluster string) (int, error) {
	text, err := os.ReadFile(filepath.Join(cluster, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fault.Wrap(err, "read the data's version (was it made by another user?)")
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return major, fault.Wrap(err, "read the data's version")
}

// settle decides who runs the server and where its data is. Data moves only before it exists: when nobody
// who may run the server can reach the folder, a new cluster goes to a folder of the system and
// dir/postgres becomes a link to it.
func (d *DB) settle(ctx context.Context, cluster string) (identity, string, error) {
	who, refusals := d.choose(ctx, cluster)
	if who != nil {
		return *who, cluster, own(cluster, *who)
	}
	if major, err := clusterMajor(cluster); err != nil || major != 0 {
		return identity{}, "", errors.Join(append(refusals, err)...)
	}
	for _, base := range []string{rootState, tempFolder()} {
		if err := ownFolder(base); err != nil {
			refusals = append(refusals, err)
			continue
		}
		sum := sha256.Sum256([]byte(d.o.Dir))
		moved := filepath.Join(base, "postgres-"+hex.EncodeToString(sum[:6]))
		who, more := d.choose(ctx, moved)
		if who == nil {
			refusals = append(refusals, more...)
			continue
		}
		d.o.Progress(fmt.Sprintf("No account but root can reach %s, so the data goes to %s.", d.o.Dir, moved))
		if err := os.Symlink(moved, filepath.Join(d.o.Dir, "postgres")); err != nil {
			return identity{}, "", fault.Wrap(err, "link to the data")
		}
		return *who, moved, own(moved, *who)
	}
	return identity{}, "", fmt.Errorf("PostgreSQL refuses to run as root and no other way was open: %w", errors.Join(refusals...))
}
