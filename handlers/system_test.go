package handlers_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/eggapi/eggapi/gen"
	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/config"
)

func httpsOptions() apitest.Options {
	return apitest.Options{NoWork: true, Config: func(c *config.Config) { c.PublicURL = "https://egg.example" }}
}

func TestContract_IsServedAsItIsInBothSpellings(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	asYAML, asJSON := s.do(t, get("/openapi.yaml", nil)), s.do(t, get("/openapi.json", nil))
	if !bytes.Equal(asYAML.body, gen.Contract) || asYAML.header.Get("Content-Type") != "application/yaml" {
		t.Errorf("YAML: %d bytes of %s", len(asYAML.body), asYAML.header.Get("Content-Type"))
	}
	var left, right any
	if err := yaml.Unmarshal(asYAML.body, &left); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(asJSON.body, &right); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plain(t, left), right); diff != "" {
		t.Errorf("YAML (-), JSON (+)\n%s", diff)
	}
}

func TestContract_CarriesItsVersionDigestAndTagAndIsNotSentTwice(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	for _, path := range []string{"/openapi.yaml", "/openapi.json"} {
		a := s.do(t, get(path, nil))
		sum := sha256.Sum256(a.body)
		if want := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"; a.header.Get("Repr-Digest") != want {
			t.Errorf("%s: the digest is %s, want %s", path, a.header.Get("Repr-Digest"), want)
		}
		if version := apitest.Contract().Info.Version; a.header.Get("Contract-Version") != version {
			t.Errorf("%s: the version is %s, want %s", path, a.header.Get("Contract-Version"), version)
		}
		tag := a.header.Get("ETag")
		for condition, status := range map[string]int{
			tag: 304, "W/" + tag: 304, `"other", ` + tag: 304, "*": 304, `"other"`: 200, "W/" + `"other"`: 200, tag + "x": 200, "x": 200,
		} {
			again := s.do(t, get(path, http.Header{"If-None-Match": {condition}}))
			if again.status != status || (again.status == 304) != (len(again.body) == 0) || again.header.Get("ETag") != tag {
				t.Errorf("%s: If-None-Match: %s gave %d, %d bytes, ETag %s", path, condition, again.status, len(again.body), again.header.Get("ETag"))
			}
		}
	}
}

// plain gives v as JSON would hold it.
func plain(t *testing.T, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestReadiness_NamesEveryCheckAndFailsWhileShuttingDown(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{})
	got := strings.TrimSpace(string(s.do(t, get("/readyz", nil)).body))
	want := `{"data":{"checks":{"database":"ok","draining":"ok","listener":"ok","queue":"ok","storage":"ok"},"status":"ready"},"error":null}`
	if got != want {
		t.Errorf("ready: %s", got)
	}
	if s.hangsUp(t) {
		t.Error("connections are not kept open")
	}
	s.Node.Drain() // as at the start of a shutdown
	a := s.do(t, get("/readyz", nil))
	expect(t, a, 503, "SERVICE_UNAVAILABLE", "not ready: draining")
	if a := s.do(t, get("/v1/tasks", withKey(s.ada.LiveKey))); a.status != http.StatusOK {
		t.Errorf("requests that come meanwhile: %d %s", a.status, a.body)
	}
	if !s.hangsUp(t) {
		t.Error("connections are kept open meanwhile")
	}
	if a := s.do(t, get("/healthz", nil)); string(bytes.TrimSpace(a.body)) != `{"data":{"status":"ok"},"error":null}` {
		t.Errorf("healthy: %d %s", a.status, a.body)
	}
}

// hangsUp tells whether the server asks a client that would keep its connection to close it.
func (s *stage) hangsUp(t *testing.T) bool {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Get(s.URL + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	return response.Close
}

func TestReadiness_FailsWhenTheDatabaseIsGoneAndHealthDoesNot(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	s.loseDatabase(t)
	apitest.Eventually(t, "the listener notices", func() bool { return !s.Node.Keyring.Listening() })
	a := s.do(t, get("/readyz", nil))
	expect(t, a, 503, "SERVICE_UNAVAILABLE", "not ready: database, listener, queue")
	if a := s.do(t, get("/healthz", nil)); a.status != http.StatusOK {
		t.Errorf("healthy: %d %s", a.status, a.body)
	}
}
