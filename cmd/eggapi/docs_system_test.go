//go:build system

package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The documentation in a real browser, as its own script reads it. EGGAPI_SHOTS may name a folder for screenshots.
func TestSystem_DocumentationReadsWellAndTheReferenceWorks(t *testing.T) {
	d := sharedDev(t)
	out, err := readDocs(t, filepath.Join(d.dir, "dev.json"), "SHOTS="+os.Getenv("EGGAPI_SHOTS"))
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("%v (make node-web brings what the script needs)", err)
	}
}

// readDocs runs the script, and gives what it printed.
func readDocs(t *testing.T, devJSON string, env ...string) (string, error) {
	t.Helper()
	home := folder(t) // a short path: Chromium puts a socket below it
	node := exec.CommandContext(t.Context(), "node", "web/e2e/docs.mjs")
	node.Dir = "../.."
	node.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "CHROMIUM=" + findBrowser(t), "EGGAPI_DEV_JSON=" + devJSON,
	}, env...)
	out, err := node.CombinedOutput()
	return string(out), err
}

// What the script is there to find it finds, when it is planted between the server and the browser.
func TestSystem_DocumentationScriptFindsPlantedFaults(t *testing.T) {
	d := sharedDev(t)
	for name, tt := range map[string]struct {
		path, old, put string // an edit of the body
		edit           func(http.Header)
		want           string
	}{
		"no policy": {
			path: "/docs/quickstart", edit: func(h http.Header) { h.Del("Content-Security-Policy") }, want: "the Content-Security-Policy of",
		},
		"a weaker policy": {
			path: "/docs/quickstart", want: "'unsafe-inline'",
			edit: func(h http.Header) {
				h.Set("Content-Security-Policy", strings.Replace(h.Get("Content-Security-Policy"), "style-src 'self'", "style-src 'self' 'unsafe-inline'", 1))
			},
		},
		"a script in a page":      {path: "/docs/limits", old: "</article>", put: "<script>1</script></article>", want: "policy violation: script-src"},
		"an image from elsewhere": {path: "/docs/limits", old: "</article>", put: `<img src="https://example.com/a.png"></article>`, want: "request to https://example.com"},
		"a page out of line":      {path: "/docs/limits", old: `rel="next"`, put: `rel="none"`, want: "the way from page to page has only"},
		"a key that is not taken": {path: "/v1/tasks", old: `"pagination"`, put: `"nothing"`, want: "GET /v1/tasks shows 200"},
		"a key that is kept":      {path: "/docs/assets/reference.", old: "persistAuthorization: false", put: "persistAuthorization: true", want: "the key is kept"},
	} {
		t.Run(name, func(t *testing.T) {
			front := behind(t, d.URL, func(r *http.Response) {
				if !strings.HasPrefix(r.Request.URL.Path, tt.path) {
					return
				}
				if tt.edit != nil {
					tt.edit(r.Header)
				}
				replace(t, r, tt.old, tt.put)
			})
			told := d.account
			told.URL = front
			text, err := json.Marshal(told)
			path := filepath.Join(t.TempDir(), "dev.json")
			if err == nil {
				err = os.WriteFile(path, text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if out, err := readDocs(t, path); err == nil || !strings.Contains(out, tt.want) {
				t.Errorf("%q is not told (%v):\n%s", tt.want, err, out)
			}
		})
	}
}

// behind gives the address of a proxy that changes answers.
func behind(t *testing.T, target string, change func(*http.Response)) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.Out.Header.Del("Accept-Encoding") // what is packed cannot be edited
		},
		ModifyResponse: func(r *http.Response) error {
			change(r)
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

func replace(t *testing.T, r *http.Response, old, put string) {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	if old != "" && r.StatusCode == http.StatusOK {
		body = bytes.ReplaceAll(body, []byte(old), []byte(put))
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
}
