package storage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openIn(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), "file://"+dir, "http://127.0.0.1:8080/files/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func filesUnder(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, filepath.ToSlash(strings.TrimPrefix(path, dir+string(filepath.Separator))))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func read(t *testing.T, s *Store, path string) []byte {
	t.Helper()
	f, err := s.Get(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestPut_NamesTheFileByTaskIndexAndKind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "open")
	s := openIn(t, dir)
	var want []string
	for mime, path := range map[string]string{
		"image/png": "images/gen_01a/0.png", "image/jpeg": "images/gen_01a/0.jpg",
		"image/webp": "images/gen_01a/0.webp", "image/gif": "images/gen_01a/0.gif",
	} {
		got, err := s.Put(t.Context(), Object{TaskID: "gen_01a", MIME: mime, Data: []byte(mime)})
		if err != nil || got != path {
			t.Fatalf("%s: %q, %v", mime, got, err)
		}
		f, err := s.Get(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if f.MIME != mime || f.SizeBytes != int64(len(mime)) || f.ModTime.IsZero() || !strings.HasPrefix(f.ETag, `"`) {
			t.Errorf("%s: %+v", mime, f)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if s.URL(path) != "http://127.0.0.1:8080/files/"+path {
			t.Errorf("URL %s", s.URL(path))
		}
		want = append(want, path)
	}
	if diff := cmp.Diff(len(want), len(filesUnder(t, dir))); diff != "" {
		t.Errorf("only the images lie in the directory: %s %v", diff, filesUnder(t, dir))
	}
}

func TestPut_AgainReplacesTheFile(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	for _, body := range []string{"first", "the second, longer", "3"} {
		path, err := s.Put(t.Context(), Object{TaskID: "gen_1", Index: 3, MIME: "image/png", Data: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, s, path); string(got) != body {
			t.Errorf("got %q, want %q", got, body)
		}
	}
	if diff := cmp.Diff([]string{"images/gen_1/3.png"}, filesUnder(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestPut_NeedsNoFolderOutsideTheBucket(t *testing.T) {
	s := openIn(t, t.TempDir())
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	if _, err := s.Put(t.Context(), Object{TaskID: "gen_1", MIME: "image/png", Data: []byte("x")}); err != nil {
		t.Errorf("half-written files are not beside the whole ones: %v", err)
	}
}

func TestPut_RefusesWhatMakesNoPath(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	good := Object{TaskID: "gen_1", MIME: "image/png", Data: []byte("x")}
	for name, change := range map[string]func(o *Object){
		"no bytes": func(o *Object) { o.Data = nil }, "no task": func(o *Object) { o.TaskID = "" },
		"traversal": func(o *Object) { o.TaskID = "../../etc" }, "upper case": func(o *Object) { o.TaskID = "GEN" },
		"long task": func(o *Object) { o.TaskID = strings.Repeat("a", 300) }, "negative": func(o *Object) { o.Index = -1 },
		"svg": func(o *Object) { o.MIME = "image/svg+xml" }, "html": func(o *Object) { o.MIME = "text/html" },
		"parameter": func(o *Object) { o.MIME = "image/png; charset=x" }, "no kind": func(o *Object) { o.MIME = "" },
	} {
		o := good
		change(&o)
		if path, err := s.Put(t.Context(), o); err == nil {
			t.Errorf("%s was stored at %s", name, path)
		}
	}
	if left := filesUnder(t, dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPut_CancelledLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, Object{TaskID: "gen_1", MIME: "image/png", Data: []byte("x")}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left := filesUnder(t, dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestGet_SeesWholeFilesOnlyWhileTheyAreReplaced(t *testing.T) {
	s := openIn(t, t.TempDir())
	version := func(n int) []byte { return bytes.Repeat([]byte{byte(n)}, 100_000+n) }
	put := func(n int) {
		if _, err := s.Put(t.Context(), Object{TaskID: "gen_1", MIME: "image/png", Data: version(n)}); err != nil {
			t.Error(err)
		}
	}
	put(0)
	var wg sync.WaitGroup
	for writer := range 2 {
		wg.Go(func() {
			for n := range 50 {
				put(2*n + writer)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		if got := read(t, s, "images/gen_1/0.png"); !bytes.Equal(got, version(int(got[0]))) {
			t.Fatalf("a mixed or cut file of %d bytes", len(got))
		}
	}
}

func TestGet_ForeignPathsAreNotFound(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"secret.png", "images/secret.txt", "images/gen_1/0.png.1a.tmp", "images/gen_1/0.png.attrs"} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := openIn(t, dir)
	for _, path := range foreignPaths {
		if f, err := s.Get(t.Context(), path); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v, %v", path, f, err)
		}
	}
	if _, err := s.Get(t.Context(), "images/gen_2/0.png"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a missing file gives %v", err)
	}
}

var foreignPaths = []string{
	"", "/", ".", "..", "images", "images/", "images/gen_1", "images/gen_1/", "secret.png", "images/secret.txt",
	"images/../secret.png", "images/gen_1/../../secret.png", "../etc/passwd", "/etc/passwd", "images//0.png", "/images/gen_1/0.png",
	"images/gen_1/0.png.1a.tmp", "images/gen_1/0.png.attrs", "images/gen_1/0.svg", "images/gen_1/0.PNG", "images/gen_1/-1.png",
	"images/gen_1/0.png\n", "images/gen_1/0.png\x00", "images/gen_1/%30.png", "images/gen_1\\0.png", "images/GEN/0.png", "images/gen.1/0.png",
	"images/gen_1/x/0.png", "images/gen_1/a.png", "images/" + strings.Repeat("a", 300) + "/0.png", "images/gen_1/" + strings.Repeat("1", 300) + ".png",
}

func TestGet_ServesRanges(t *testing.T) {
	s := openIn(t, t.TempDir())
	checkRanges(t, s)
}

// checkRanges serves a stored file as the server does.
func checkRanges(t *testing.T, s *Store) {
	t.Helper()
	body := strings.Repeat("0123456789", 1000)
	path, err := s.Put(t.Context(), Object{TaskID: "gen_1", MIME: "image/png", Data: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	var etag string
	for _, tc := range []struct {
		header, value string
		status        int
		want          string
	}{
		{"", "", 200, body},
		{"Range", "bytes=0-4", 206, "01234"},
		{"Range", "bytes=9995-", 206, "56789"},
		{"Range", "bytes=-3", 206, "789"},
		{"Range", "bytes=20000-", 416, ""},
		{"If-None-Match", "etag", 304, ""},
	} {
		f, err := s.Get(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if etag = f.ETag; tc.value == "etag" {
			tc.value = etag
		}
		r.Header.Set(tc.header, tc.value)
		w := httptest.NewRecorder()
		w.Header().Set("ETag", f.ETag)
		w.Header().Set("Content-Type", f.MIME)
		http.ServeContent(w, r, "", f.ModTime, f)
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if w.Code != tc.status || (tc.want != "" && w.Body.String() != tc.want) {
			t.Errorf("%s %s: status %d, %d bytes", tc.header, tc.value, w.Code, w.Body.Len())
		}
	}
}

func TestPing_FailsWhenTheDirectoryIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bucket")
	s := openIn(t, dir)
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("present: %v", err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if s.Ping(t.Context()) == nil {
		t.Error("gone, and Ping is content")
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s.Ping(t.Context()) == nil {
		t.Error("a file, and Ping is content")
	}
}

func TestOpen_RefusesOtherBuckets(t *testing.T) {
	dir := t.TempDir()
	const base = "http://127.0.0.1/files"
	for _, tc := range [][2]string{
		{"mem://", base},
		{"gs://bucket", base},
		{"", base},
		{dir, base},
		{"file://relative/dir", base},
		{"file://./dir", base},
		{"file:///", base},
		{"file://" + dir + "?create_dir=1", base},
		{"file://" + dir + "/%zz", base},
		{"s3://", base},
		{"s3://b?unknown=1", base},
		{"file://" + dir, ""},
		{"file://" + dir, "/files"},
		{"file://" + dir, "ftp://x/files"},
		{"file://" + dir, "http://x/files?a=1"},
	} {
		if s, err := Open(t.Context(), tc[0], tc[1]); err == nil {
			t.Errorf("%q with %q is accepted", tc[0], tc[1])
			_ = s.Close()
		}
	}
}
