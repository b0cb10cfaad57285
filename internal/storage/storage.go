// Package storage keeps the image files.
//
// Owns: where a file of a task lies, its kind by name, its public address.
// Does not own: the bytes' origin and checks (fetch), HTTP headers (server), when files are deleted.
// May touch: gocloud.dev/blob with its file and S3 drivers; one directory or one bucket.
// Always true: a path leads to a whole file or to none; a path of any other shape never reaches the disk.
package storage

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/s3blob"

	"github.com/eggapi/eggapi/internal/coalesce"
	"github.com/eggapi/eggapi/internal/fault"
)

// maxPathBytes keeps every part of a path below the 255 bytes a file name may have.
const maxPathBytes = 200

// ErrNotFound says that there is no such file, or that the path could not be one of ours.
var ErrNotFound = errors.New("file not found")

var (
	pathPattern = regexp.MustCompile(`^images/[a-z0-9_]+/[0-9]+\.(png|jpg|webp|gif)$`)

	extensions = map[string]string{"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif"}
	mimes      = map[string]string{"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}
)

// Store is one bucket of image files. It is safe for concurrent use.
type Store struct {
	bucket  *blob.Bucket
	dir     string // the bucket's directory; empty when it is not on this machine
	baseURL string
	shared  *coalesce.Group[string, struct{}] // writes of folders that many files are in
}

// Open connects to a bucket. bucketURL is file:///absolute/directory, made when missing, or s3://name with the
// query parameters of gocloud.dev/blob/s3blob (region, endpoint, use_path_style); S3 credentials come from the AWS
// environment and files. publicBaseURL is what a path is appended to, such as http://127.0.0.1:8080/files.
// It fails on another scheme or shape, or when the directory cannot be made; S3 is not contacted (see Ping).
func Open(ctx context.Context, bucketURL, publicBaseURL string) (*Store, error) {
	base, err := url.Parse(publicBaseURL)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("open storage: the public base must be an http or https URL without query")
	}
	s := &Store{baseURL: strings.TrimRight(publicBaseURL, "/")}
	s.shared = coalesce.New(coalesce.Config[string, struct{}]{Run: s.syncShared, Slots: 1, MaxSet: 4096, MaxWaiting: 4096})
	u, err := url.Parse(bucketURL)
	if err != nil {
		return nil, errors.New("open storage: the bucket URL is unreadable")
	}
	switch u.Scheme {
	case "file":
		s.bucket, err = openDir(u)
		s.dir = filepath.FromSlash(u.Path)
	case "s3":
		s.bucket, err = openS3(ctx, *u)
	default:
		err = errors.New("the bucket URL must begin with file:// or s3://")
	}
	if err != nil {
		return nil, fault.Wrap(err, "open storage")
	}
	return s, nil
}

func openDir(u *url.URL) (*blob.Bucket, error) {
	if u.Host != "" || u.RawQuery != "" || !filepath.IsAbs(filepath.FromSlash(u.Path)) || u.Path == "/" {
		return nil, errors.New("a file bucket is file:// and an absolute directory, nothing else")
	}
	return fileblob.OpenBucket(filepath.FromSlash(u.Path), &fileblob.Options{
		CreateDir:   true,
		DirFileMode: 0o750,
		NoTempDir:   true, // a rename is atomic only inside one file system
		Metadata:    fileblob.MetadataDontWrite,
	})
}

func openS3(ctx context.Context, u url.URL) (*blob.Bucket, error) {
	q := u.Query()
	if q.Has("endpoint") {
		// Many S3-compatible services refuse the checksums that the AWS client adds by default.
		for _, name := range []string{"request_checksum_calculation", "response_checksum_validation"} {
			if !q.Has(name) {
				q.Set(name, "when_required")
			}
		}
	}
	u.RawQuery = q.Encode()
	return new(s3blob.URLOpener).OpenBucketURL(ctx, &u)
}

// URL gives the public address of a path.
func (s *Store) URL(path string) string {
	return s.baseURL + "/" + path
}

// Ping fails when the directory is gone or the bucket does not answer or allow listing.
func (s *Store) Ping(ctx context.Context) error {
	if s.dir != "" {
		// The file driver finds a missing directory accessible.
		info, err := os.Stat(s.dir)
		if err != nil {
			return fault.Wrap(err, "ping storage")
		}
		if !info.IsDir() {
			return errors.New("ping storage: not a directory")
		}
		return nil
	}
	ok, err := s.bucket.IsAccessible(ctx)
	if err != nil {
		return fault.Wrap(err, "ping storage")
	}
	if !ok {
		return errors.New("ping storage: no such bucket")
	}
	return nil
}

// Close releases the bucket; the Store must not be used afterwards.
func (s *Store) Close() error {
	return fault.Wrap(s.bucket.Close(), "close storage")
}

// pathOf gives the one place where an image of a task lies.
func pathOf(o Object) (string, error) {
	ext, known := extensions[o.MIME]
	if !known {
		return "", errors.New("not one of the kept image kinds")
	}
	path := fmt.Sprintf("images/%s/%d.%s", o.TaskID, o.Index, ext)
	if !validPath(path) {
		return "", errors.New("task id or index does not make a path")
	}
	return path, nil
}

func validPath(path string) bool {
	return len(path) <= maxPathBytes && pathPattern.MatchString(path)
}
