package app

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/eggapi/eggapi/gen"
)

// docsServer serves the pages as a node does.
func docsServer(t *testing.T) *httptest.Server {
	t.Helper()
	handler, err := newPages(gen.Web, "https://files.example/images")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

type answered struct {
	status int
	header http.Header
	body   string
}

func ask(t *testing.T, url string, header ...string) answered {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", "identity") // what a transport adds by itself it also takes away again
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := (&http.Client{Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{response.StatusCode, response.Header, string(body)}
}

func TestDocs_ServesEachAddressAsWhatItIs(t *testing.T) {
	s := docsServer(t)
	for address, want := range map[string]struct{ contentType, text string }{
		"/docs":               {"text/html; charset=utf-8", "<h1"},
		"/docs/":              {"text/html; charset=utf-8", "<h1"},
		"/docs/quickstart":    {"text/html; charset=utf-8", "<h1"},
		"/docs/quickstart.md": {"text/markdown; charset=utf-8", "# Quickstart\n"},
		"/docs/index.md":      {"text/markdown; charset=utf-8", "# EggAPI\n"},
		"/docs/llms-full.txt": {"text/plain; charset=utf-8", "# Quickstart\n"},
		"/llms.txt":           {"text/plain; charset=utf-8", "(/docs/quickstart.md)"},
		"/docs/reference":     {"text/html; charset=utf-8", `id="explorer"`},
	} {
		a := ask(t, s.URL+address)
		if a.status != http.StatusOK || a.header.Get("Content-Type") != want.contentType {
			t.Errorf("GET %s: %d, %s", address, a.status, a.header.Get("Content-Type"))
		}
		if !strings.Contains(a.body, want.text) {
			t.Errorf("GET %s: %q is missing", address, want.text)
		}
		if got := a.header.Get("Content-Security-Policy"); got != docsPolicy {
			t.Errorf("GET %s: the policy is %q", address, got)
		}
	}
}

func TestDocs_PolicyAllowsNothingInline(t *testing.T) {
	for _, word := range []string{"unsafe", "*", "http:", "https:"} {
		if strings.Contains(docsPolicy, word) {
			t.Errorf("the policy has %q: %s", word, docsPolicy)
		}
	}
}

func TestDocs_UnknownAddressGetsTheEnvelope(t *testing.T) {
	s := docsServer(t)
	for _, address := range []string{"/docs/nothing", "/docs/quickstart.html", "/docs/assets/", "/docs/../docs/x", "/docs/assets/none.js"} {
		a := ask(t, s.URL+address)
		var envelope struct {
			Data  any
			Error *struct{ Code string }
		}
		if err := json.Unmarshal([]byte(a.body), &envelope); err != nil || a.status != http.StatusNotFound {
			t.Fatalf("GET %s: %d %s (%v)", address, a.status, a.body, err)
		}
		if envelope.Data != nil || envelope.Error == nil || envelope.Error.Code != "NOT_FOUND" {
			t.Errorf("GET %s: %s", address, a.body)
		}
	}
}

func TestDocs_AnswersNotModifiedForTheSameTag(t *testing.T) {
	s := docsServer(t)
	for _, encoding := range []string{"identity", "gzip"} {
		tag := ask(t, s.URL+"/docs/errors", "Accept-Encoding", encoding).header.Get("ETag")
		again := ask(t, s.URL+"/docs/errors", "Accept-Encoding", encoding, "If-None-Match", tag)
		if tag == "" || again.status != http.StatusNotModified || again.body != "" {
			t.Errorf("%s: tag %s, %d, %d bytes", encoding, tag, again.status, len(again.body))
		}
		if other := ask(t, s.URL+"/docs/errors", "Accept-Encoding", encoding, "If-None-Match", `"other"`); other.status != http.StatusOK {
			t.Errorf("%s: another tag got %d", encoding, other.status)
		}
	}
	plain, packed := ask(t, s.URL+"/docs/errors"), ask(t, s.URL+"/docs/errors", "Accept-Encoding", "gzip")
	if plain.header.Get("ETag") == packed.header.Get("ETag") {
		t.Error("both encodings have one tag; a cache could mix them up")
	}
}

func TestDocs_PackedFileUnpacksToTheSame(t *testing.T) {
	s := docsServer(t)
	want := ask(t, s.URL+"/docs/errors").body
	packed := ask(t, s.URL+"/docs/errors", "Accept-Encoding", "br, gzip;q=0.8")
	if packed.header.Get("Content-Encoding") != "gzip" || packed.header.Get("Vary") != "Accept-Encoding" {
		t.Fatalf("the answer is not packed: %v", packed.header)
	}
	r, err := gzip.NewReader(strings.NewReader(packed.body))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || string(got) != want {
		t.Errorf("%d bytes unpacked, %d wanted (%v)", len(got), len(want), err)
	}
}

func TestTakesGzip_HeedsTheWeight(t *testing.T) {
	for accepted, want := range map[string]bool{
		"": false, "gzip": true, "br, gzip": true, "GZIP;q=0.5": true, "gzip;q=0": false, "gzip; q=0.000": false,
		"gzip;q=1": true, "br;q=1": false, "xgzip": false, "gzip;q=0.01": true,
	} {
		if got := takesGzip(accepted); got != want {
			t.Errorf("%q: %t", accepted, got)
		}
	}
}

var asset = regexp.MustCompile(`/docs/assets/[^"]+`)

func TestDocs_AssetsAreKeptForeverAndPagesAreNot(t *testing.T) {
	s := docsServer(t)
	page := ask(t, s.URL+"/docs/reference")
	if got := page.header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("a page is kept: %q", got)
	}
	found := asset.FindAllString(page.body, -1)
	if len(found) < 5 {
		t.Fatalf("the reference loads only %v", found)
	}
	for _, address := range found {
		a := ask(t, s.URL+address)
		if a.status != http.StatusOK || !strings.Contains(a.header.Get("Cache-Control"), "immutable") {
			t.Errorf("GET %s: %d, %s", address, a.status, a.header.Get("Cache-Control"))
		}
		if strings.HasSuffix(address, ".js") && a.header.Get("Content-Type") != "text/javascript; charset=utf-8" {
			t.Errorf("GET %s: %s", address, a.header.Get("Content-Type"))
		}
	}
}

func TestNewDocs_FailsWithoutAFirstPage(t *testing.T) {
	if _, err := newDocs(fstest.MapFS{"docs/quickstart.html": {Data: []byte("x")}}); err == nil {
		t.Error("documentation without a first page was taken")
	}
}
