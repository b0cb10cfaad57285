package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fakeS3 keeps objects of one bucket in memory: put, get with ranges, list. It stands in for R2 and its like.
type fakeS3 struct {
	requests atomic.Int64
	refuse   atomic.Bool
	mu       sync.Mutex
	objects  map[string][]byte
	kinds    map[string]string
	problems []string
}

func (f *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.requests.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=test-id/") || f.refuse.Load() {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<Error><Code>AccessDenied</Code></Error>`)
		return
	}
	key, ok := strings.CutPrefix(r.URL.Path, "/pictures/")
	if !ok && r.URL.Path != "/pictures" {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `<Error><Code>NoSuchBucket</Code></Error>`)
		return
	}
	switch {
	case r.Method == http.MethodPut:
		f.put(r, key)
	case r.URL.Query().Has("list-type"):
		_, _ = io.WriteString(w, `<ListBucketResult><Name>pictures</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>`)
	default:
		f.get(w, r, key)
	}
}

func (f *fakeS3) put(r *http.Request, key string) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("X-Amz-Trailer") != "" || r.Header.Get("X-Amz-Sdk-Checksum-Algorithm") != "" {
		f.problems = append(f.problems, fmt.Sprint("a checksum that simple S3 servers refuse: ", r.Header, err))
	}
	f.objects[key], f.kinds[key] = body, r.Header.Get("Content-Type")
}

func (f *fakeS3) get(w http.ResponseWriter, r *http.Request, key string) {
	data, found := f.objects[key]
	if !found {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `<Error><Code>NoSuchKey</Code></Error>`)
		return
	}
	w.Header().Set("Content-Type", f.kinds[key])
	w.Header().Set("ETag", `"abc"`)
	http.ServeContent(w, r, "", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), bytes.NewReader(data))
}

func openS3Store(t *testing.T, bucket string) (*Store, *fakeS3) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test-id", "AWS_SECRET_ACCESS_KEY": "test-secret", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": t.TempDir() + "/none", "AWS_SHARED_CREDENTIALS_FILE": t.TempDir() + "/none", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	fake := &fakeS3{objects: map[string][]byte{}, kinds: map[string]string{}}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	s, err := Open(t.Context(), "s3://"+bucket+"?region=auto&use_path_style=true&endpoint="+server.URL, "https://cdn.example.com")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close()
		for _, p := range fake.problems {
			t.Error(p)
		}
	})
	return s, fake
}

func TestS3_PutGetAndRanges(t *testing.T) {
	s, fake := openS3Store(t, "pictures")
	checkRanges(t, s)
	fake.mu.Lock()
	defer fake.mu.Unlock()
	if kind := fake.kinds["images/gen_1/0.png"]; kind != "image/png" {
		t.Errorf("stored as %q", kind)
	}
}

func TestS3_ForeignPathsCostNoRequest(t *testing.T) {
	s, fake := openS3Store(t, "pictures")
	for _, path := range foreignPaths {
		if _, err := s.Get(t.Context(), path); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", path, err)
		}
	}
	if n := fake.requests.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
	if _, err := s.Get(t.Context(), "images/gen_9/0.png"); !errors.Is(err, ErrNotFound) || fake.requests.Load() != 1 {
		t.Errorf("a missing file gives %v after %d requests", err, fake.requests.Load())
	}
}

func TestS3_RefusalIsAnErrorAndNotAnAbsence(t *testing.T) {
	s, fake := openS3Store(t, "pictures")
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
	fake.refuse.Store(true)
	if _, err := s.Get(t.Context(), "images/gen_1/0.png"); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("get: %v", err)
	}
	if _, err := s.Put(t.Context(), Object{TaskID: "gen_1", MIME: "image/png", Data: []byte("x")}); err == nil {
		t.Error("put: no error")
	}
	if s.Ping(t.Context()) == nil {
		t.Error("ping: no error")
	}
	other, _ := openS3Store(t, "missing")
	if other.Ping(t.Context()) == nil {
		t.Error("ping of a missing bucket: no error")
	}
}
