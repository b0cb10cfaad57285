package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/storage"
)

// files serves stored images. Their type is what they were checked to be, and nothing in them can run.
type files struct {
	store  *storage.Store
	logger *slog.Logger
}

func (f files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, err := f.store.Get(r.Context(), r.URL.Path)
	if errors.Is(err, storage.ErrNotFound) {
		refuse(w, http.StatusNotFound, fault.NotFound, "Not found")
		return
	}
	if err != nil {
		f.logger.ErrorContext(r.Context(), "a file could not be read", "error", err)
		refuse(w, http.StatusServiceUnavailable, fault.ServiceUnavailable, "the service is temporarily unavailable")
		return
	}
	defer func() { _ = file.Close() }()
	h := w.Header()
	h.Set("Content-Type", file.MIME)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if file.ETag != "" {
		h.Set("ETag", file.ETag)
	}
	http.ServeContent(w, r, "", file.ModTime, file)
}

// pages serves the built dashboard and the documentation out of the binary.
type pages struct {
	root   fs.FS
	policy string
	docs   *docs
}

// The pages come with all they need; nothing else may run or load in them but images from where files are served.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:%s; connect-src 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

// pageTypes are stated here because the machine's own table of types may lack or change them.
var pageTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2", ".json": "application/json",
	".md": "text/markdown; charset=utf-8", ".txt": "text/plain; charset=utf-8",
}

// newPages serves the pages under web; filesURL is where the images they show come from.
func newPages(embedded fs.FS, filesURL string) (http.Handler, error) {
	origin := ""
	if u, err := url.Parse(filesURL); err == nil && u.Host != "" {
		origin = " " + u.Scheme + "://" + u.Host
	}
	root, err := fs.Sub(embedded, "web")
	if err != nil {
		return nil, fault.Wrap(err, "open the built pages")
	}
	d, err := shippedDocs()
	return pages{root: root, policy: fmt.Sprintf(pagePolicy, origin), docs: d}, err
}

func (p pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if p.docs.answers(name) {
		p.docs.serve(w, r, name)
		return
	}
	if name == "" || name == "." {
		name = "index.html"
	}
	body, err := fs.ReadFile(p.root, name)
	if err != nil {
		refuse(w, http.StatusNotFound, fault.NotFound, "Not found")
		return
	}
	h := w.Header()
	h.Set("Content-Type", pageTypes[path.Ext(name)])
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, "assets/") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable") // their names change with their content
	}
	_, _ = w.Write(body)
}

// refuse answers in the envelope, as everything does.
func refuse(w http.ResponseWriter, status int, code fault.Code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"data": nil, "error": map[string]any{"code": code, "message": message, "request_id": w.Header().Get("X-Request-Id")},
	})
}
