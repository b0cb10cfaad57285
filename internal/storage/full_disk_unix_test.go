//go:build unix

package storage

import (
	"bytes"
	"os/signal"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPut_FullDiskLeavesTheOlderFile lets the kernel refuse a write half way, as a full disk does.
func TestPut_FullDiskLeavesTheOlderFile(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	image := Object{TaskID: "gen_1", MIME: "image/png", Data: []byte("whole")}
	path, err := s.Put(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	limited := old
	limited.Cur = 64 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limited); err != nil {
		t.Fatal(err)
	}
	image.Data = bytes.Repeat([]byte("x"), 1<<20)
	_, replaceErr := s.Put(t.Context(), image)
	image.Index = 1
	_, newErr := s.Put(t.Context(), image)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if replaceErr == nil || newErr == nil {
		t.Fatalf("the disk was not full: %v, %v", replaceErr, newErr)
	}
	if got := read(t, s, path); string(got) != "whole" {
		t.Errorf("the older file became %d bytes", len(got))
	}
	if diff := cmp.Diff([]string{path}, filesUnder(t, dir)); diff != "" {
		t.Errorf("left behind: %s", diff)
	}
}
