package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
)

// mirror makes a folder hold the files, and nothing else. Each is written whole, and only when it changed.
func mirror(files map[string][]byte, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // a folder of the checkout
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for name, body := range files {
		if err := place(root, name, body); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if _, wanted := files[name]; wanted {
			return nil
		}
		return root.Remove(name)
	})
}

func place(root *os.Root, name string, body []byte) error {
	if old, err := root.ReadFile(name); err == nil && bytes.Equal(old, body) {
		return nil
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	if err := root.WriteFile(name+".new", body, 0o644); err != nil {
		return err
	}
	return root.Rename(name+".new", name)
}
