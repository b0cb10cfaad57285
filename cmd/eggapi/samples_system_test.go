//go:build system

package main_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// inAllLanguages are the samples that each language has.
var inAllLanguages = []string{"quickstart", "authentication", "poll", "idempotency", "errors", "limits", "webhooks"}

// Every sample of the documentation does what the page says, against a running server.
func TestSystem_SamplesOfTheDocumentationRun(t *testing.T) {
	samples := documentedSamples(t)
	w := newWorkshop(t)
	if err := w.compile(t.Context(), samples); err != nil {
		t.Fatalf("TypeScript (make node-web brings its compiler): %v", err)
	}
	servers := map[string]*dev{"": sharedDev(t), "slow": startDev(t, devPlan{
		args: []string{"--no-demo"}, env: append(fetchedPostgres(t), "EGGAPI_KEY_LIMIT=3"),
	})}
	for _, s := range samples {
		t.Run(s.page+"/"+s.name+"/"+s.language, func(t *testing.T) {
			d, address := servers[s.server], ""
			if s.server == "flaky" {
				d = sharedDev(t)
				address = flaky(t, d.URL)
			}
			if d == nil {
				t.Fatalf("%s: there is no server called %s", s, s.server)
			}
			if s.serves {
				receiveWith(t, w, s, d)
				return
			}
			env := append(sampleEnv(d), w.provide(t, s, d)...)
			if address != "" {
				env = append(env, "EGGAPI_URL="+address)
			}
			if err := w.try(t.Context(), s, env); err != nil {
				t.Errorf("%s: %v", s, err)
			}
		})
	}
}

func documentedSamples(t *testing.T) []sample {
	t.Helper()
	pages, err := filepath.Glob("../../docs/site/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages (%v)", err)
	}
	var all []sample
	for _, path := range pages {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found, err := readSamples(filepath.Base(path), string(text))
		if err != nil {
			t.Error(err)
		}
		all = append(all, found...)
	}
	for _, name := range inAllLanguages {
		languages := map[string]bool{}
		for _, s := range all {
			if s.name == name {
				languages[s.language] = true
			}
		}
		// No shell receives webhooks; it verifies one by hand.
		if languages["bash"] = languages["bash"] || name == "webhooks"; len(languages) != 4 {
			t.Errorf("the sample %s is there in %v only", name, languages)
		}
	}
	return all
}

// sampleEnv is what a reader puts into the environment.
func sampleEnv(d *dev) []string {
	return []string{
		"EGGAPI_URL=" + d.URL, "EGGAPI_KEY=" + d.TestKey, "EGGAPI_EMAIL=" + d.Email, "EGGAPI_PASSWORD=" + d.Password,
		"EGGAPI_WEBHOOK_SECRET=" + d.WebhookSecret,
	}
}

// flaky gives the address of a server that is away for the first request, and hangs up on the second. The sample
// must come back after both.
func flaky(t *testing.T, target string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(u)
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch requests.Add(1) {
		case 1:
			w.Header().Set("Retry-After", "1")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"data":null,"error":{"code":"SERVICE_UNAVAILABLE","message":"away","request_id":"req_1"}}`+"\n")
		case 2:
			panic(http.ErrAbortHandler)
		default:
			through.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		server.Close()
		if n := requests.Load(); n < 3 {
			t.Errorf("the sample gave up after %d requests", n)
		}
	})
	return server.URL
}

// provide makes what a sample says it is given.
func (w workshop) provide(t *testing.T, s sample, d *dev) []string {
	t.Helper()
	switch s.given {
	case "":
		return nil
	case "receiver":
		receiver := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNoContent) }))
		t.Cleanup(receiver.Close)
		return []string{"WEBHOOK_URL=" + receiver.URL}
	case "delivery":
		header, body := delivery(t, d)
		path, err := w.file(s)
		if err == nil {
			err = os.WriteFile(filepath.Join(filepath.Dir(path), "body.json"), body, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return []string{"TIMESTAMP=" + header.Get("X-EggAPI-Timestamp"), "SIGNATURE=" + header.Get("X-EggAPI-Signature")}
	}
	t.Fatalf("%s: nobody knows how to give %s", s, s.given)
	return nil
}

// delivery has a webhook sent, and gives it as it came.
func delivery(t *testing.T, d *dev) (http.Header, []byte) {
	t.Helper()
	type request struct {
		header http.Header
		body   []byte
	}
	received := make(chan request, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		received <- request{r.Header, body}
	}))
	t.Cleanup(receiver.Close)
	submit(t, withKey(t, d.URL, d.TestKey), "an egg by hand", receiver.URL)
	var got request
	eventually(t, taskPatience, "a webhook has come", func() bool {
		select {
		case got = <-received:
			return true
		default:
			return false
		}
	})
	return got.header, got.body
}

// receiveWith starts a sample that takes webhooks. It must believe a real one and refuse a forged one.
func receiveWith(t *testing.T, w workshop, s sample, d *dev) {
	t.Helper()
	addr := freeAddr(t)
	dir, args, err := w.command(t.Context(), s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	printed := &output{}
	process := exec.CommandContext(t.Context(), args[0], args[1:]...)
	process.Dir, process.Stdout, process.Stderr = dir, printed, printed
	process.Env = append(append(slices.Clone(w.env), sampleEnv(d)...), "PORT="+addr[strings.LastIndexByte(addr, ':')+1:])
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
		if t.Failed() {
			t.Logf("%s printed:\n%s", s, printed)
		}
	})
	eventually(t, taskPatience, s.String()+" listens", func() bool { return listens(addr) })
	submit(t, withKey(t, d.URL, d.TestKey), "an egg in the post", "http://"+addr+"/")
	eventually(t, taskPatience, s.String()+" has verified a webhook", func() bool { return s.printed(printed.String()) == nil })
	if status := forge(t, addr); status != http.StatusUnauthorized {
		t.Errorf("%s answered a forged webhook with %d", s, status)
	}
}

// forge sends a webhook that was signed by nobody.
func forge(t *testing.T, addr string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr, bytes.NewReader([]byte(`{"event":"task.completed","task_id":"gen_forged"}`)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-EggAPI-Timestamp", "1764000000")
	request.Header.Set("X-EggAPI-Signature", "sha256="+strings.Repeat("0", 64))
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// A sample that does not do what it says is told, whatever is wrong with it.
func TestSystem_SampleThatIsWrongIsReported(t *testing.T) {
	for name, tt := range map[string]struct{ block, want string }{
		"right":                   {"```bash run=x expect='^two$'\necho one\necho two\n```", ""},
		"output":                  {"```json output\n{}\n```", ""},
		"wrong expectation":       {"```bash run=x expect='^three$'\necho one\necho two\n```", "no line fits"},
		"second one wrong":        {"```bash run=x expect='^one$' expect='^three$'\necho one\n```", "no line fits ^three$"},
		"on the wrong stream":     {"```bash run=x expect='^one$'\necho one >&2\n```", "no line fits"},
		"fails":                   {"```bash run=x expect='^one$'\necho one\nexit 3\n```", "exit status 3"},
		"no mark":                 {"```bash\necho one\n```", "neither a run mark"},
		"no expectation":          {"```bash run=x\necho one\n```", "no line that it is expected"},
		"broken expectation":      {"```bash run=x expect='('\necho one\n```", "the expected line"},
		"unknown language":        {"```ruby run=x expect='1'\nputs 1\n```", "nobody knows how to run"},
		"never ends":              {"```bash run=x expect='1'\necho 1", "does not end"},
		"Python warns":            {"```python run=x expect='^1$'\nprint(1)\nimport warnings; warnings.warn('no')\n```", "exit status 1"},
		"Go does not vet":         {"```go run=x expect='^1$'\npackage main\n\nimport \"fmt\"\n\nfunc main() { fmt.Printf(\"%d\\n\", \"1\") }\n```", "wrong type"},
		"TypeScript is not typed": {"```ts run=x expect='^1$'\nconst n: number = \"1\";\nconsole.log(n);\n```", "not assignable"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tryPage(t, tt.block)
			if tt.want == "" && err != nil {
				t.Errorf("reported: %v", err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%q is not reported: %v", tt.want, err)
			}
		})
	}
}

// tryPage runs the samples of a page that needs no server.
func tryPage(t *testing.T, text string) error {
	t.Helper()
	samples, err := readSamples("planted.md", text)
	if err != nil {
		return err
	}
	w := newWorkshop(t)
	if slices.ContainsFunc(samples, func(s sample) bool { return s.language == "ts" }) {
		if err := w.compile(t.Context(), samples); err != nil {
			return err
		}
	}
	for _, s := range samples {
		if err := w.try(t.Context(), s, nil); err != nil {
			return err
		}
	}
	return nil
}
