package storage

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"gocloud.dev/blob"

	"github.com/eggapi/eggapi/internal/coalesce"
	"github.com/eggapi/eggapi/internal/fault"
)

// Object is one image to keep.
type Object struct {
	TaskID string // lower-case letters, digits and underscores
	Index  int    // from 0
	MIME   string // as read from the bytes: image/png, image/jpeg, image/webp or image/gif
	Data   []byte // not empty
}

// Put stores an image as images/{task_id}/{index}.{ext} and returns that path. A file already there is replaced, so
// the same Put may be done again after a crash. Until Put has succeeded nothing, or the older file, is seen; once it
// has, the file survives a loss of power as far as the bucket does.
func (s *Store) Put(ctx context.Context, o Object) (string, error) {
	if len(o.Data) == 0 {
		return "", errors.New("put image: no bytes")
	}
	path, err := pathOf(o)
	if err != nil {
		return "", fault.Wrap(err, "put image")
	}
	if err := s.write(ctx, path, o); err != nil {
		return "", fault.Wrap(err, "put image")
	}
	return path, nil
}

func (s *Store) write(ctx context.Context, path string, o Object) error {
	// Closing a writer publishes what it has, unless its context is cancelled.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var file *os.File
	w, err := s.bucket.NewWriter(ctx, path, &blob.WriterOptions{
		ContentType: o.MIME,
		BeforeWrite: func(as func(any) bool) error {
			as(&file) // stays nil when the bucket is not on this machine
			return nil
		},
	})
	if err != nil {
		return err
	}
	_, err = w.Write(o.Data)
	if err == nil && file != nil {
		err = file.Sync()
	}
	if err != nil {
		cancel()
		_ = w.Close()
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return s.syncFolders(ctx, path)
}

// syncFolders makes the new names last: a rename is only kept once its folder is written. The folder of a task is its own;
// those above it are everybody's, and who waits for them waits together.
func (s *Store) syncFolders(ctx context.Context, path string) error {
	if s.dir == "" {
		return nil
	}
	own := filepath.Dir(filepath.FromSlash(path))
	if err := syncFolder(filepath.Join(s.dir, own)); err != nil {
		return err
	}
	_, err := s.shared.Do(ctx, filepath.Dir(own))
	return err
}

// syncShared writes folders and all above them, up to the bucket's own, each once for all who ask.
func (s *Store) syncShared(_ context.Context, folders []string) ([]coalesce.Reply[struct{}], error) {
	written := map[string]bool{}
	for _, folder := range folders {
		for ; !written[folder]; folder = filepath.Dir(folder) {
			if err := syncFolder(filepath.Join(s.dir, folder)); err != nil {
				return nil, err
			}
			written[folder] = true
		}
	}
	return make([]coalesce.Reply[struct{}], len(folders)), nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
