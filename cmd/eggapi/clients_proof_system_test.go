//go:build system

package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/eggapi/eggapi/internal/apitest"
)

// The driver must notice what a client leaves out, even when the client itself is content.
func TestClients_SystemDriverReportsAStepLeftOut(t *testing.T) {
	for name, wanted := range map[string]string{
		"complete": "",
		"nine":     `"validation"], not`, // as the last step taken
		"twice":    "the steps taken are",
		"failing":  "exit status 1",
	} {
		t.Run(name, func(t *testing.T) {
			folder, err := filepath.Abs(filepath.Join("testdata", "clients", name))
			if err != nil {
				t.Fatal(err)
			}
			err = clientWalk{folder: folder, url: "http://127.0.0.1:1", key: "egg_test_none"}.take(t.Context())
			switch {
			case wanted == "" && err != nil:
				t.Errorf("a client that takes every step is reported: %v", err)
			case wanted != "" && (err == nil || !strings.Contains(err.Error(), wanted)):
				t.Errorf("the report is %v; it must contain %s", err, wanted)
			}
		})
	}
}

// recorder takes the place of a test that is expected to fail.
type recorder struct {
	testing.TB
	problems []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// What a client's own types would swallow, the proxy in front of it must not.
func TestClients_SystemProxyReportsAnAnswerOutsideTheContract(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "req_1")
		_, _ = w.Write([]byte(`{"data":[{"id":1}],"error":null}`))
	}))
	defer server.Close()
	watched := &recorder{TB: t}
	proxy := apitest.NewProxy(watched)
	proxy.Forward(t, server.URL)
	if status, _, _ := get(t, proxy.URL+"/v1/models"); status != http.StatusOK {
		t.Fatalf("the proxy answered %d itself", status)
	}
	if len(watched.problems) != 1 || !strings.Contains(watched.problems[0], "against the contract") {
		t.Errorf("a number as a model's id was let through: %q", watched.problems)
	}
}

// A promise that is taken back must show when a customer builds, not when he runs. The generators that take longest
// are left out.
func TestClients_SystemBuildFailsWhenTheContractTakesAMemberBack(t *testing.T) {
	contract, err := os.ReadFile("../../gen/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	member := regexp.MustCompile(`(?s)(\n    TaskOutput:\n.*?- )url(\n.*?\n {8})url(:\n)`)
	if len(member.FindAllIndex(contract, -1)) != 1 {
		t.Fatal("TaskOutput.url is written in another way now: mend this test")
	}
	planted := filepath.Join(t.TempDir(), "openapi.yaml")
	if err := os.WriteFile(planted, member.ReplaceAll(contract, []byte("${1}link${2}link${3}")), 0o600); err != nil {
		t.Fatal(err)
	}
	for generator, wanted := range map[string]string{
		"oapi-codegen":          "task.Output.URL undefined",
		"openapi-python-client": `"TaskOutput" has no attribute "url"`,
	} {
		t.Run(generator, func(t *testing.T) {
			folder, err := filepath.Abs(filepath.Join(clientsFolder, generator))
			if err != nil {
				t.Fatal(err)
			}
			printed, err := script(t.Context(), filepath.Join(folder, "build"), "EGGAPI_CONTRACT="+planted)
			if err == nil || !strings.Contains(printed, wanted) {
				t.Errorf("build ended with %v and does not say %s:\n%s", err, wanted, printed)
			}
		})
	}
}
