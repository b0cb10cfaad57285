package storage

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"gocloud.dev/gcerrors"

	"github.com/eggapi/eggapi/internal/fault"
)

// File is an open image. The caller closes it. Reading and seeking fit http.ServeContent.
type File struct {
	io.ReadSeekCloser
	MIME      string // by the path's extension
	SizeBytes int64
	ModTime   time.Time
	ETag      string // quoted, strong; changes when the file is replaced
}

// Get opens the file at a path that Put returned. It gives ErrNotFound when there is none, and for a path of any
// other shape without looking. ctx must live as long as the File is read.
func (s *Store) Get(ctx context.Context, path string) (*File, error) {
	if !validPath(path) {
		return nil, ErrNotFound
	}
	r, err := s.bucket.NewReader(ctx, path, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fault.Wrap(err, "get image")
	}
	return &File{
		ReadSeekCloser: r,
		MIME:           mimes[path[strings.LastIndexByte(path, '.')+1:]],
		SizeBytes:      r.Size(),
		ModTime:        r.ModTime(),
		ETag:           fmt.Sprintf(`"%x-%x"`, r.ModTime().UnixNano(), r.Size()),
	}, nil
}
