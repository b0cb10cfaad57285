package mock

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/eggapi/eggapi/internal/provider"
)

const (
	filesPath = "/files/"
	// maxFileBytes bounds the images that are kept. The oldest is forgotten first.
	maxFileBytes = 256 << 20
)

// files keeps images and serves them as the real service does.
type files struct {
	limitBytes int
	mu         sync.Mutex
	kept       map[string]file
	order      []string // oldest first
	bytes      int
}

type file struct {
	data     []byte
	mime     string
	storedAt time.Time
}

func newFiles() *files { return &files{limitBytes: maxFileBytes, kept: map[string]file{}} }

// put keeps the pictures of a task and gives their paths, in order.
func (f *files) put(taskID string, pictures []provider.Image, now time.Time) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	paths := make([]string, len(pictures))
	for i, p := range pictures {
		paths[i] = fmt.Sprintf("images/%s/%d.png", taskID, i)
		f.kept[paths[i]] = file{data: p.Data, mime: p.MIME, storedAt: now}
		f.order = append(f.order, paths[i])
		f.bytes += len(p.Data)
	}
	for f.bytes > f.limitBytes && len(f.order) > 0 {
		f.bytes -= len(f.kept[f.order[0]].data)
		delete(f.kept, f.order[0])
		f.order = f.order[1:]
	}
	return paths
}

// ServeHTTP serves one file; the path comes without /files/.
func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	kept, ok := f.kept[r.URL.Path]
	f.mu.Unlock()
	if !ok {
		notFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", kept.mime)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(kept.data)))
	http.ServeContent(w, r, "", kept.storedAt, bytes.NewReader(kept.data))
}
