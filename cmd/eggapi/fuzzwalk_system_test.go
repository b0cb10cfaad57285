//go:build system

package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/eggapi/eggapi/internal/apitest"
)

// fuzzed is a server for the fuzzer, with users for it.
type fuzzed struct {
	*dev
	databaseEnv []string
	// Each caller has an account of his own: a session may revoke every key it sees.
	owners   map[string]customer
	stranger customer // who must not see what is theirs
	sink     *httptest.Server
	sunk     atomic.Int64 // requests that the server sent out, such as webhooks
}

func newFuzzed(t *testing.T) *fuzzed {
	t.Helper()
	install(t)
	f := &fuzzed{}
	f.sink = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { f.sunk.Add(1) }))
	t.Cleanup(f.sink.Close)
	f.dev = startDev(t, devPlan{args: []string{"--no-demo"}, env: []string{"EGGAPI_IP_LIMIT=0", "EGGAPI_KEY_LIMIT=0", "EGGAPI_TEST_KEY_LIMIT=0", "EGGAPI_NEW_KEY_LIMIT=0", "EGGAPI_UNKNOWN_KEY_LIMIT=0", "EGGAPI_SIGN_IN_LIMIT=0"}})
	f.databaseEnv = []string{"DATABASE_URL=" + privateDatabase(t, f.dir)}
	at := deployment{url: f.URL, env: f.databaseEnv}
	f.owners, f.stranger = map[string]customer{}, at.newCustomer(t)
	for _, caller := range []string{"key", "session"} {
		f.owners[caller] = at.newCustomer(t)
		f.admin(t, "top-up", f.owners[caller].userID, strconv.Itoa(fuzzTopUpDollars*1_000_000), "--reference", "fuzzing as "+caller)
	}
	return f
}

// install brings the fuzzer, which the first run fetches.
func install(t *testing.T) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), filepath.Join(toolsDir, "fuzz", "install")).CombinedOutput(); err != nil {
		t.Fatalf("install the fuzzer: %v\n%s", err, out)
	}
}

// privateDatabase is the address of the PostgreSQL that `dev` runs in a folder.
func privateDatabase(t *testing.T, dir string) string {
	t.Helper()
	password, err := os.ReadFile(filepath.Join(dir, "postgres.password"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := os.ReadFile(filepath.Join(dir, "postgres", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	port := strings.Split(string(pid), "\n")[3]
	return "postgres://eggapi:" + strings.TrimSpace(string(password)) + "@127.0.0.1:" + port + "/eggapi?sslmode=disable"
}

func (f *fuzzed) admin(t *testing.T, args ...string) {
	t.Helper()
	code, printed := runToEnd(t, command{args: append([]string{"admin"}, args...), env: f.databaseEnv})
	if code != 0 {
		t.Errorf("admin %s: %d %s", args[0], code, printed)
	}
}

// walk is one run of schemathesis as one caller.
type walk struct {
	caller     string   // key, session or nobody
	operations []string // only these; empty = all that are not open to everybody, or all for nobody
	phases     string   // empty = all
	examples   int
	seed       uint64
	minutes    int // 0 = no more than the examples
	proxy      *fuzzProxy
	dir        string
}

// credentials are what a caller of the fuzzer sends.
func (c customer) credentials(caller, origin string) []map[string]string {
	if caller == "key" {
		return []map[string]string{{"name": "Authorization", "value": "Bearer " + c.liveKey}}
	}
	return []map[string]string{
		{"name": "Cookie", "value": c.cookie.Name + "=" + c.cookie.Value}, {"name": "Origin", "value": origin},
	}
}

// run gives the exit code and what was printed.
func (w walk) run(t *testing.T, f *fuzzed) (code int, printed string) {
	t.Helper()
	w.prepare(t, f)
	ctx, cancel := context.WithTimeout(t.Context(), fuzzPatience+time.Duration(w.minutes)*time.Minute)
	defer cancel()
	home := absolute(t, filepath.Join(toolsDir, "fuzz"))
	cmd := exec.CommandContext(ctx, filepath.Join(home, ".venv", "bin", "python"), w.arguments(t)...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "PYTHONPATH="+home, "PYTHONDONTWRITEBYTECODE=1", "SCHEMATHESIS_HOOKS=hooks",
		"FUZZ_SERVER="+f.URL, "FUZZ_SINK="+hostOf(f.sink.URL), "FUZZ_REPORT="+filepath.Join(w.dir, fmt.Sprintf("uses-%d.json", w.seed)))
	if w.caller == "session" {
		owner := f.owners[w.caller]
		account, err := json.Marshal(map[string]string{
			"email": owner.email, "password": owner.password, "cookie": owner.cookie.Name + "=" + owner.cookie.Value,
		})
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, "FUZZ_ACCOUNT="+string(account))
	}
	// A group of its own: Ctrl-C at the terminal of the tests is for the tests.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Errorf("start schemathesis: %v", err)
		return -1, string(out)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// runAll gives what was printed in all phases and the first exit code that is not 0.
func (w walk) runAll(t *testing.T, f *fuzzed) (code int, printed string) {
	t.Helper()
	if w.minutes > 0 { // goes through all phases again and again
		return w.run(t, f)
	}
	w.phases = "examples,coverage,fuzzing"
	code, printed = w.run(t, f)
	w.phases, w.examples = "stateful", fuzzScenarios
	for scenarios, tries := 0, 0; scenarios < fuzzScenarios && tries < 10 && code == 0; tries++ {
		w.seed++
		var more string
		code, more = w.run(t, f)
		printed += more
		if found := scenariosRun.FindStringSubmatch(more); found != nil {
			n, _ := strconv.Atoi(found[1])
			scenarios += n
		}
	}
	return code, printed
}

// uses tells how often each entry of tools/fuzz/decided.py explained an answer.
func (w walk) uses(t *testing.T) map[string]int {
	t.Helper()
	all := map[string]int{}
	files, _ := filepath.Glob(filepath.Join(w.dir, "uses-*.json"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var some map[string]int
		if err := json.Unmarshal(text, &some); err != nil {
			t.Fatal(err)
		}
		for name, n := range some {
			all[name] += n
		}
	}
	return all
}

var scenariosRun = regexp.MustCompile(`Scenarios: +(\d+)`)

func (w walk) arguments(t *testing.T) []string {
	t.Helper()
	args := []string{
		"-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "--no-color", "run", absolute(t, "../../gen/openapi.yaml"),
		"--url", w.proxy.url, "--seed", strconv.FormatUint(w.seed, 10), "--max-examples", strconv.Itoa(w.examples), "--workers", "1",
	}
	if w.phases != "" {
		args = append(args, "--phases", w.phases)
	}
	if w.caller != "nobody" { // whoever has a good credential sends no invented one; ignored_auth tries those
		args = append(args, "--generation-with-security-parameters", "false")
	}
	if w.minutes > 0 {
		args = append(args, "--max-time", strconv.Itoa(w.minutes*60))
	}
	for _, operation := range w.operations {
		args = append(args, "--include-operation-id", operation)
	}
	for _, op := range declared() {
		if len(w.operations) == 0 && w.caller != "nobody" && openToAll(op) { // nobody walks it
			args = append(args, "--exclude-operation-id", op.OperationID)
		}
	}
	return args
}

// prepare writes the settings, and the users of whom one must not see what is the other's.
func (w walk) prepare(t *testing.T, f *fuzzed) {
	t.Helper()
	settings, err := os.ReadFile(filepath.Join(toolsDir, "fuzz", "schemathesis.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if w.caller != "nobody" {
		users, err := json.Marshal(map[string]any{"auth": []any{
			map[string]any{"name": "owner", "fixedHeaders": f.owners[w.caller].credentials(w.caller, f.URL)},
			map[string]any{"name": "stranger", "fixedHeaders": f.stranger.credentials(w.caller, f.URL)},
		}})
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(w.dir, "users.json"), string(users))
		settings = fmt.Appendf(settings, "\n[auth.wfc]\npath = %q\nuser = \"owner\"\npeers = [\"owner\", \"stranger\"]\n",
			filepath.Join(w.dir, "users.json"))
	}
	if closed := w.closed(); len(closed) > 0 && len(w.operations) == 0 {
		list, err := json.Marshal(closed)
		if err != nil {
			t.Fatal(err)
		}
		settings = fmt.Appendf(settings, refusedSettings, list, fuzzRefused)
	}
	if len(w.operations) == 0 && w.minutes == 0 {
		closed := w.closed() // told to be refused, above
		list, err := json.Marshal(slices.DeleteFunc(slices.Clone(dear), func(id string) bool { return slices.Contains(closed, id) }))
		if err != nil {
			t.Fatal(err)
		}
		settings = fmt.Appendf(settings, dearSettings, list, min(fuzzDear, w.examples))
	}
	write(t, filepath.Join(w.dir, "schemathesis.toml"), string(settings))
}

// dear are the operations of which each request costs a password's hash, or a session that has to be opened anew.
var dear = []string{
	"changePassword", "deleteUser", "requestPasswordReset", "resetPassword", "revokeOtherSessions", "revokeSession", "revokeSessions",
}

const dearSettings = `
[[operations]]
include-operation-id = %s
generation.max-examples = %d
`

// refusedSettings is for operations that do not take the caller. Whatever he asks, he is told only that.
const refusedSettings = `
[[operations]]
include-operation-id = %s
generation.max-examples = %d
checks.positive_data_acceptance.expected-statuses = ["401", "503"]
checks.negative_data_rejection.expected-statuses = ["401", "404", "405", "503"]
`

// closed lists the operations that refuse the caller whatever he asks.
func (w walk) closed() []string {
	var closed []string
	for _, op := range declared() {
		if !admits(op, w.caller) && !admits(op, "nobody") {
			closed = append(closed, op.OperationID)
		}
	}
	return closed
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// admits tells whether an operation's security takes a caller.
func admits(op *openapi3.Operation, caller string) bool {
	if openToAll(op) {
		return caller == "nobody"
	}
	scheme := map[string]string{"key": "apiKey", "session": "session"}[caller]
	for _, alternative := range *op.Security {
		if _, taken := alternative[scheme]; taken || len(alternative) == 0 && caller == "nobody" {
			return true
		}
	}
	return false
}

func openToAll(op *openapi3.Operation) bool { return op.Security == nil || len(*op.Security) == 0 }

// declared lists the operations of the contract.
func declared() []*openapi3.Operation {
	var all []*openapi3.Operation
	for _, item := range apitest.Contract().Paths.Map() {
		for _, op := range item.Operations() {
			all = append(all, op)
		}
	}
	slices.SortFunc(all, func(a, b *openapi3.Operation) int { return strings.Compare(a.OperationID, b.OperationID) })
	return all
}
