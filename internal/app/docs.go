package app

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/eggapi/eggapi/gen"
	"github.com/eggapi/eggapi/internal/fault"
)

// docsPolicy lets a page run and load nothing but files of this server, and ask nobody but this server.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"font-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"

// Shorter files gain less by packing than it costs.
const packFromBytes = 1 << 10

// docs serves the rendered documentation. A page's address is its file without .html.
type docs struct {
	files map[string]*docFile // by address, without the slash in front
}

type docFile struct {
	body        []byte
	contentType string
	cache       string
	sum         [sha256.Size]byte
	packed      func() []byte // gzip, worked out at the first use; nil when it would not pay
}

// shippedDocs are the same for every node of a process.
var shippedDocs = sync.OnceValues(func() (*docs, error) { return newDocs(gen.Docs) })

// newDocs reads the files under docs. It fails when there is no first page.
func newDocs(embedded fs.FS) (*docs, error) {
	d := &docs{files: map[string]*docFile{}}
	err := fs.WalkDir(embedded, "docs", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(embedded, name)
		if err != nil {
			return err
		}
		d.files[docAddress(name)] = newDocFile(name, body)
		return nil
	})
	if err == nil && d.files["docs"] == nil {
		err = fs.ErrNotExist
	}
	return d, fault.Wrap(err, "open the documentation; run make generate")
}

func docAddress(name string) string {
	switch name {
	case "docs/index.html":
		return "docs"
	case "docs/llms.txt":
		return "llms.txt"
	}
	return strings.TrimSuffix(name, ".html")
}

func newDocFile(name string, body []byte) *docFile {
	f := &docFile{body: body, contentType: pageTypes[path.Ext(name)], cache: "no-cache", sum: sha256.Sum256(body)}
	if strings.HasPrefix(name, "docs/assets/") {
		f.cache = "public, max-age=31536000, immutable" // their names change with their content
	}
	if len(body) >= packFromBytes {
		f.packed = sync.OnceValue(func() []byte { return pack(body) })
	}
	return f
}

func pack(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// answers tells whether an address is one of the documentation's, be there a page or not.
func (d *docs) answers(address string) bool {
	return address == "docs" || address == "llms.txt" || strings.HasPrefix(address, "docs/")
}

func (d *docs) serve(w http.ResponseWriter, r *http.Request, address string) {
	f := d.files[address]
	if f == nil {
		refuse(w, http.StatusNotFound, fault.NotFound, "Not found")
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Security-Policy", docsPolicy)
	h.Set("Cache-Control", f.cache)
	body, tag := f.body, fmt.Sprintf("%x", f.sum[:12])
	if f.packed != nil {
		h.Set("Vary", "Accept-Encoding")
		if takesGzip(r.Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			body, tag = f.packed(), tag+"-gzip"
		}
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// takesGzip reads Accept-Encoding as RFC 9110, section 12.5.3 has it, but for the order of preference: gzip is taken
// when it is named and not given the weight 0.
func takesGzip(accepted string) bool {
	for part := range strings.SplitSeq(accepted, ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		weight = strings.ReplaceAll(strings.TrimSpace(weight), " ", "")
		return strings.Trim(strings.TrimPrefix(weight, "q="), "0.") != "" || weight == ""
	}
	return false
}
