package devdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/eggapi/eggapi/internal/fault"
)

const oldestMajor = 15 // the oldest server the schema is tested on

// binaries is a folder with postgres and initdb of one version.
type binaries struct {
	dir   string
	major int
}

func (b binaries) path(name string) string { return filepath.Join(b.dir, name) }

// localFolders are where package managers and installers put PostgreSQL, as patterns.
var localFolders = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/usr/local/pgsql/bin",
	"/usr/local/bin",
	"/usr/bin",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/opt/homebrew/bin",
	"/usr/local/opt/postgresql@*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// locate finds a server: of the major version the cluster was made with, or for a new cluster (major 0)
// the newest we can fetch, else the newest installed one.
func locate(ctx context.Context, o Options, major int) (binaries, error) {
	if o.BinDir != "" {
		return named(ctx, o.BinDir, major)
	}
	if b, ok := cached(o.CacheDir, major); ok {
		return b, nil
	}
	if major != 0 {
		if b, ok := installed(ctx, o.CacheDir, major); ok {
			return b, nil
		}
	}
	b, err := fetch(ctx, o, major)
	if err == nil {
		return b, nil
	}
	if ctx.Err() != nil {
		return binaries{}, fault.Wrap(err, "fetch PostgreSQL")
	}
	if b, ok := installed(ctx, o.CacheDir, major); ok {
		o.Progress(fmt.Sprintf("PostgreSQL could not be fetched; using version %d from %s.", b.major, b.dir))
		return b, nil
	}
	want := fmt.Sprintf("version %d or newer", oldestMajor)
	if major != 0 {
		want = fmt.Sprintf("version %d, which made the existing data,", major)
	}
	return binaries{}, fmt.Errorf("no PostgreSQL: fetching it failed and none of %s is installed: set EGGAPI_POSTGRES_BIN to a folder with postgres and initdb, or DATABASE_URL to a running server: %w", want, err)
}

func named(ctx context.Context, dir string, major int) (binaries, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return binaries{}, fault.Wrap(err, "find the PostgreSQL folder")
	}
	b, err := inspect(ctx, dir)
	if err != nil {
		return binaries{}, err
	}
	if b.major < oldestMajor {
		return binaries{}, fmt.Errorf("PostgreSQL in %s is version %d, older than %d", dir, b.major, oldestMajor)
	}
	if major != 0 && b.major != major {
		return binaries{}, fmt.Errorf("PostgreSQL in %s is version %d, but the existing data was made by version %d", dir, b.major, major)
	}
	return b, nil
}

// installed gives the newest server on this machine; of exactly the major version unless that is 0.
func installed(ctx context.Context, cacheDir string, major int) (binaries, bool) {
	var best binaries
	for _, dir := range candidates(cacheDir) {
		b, err := inspect(ctx, dir)
		if err != nil || b.major < oldestMajor || (major != 0 && b.major != major) {
			continue
		}
		if b.major > best.major {
			best = b
		}
	}
	return best, best.major != 0
}

func candidates(cacheDir string) []string {
	var dirs []string
	if p, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(p))
	}
	// An older minor version we once fetched is as good as an installed one.
	for _, pattern := range append([]string{filepath.Join(cacheDir, unpackedName("*"), "bin")}, localFolders...) {
		found, _ := filepath.Glob(pattern)
		dirs = append(dirs, found...)
	}
	return dirs
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// inspect asks the server in dir for its version. It fails when postgres or initdb is missing or does not run here.
func inspect(ctx context.Context, dir string) (binaries, error) {
	b := binaries{dir: dir}
	if _, err := os.Stat(b.path("initdb")); err != nil {
		return b, fault.Wrap(err, "look for initdb")
	}
	out, err := exec.CommandContext(ctx, b.path("postgres"), "--version").Output()
	if err != nil {
		return b, fault.Wrap(err, "ask PostgreSQL in "+dir+" for its version")
	}
	m := versionLine.FindSubmatch(out)
	if m == nil {
		return b, errors.New("PostgreSQL in " + dir + " did not tell its version")
	}
	b.major, err = strconv.Atoi(string(m[1]))
	return b, fault.Wrap(err, "read PostgreSQL's version")
}
