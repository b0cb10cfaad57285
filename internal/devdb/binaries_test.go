package devdb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// fakeServer makes a folder whose postgres only tells a version.
func fakeServer(t *testing.T, root, version string) string {
	t.Helper()
	dir := filepath.Join(root, version, "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
	for _, name := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// offline makes fetching fail and only the given pattern be searched.
func offline(t *testing.T, pattern string) Options {
	t.Helper()
	folders, versions := localFolders, fetchable
	localFolders = []string{pattern}
	fetchable = map[int]embeddedpostgres.PostgresVersion{}
	t.Cleanup(func() { localFolders, fetchable = folders, versions })
	t.Setenv("PATH", "/bin")
	return Options{CacheDir: t.TempDir(), Progress: func(line string) { t.Log(line) }}
}

func TestLocate_FallsBackToTheNewestInstalledServer(t *testing.T) {
	root := t.TempDir()
	fakeServer(t, root, "9.6")
	fakeServer(t, root, "15.18")
	newest := fakeServer(t, root, "17.2")
	o := offline(t, filepath.Join(root, "*", "bin"))
	b, err := locate(t.Context(), o, 0)
	if err != nil || b.dir != newest || b.major != 17 {
		t.Errorf("found %+v, %v; want 17 in %s", b, err, newest)
	}
}

func TestLocate_ExistingDataGetsTheVersionThatMadeIt(t *testing.T) {
	root := t.TempDir()
	fakeServer(t, root, "17.2")
	o := offline(t, filepath.Join(root, "*", "bin"))
	if b, err := locate(t.Context(), o, 15); err == nil {
		t.Errorf("data of version 15 was given to %+v", b)
	}
	want := fakeServer(t, root, "15.18")
	if b, err := locate(t.Context(), o, 15); err != nil || b.dir != want {
		t.Errorf("found %+v, %v; want %s", b, err, want)
	}
}

func TestLocate_TooOldOrMissingServerIsExplained(t *testing.T) {
	root := t.TempDir()
	old := fakeServer(t, root, "14.9")
	o := offline(t, filepath.Join(root, "*", "bin"))
	_, err := locate(t.Context(), o, 0)
	if err == nil || !strings.Contains(err.Error(), "EGGAPI_POSTGRES_BIN") {
		t.Errorf("without a server the error is %v, want a hint what to set", err)
	}
	o.BinDir = old
	if _, err := locate(t.Context(), o, 0); err == nil || !strings.Contains(err.Error(), "version 14") {
		t.Errorf("a named server that is too old gives %v", err)
	}
}

func TestLocate_NamedFolderComesFirst(t *testing.T) {
	o := Options{CacheDir: cacheDir(t), BinDir: fakeServer(t, t.TempDir(), "16.4")}
	if b, err := locate(t.Context(), o, 0); err != nil || b.dir != o.BinDir {
		t.Errorf("found %+v, %v; want %s", b, err, o.BinDir)
	}
	if _, err := locate(t.Context(), o, 18); err == nil {
		t.Error("data of version 18 was given to a named version 16")
	}
}
