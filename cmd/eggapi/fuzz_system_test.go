//go:build system

package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// How much the ordinary run asks. EGGAPI_FUZZ_MINUTES and EGGAPI_FUZZ_SEED make another of it.
const (
	fuzzExamples     = 300   // cases of an operation and caller in the fuzzing phase
	fuzzScenarios    = 500   // ways through links; docs/decisions/0017 says why they are counted
	fuzzDear         = 50    // the same where each request costs a password's hash
	fuzzRefused      = 25    // the same where the caller is refused whatever he asks
	fuzzSeed         = 1     // docs/decisions/0017 says why it is fixed
	fuzzRequests     = 20000 // an ordinary run that asks fewer fails
	fuzzPatience     = 15 * time.Minute
	fuzzTopUpDollars = 1_000_000
)

const toolsDir = "../../tools"

// fuzzFigures are what schemathesis says of each phase.
var fuzzFigures = regexp.MustCompile(`.*(Examples|Coverage|Fuzzing|Stateful) \(in.*|.*(Scenarios|API Links): .*`)

// TestSystem_ContractHoldsUnderFuzzing walks the whole contract as each kind of caller, all at the same time.
func TestSystem_ContractHoldsUnderFuzzing(t *testing.T) {
	f, record, size := newFuzzed(t), newRecording(t), fuzzSize(t)
	walks := map[string]walk{}
	for _, caller := range []string{"key", "session", "nobody"} {
		w := size
		w.caller, w.proxy, w.dir = caller, newFuzzProxy(t, f.URL, record), t.TempDir()
		walks[caller] = w
	}
	from := time.Now()
	t.Run("callers", func(t *testing.T) {
		for caller, w := range walks {
			t.Run(caller, func(t *testing.T) {
				t.Parallel()
				code, printed := w.runAll(t, f)
				if code != 0 {
					t.Errorf("schemathesis ended with %d:\n%s", code, printed)
				}
				for _, line := range fuzzFigures.FindAllString(printed, -1) {
					t.Logf("%-8s %s", caller, strings.Join(strings.Fields(line), " "))
				}
			})
		}
	})
	took := time.Since(from)
	total := 0
	for caller, w := range walks {
		total += w.proxy.total()
		for _, line := range w.proxy.lines() {
			t.Logf("%-8s %s", caller, line)
		}
		mustSucceedWhereDeclared(t, w)
		mustFollowLinks(t, w)
	}
	_, _ = fmt.Fprintf(os.Stdout, "contract fuzz: %d requests in %s (%.0f a second), seed %d, %d webhooks and fetches\n",
		total, took.Round(time.Second), float64(total)/took.Seconds(), size.seed, f.sunk.Load())
	if size.minutes == 0 && total < fuzzRequests {
		t.Errorf("only %d requests were made, %d are wanted", total, fuzzRequests)
	}
	mustUseEveryDecision(t, walks)
	f.admin(t, "check")
	mustHaveQuietLog(t, f)
	mustAgreeWithSecondOpinion(t, record.path(t))
}

// wantFollowed are the ways through the links of the contract that lead from what was created to what is done with it.
var wantFollowed = map[string][]string{
	"key":     {"generate -> getTask"},
	"session": {"generate -> getTask", "createAPIKey -> getAPIKey", "createAPIKey -> updateAPIKey", "createAPIKey -> revokeAPIKey"},
}

// wantMail are the operations that succeed only with what a mail holds, which no fuzzer reads.
var wantMail = []string{"resetPassword", "verifyEmail"}

// mustFollowLinks expects that states were walked, not only requests made.
func mustFollowLinks(t *testing.T, w walk) {
	t.Helper()
	t.Logf("%-8s followed: %v", w.caller, w.proxy.followed)
	for _, way := range wantFollowed[w.caller] {
		if w.proxy.followed[way] == 0 {
			t.Errorf("%s was never followed as %s", way, w.caller)
		}
	}
}

// fuzzSize reads how much is wanted. Whoever wants it for longer wants to see what nobody has seen.
func fuzzSize(t *testing.T) walk {
	t.Helper()
	w := walk{examples: fuzzExamples, seed: fuzzSeed}
	var err error
	if text := os.Getenv("EGGAPI_FUZZ_MINUTES"); text != "" {
		w.seed = rand.Uint64() >> 1
		if w.minutes, err = strconv.Atoi(text); err != nil || w.minutes < 1 {
			t.Fatalf("EGGAPI_FUZZ_MINUTES=%q is not a number of minutes", text)
		}
	}
	if text := os.Getenv("EGGAPI_FUZZ_SEED"); text != "" {
		if w.seed, err = strconv.ParseUint(text, 10, 63); err != nil {
			t.Fatalf("EGGAPI_FUZZ_SEED=%q is not a seed", text)
		}
	}
	return w
}

// mustSucceedWhereDeclared expects that a caller got through where the contract lets him, and nowhere else.
func mustSucceedWhereDeclared(t *testing.T, w walk) {
	t.Helper()
	for _, op := range declared() {
		succeeded := w.proxy.succeeded(op.OperationID)
		if admits(op, w.caller) && !succeeded && !slices.Contains(wantMail, op.OperationID) {
			t.Errorf("%s never succeeded as %s", op.OperationID, w.caller)
		}
		if succeeded && slices.Contains(w.closed(), op.OperationID) {
			t.Errorf("%s succeeded as %s", op.OperationID, w.caller)
		}
	}
}

// seldom are the entries that a run may go without: they need a certain way through the links, and in it a certain order.
var seldom = []string{"revoked-key-stays-shown"}

// mustUseEveryDecision fails on an entry of tools/fuzz/decided.py that explained nothing, or that nobody can read about.
func mustUseEveryDecision(t *testing.T, walks map[string]walk) {
	t.Helper()
	pages, _ := filepath.Glob("../../docs/decisions/0017-*.md")
	if len(pages) != 1 {
		t.Fatalf("the decisions are in %v", pages)
	}
	page, err := os.ReadFile(pages[0])
	if err != nil {
		t.Fatal(err)
	}
	uses := map[string]int{}
	for caller, w := range walks {
		own := w.uses(t)
		for name, n := range own {
			uses[name] += n
		}
		t.Logf("%-8s decided: %v", caller, own)
	}
	if len(uses) == 0 {
		t.Error("the fuzzer has not said what it was told to accept")
	}
	for name, n := range uses {
		if n == 0 && !slices.Contains(seldom, name) {
			t.Errorf("decided.py: %s explains nothing", name)
		}
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("%s does not say why %s is accepted", pages[0], name)
		}
	}
}

var serverFault = regexp.MustCompile(`"status":5(0[0-24-9]|[1-9]\d)|panic|"level":"ERROR"`)

// mustHaveQuietLog fails on each line of the server that tells of a fault of its own.
func mustHaveQuietLog(t *testing.T, f *fuzzed) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, "eggapi.log"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if serverFault.MatchString(line) {
			t.Errorf("the server logged: %s", line)
		}
	}
	mustNotContain(t, f.output.String(), "panic", "goroutine")
}

// mustAgreeWithSecondOpinion has another validator judge what was said. Some entries of its table are for requests
// that only the tests of handlers/ make.
func mustAgreeWithSecondOpinion(t *testing.T, path string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "-C", toolsDir, "run", "./secondopinion", "-allow-idle", "-contract", absolute(t, "../../gen/openapi.yaml"), path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("second opinion: %v\n%s", err, out)
		return
	}
	_, _ = os.Stdout.Write(out)
}
