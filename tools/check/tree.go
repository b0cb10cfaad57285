package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A Tree is the checkout: every file a person wrote, by its slashed path.
type Tree struct {
	Root  string
	Paths []string // sorted
	texts map[string]string
}

// Folders that hold nothing a person wrote for this project.
var skipped = []string{".git", "node_modules", ".data", "bin", ".stamps", ".venv", "target"}

// ReadTree lists the files under root. Derived files are listed too; Derived tells them apart.
func ReadTree(root string) (*Tree, error) {
	t := &Tree{Root: root, texts: map[string]string{}}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains(skipped, d.Name()) {
			return filepath.SkipDir
		}
		rel, err := filepath.Rel(root, p)
		if err == nil && d.Type().IsRegular() {
			t.Paths = append(t.Paths, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the files: %w", err)
	}
	slices.Sort(t.Paths)
	return t, nil
}

// Derived tells whether a tool writes the file: everything under gen/ but its hand-written Go, and
// what carries gen in its name.
func Derived(p string) bool {
	if path.Base(p) == "package-lock.json" || path.Base(p) == "go.sum" || strings.Contains(path.Base(p), ".gen.") {
		return true
	}
	return strings.HasPrefix(p, "gen/") && (path.Dir(p) != "gen" || path.Ext(p) != ".go")
}

// Has tells whether the file exists.
func (t *Tree) Has(p string) bool {
	_, ok := slices.BinarySearch(t.Paths, p)
	return ok
}

// Match returns the paths that fit a path.Match pattern.
func (t *Tree) Match(pattern string) []string {
	var out []string
	for _, p := range t.Paths {
		if ok, err := path.Match(pattern, p); ok && err == nil {
			out = append(out, p)
		}
	}
	return out
}

// Text reads a file; a missing one is empty.
func (t *Tree) Text(p string) (string, error) {
	if text, ok := t.texts[p]; ok {
		return text, nil
	}
	b, err := os.ReadFile(filepath.Join(t.Root, filepath.FromSlash(p)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read a file: %w", err)
	}
	t.texts[p] = string(b)
	return string(b), nil
}

// lines counts the lines of a text.
func lines(text string) int {
	n := strings.Count(text, "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		n++
	}
	return n
}

// stem is a file's name without folder and ending.
func stem(p string) string {
	return strings.TrimSuffix(path.Base(p), path.Ext(p))
}
