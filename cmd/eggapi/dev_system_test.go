//go:build system

package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/gen/apiclient"
)

// One folder, two starts: what a new user sees on the first day and on the second.
func TestSystem_DevShowsTheWholeJobAndKeepsItForTheNextStart(t *testing.T) {
	dir, addr := filepath.Join(folder(t), "data"), freeAddr(t)
	d := startDev(t, devPlan{dir: dir, addr: addr, env: []string{"EGGAPI_LOG_LEVEL=debug"}})
	t.Logf("first start: welcome after %s", d.took.Round(time.Millisecond))
	d.settled(t)
	mustWelcome(t, d)
	mustShowDemo(t, d)
	taskID := mustRunAsPrinted(t, d)
	if serversOf(t, dir) == 0 {
		t.Error("no PostgreSQL runs on the data folder")
	}
	mustStop(t, d, syscall.SIGINT)
	mustHideSecrets(t, d)

	again := startDev(t, devPlan{dir: dir, addr: addr, args: []string{"--no-demo"}})
	t.Logf("later start: welcome after %s", again.took.Round(time.Millisecond))
	if again.took > 5*time.Second {
		t.Errorf("the later start took %s", again.took)
	}
	again.settled(t)
	mustNotContain(t, again.output.String(), "accepted ", "completed ", "image  ", "usage  ", "signature verified")
	if diff := cmp.Diff(d.account, again.account); diff != "" {
		t.Errorf("the account changed: %s", diff)
	}
	session, _ := signedIn(t, again.URL, again.Email, again.Password)
	if got := balanceOf(t, session).Balance; got != "$999.9900" {
		t.Errorf("the balance is %s", got)
	}
	mustBeImage(t, completed(t, withKey(t, again.URL, again.LiveKey), taskID).Output.URL)
	mustStop(t, again, syscall.SIGTERM)
}

// mustStop sends a signal: the program ends well, says so, and leaves no PostgreSQL behind.
func mustStop(t *testing.T, d *dev, s syscall.Signal) {
	t.Helper()
	code, took := d.stop(t, s)
	t.Logf("stopped by %s after %s", s, took.Round(time.Millisecond))
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	mustContain(t, d.output.String(), "Stopping")
	mustNotContain(t, d.output.String(), "did not stop cleanly", "eggapi: ")
	if n := serversOf(t, d.dir); n != 0 {
		t.Errorf("%d PostgreSQL processes are left", n)
	}
}

func mustWelcome(t *testing.T, d *dev) {
	t.Helper()
	mustContain(t, d.output.String(),
		"page       "+d.URL, "docs       "+d.URL+"/docs", "sign in    "+d.Email+"  "+d.Password, "live key   "+d.LiveKey, "test key   "+d.TestKey,
		"secret "+d.WebhookSecret, "dev.json", "curl -s "+d.URL+"/v1/generate ")
	path := filepath.Join(d.dir, "dev.json")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("dev.json has mode %o", info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var told map[string]string
	if err := json.Unmarshal(text, &told); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"url", "email", "password", "live_key", "test_key"} {
		if told[name] == "" {
			t.Errorf("dev.json has no %s", name)
		}
	}
}

var (
	demoAccepted  = regexp.MustCompile(`(?m)^accepted   (gen_\w+)$`)
	demoCompleted = regexp.MustCompile(`(?m)^completed  in (\d+\.\d\d) s, cost (\S+)$`)
	demoImage     = regexp.MustCompile(`(?m)^image      (\S+)$`)
	demoUsage     = regexp.MustCompile(`(?m)^usage      nanobanana: 1 image`)
	demoWebhook   = regexp.MustCompile(`(?m)^webhook    signature verified: (\{.*\})$`)
)

// mustShowDemo reads the life of the image that every start makes.
func mustShowDemo(t *testing.T, d *dev) {
	t.Helper()
	printed := d.output.String()
	find := func(what *regexp.Regexp) []string {
		found := what.FindStringSubmatch(printed)
		if found == nil {
			t.Fatalf("no line like %s in:\n%s", what, printed)
		}
		return found
	}
	taskID, ended := find(demoAccepted)[1], find(demoCompleted)
	if seconds, err := strconv.ParseFloat(ended[1], 64); err != nil || seconds <= 0 || seconds > taskPatience.Seconds() {
		t.Errorf("the demo is said to have taken %s s", ended[1])
	}
	if ended[2] != "$0.00" {
		t.Errorf("the demo is said to have cost %s", ended[2])
	}
	mustBeImage(t, find(demoImage)[1])
	find(demoUsage)
	mustContain(t, find(demoWebhook)[1], `"task_id":"`+taskID+`"`, `"event":"task.completed"`)
}

// mustRunAsPrinted pastes the printed lines into a shell, as a reader of the terminal would, and follows the money.
func mustRunAsPrinted(t *testing.T, d *dev) (taskID string) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(d.output.String()) {
		if strings.HasPrefix(line, "curl ") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 2 {
		t.Fatalf("%d curl lines were printed", len(lines))
	}
	var answer apiclient.TaskEnvelope
	if status := paste(t, lines[0], &answer); status != "202" || answer.Data.Status != "pending" {
		t.Fatalf("the printed line was answered %s: %+v", status, answer)
	}
	taskID = answer.Data.ID
	follow := strings.Replace(lines[1], "/tasks/ID ", "/tasks/"+taskID+" ", 1)
	eventually(t, taskPatience, "the second printed line shows the end", func() bool {
		return paste(t, follow, &answer) == "200" && answer.Data.CompletedAt != nil
	})
	if answer.Data.Status != "completed" || answer.Data.Cost != "$0.0100" {
		t.Fatalf("the task ended as %+v", answer.Data)
	}
	mustBeImage(t, answer.Data.Output.URL)
	mustBill(t, d, taskID)
	eventually(t, taskPatience, "the webhook has verified", func() bool {
		for _, found := range demoWebhook.FindAllStringSubmatch(d.output.String(), -1) {
			if strings.Contains(found[1], `"task_id":"`+taskID+`"`) && strings.Contains(found[1], `"cost":"0.010000"`) {
				return true
			}
		}
		return false
	})
	return taskID
}

// mustBill expects one image of one cent on every book of an account that had a thousand dollars.
func mustBill(t *testing.T, d *dev, taskID string) {
	t.Helper()
	var got, want any
	paste(t, `curl `+d.URL+`/v1/usage/summary -H "Authorization: Bearer `+d.LiveKey+`"`, &got)
	const documented = `{"data":[{"model":"nanobanana","total_units":1,"total_cost":"$0.0100","request_count":1}],"error":null}`
	if err := json.Unmarshal([]byte(documented), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the usage summary: %s", diff)
	}
	session, _ := signedIn(t, d.URL, d.Email, d.Password)
	if diff := cmp.Diff([]string{"settle -$0.0100"}, chargesFor(t, session, taskID)); diff != "" {
		t.Errorf("the ledger: %s", diff)
	}
	if diff := cmp.Diff(apiclient.Balance{Balance: "$999.9900", Held: "$0.00", Available: "$999.9900"}, balanceOf(t, session)); diff != "" {
		t.Errorf("the balance: %s", diff)
	}
}

// paste runs a line in bash exactly as it is. What curl is told besides, it reads from its own settings.
func paste(t *testing.T, line string, answer any) (status string) {
	t.Helper()
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".curlrc"), []byte(`write-out = "\n%{http_code}"`), 0o600); err != nil {
		t.Fatal(err)
	}
	bash := exec.CommandContext(t.Context(), "bash", "-c", line)
	bash.Env = []string{"PATH=" + os.Getenv("PATH"), "CURL_HOME=" + home, "HOME=" + home}
	out, err := bash.Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	cut := strings.LastIndexByte(string(out), '\n')
	if err := json.Unmarshal([]byte(strings.TrimSpace(string(out[:cut]))), answer); err != nil {
		t.Fatalf("%s\nanswered %s", line, out)
	}
	return string(out[cut+1:])
}

// mustHideSecrets expects no credential in the log, though it was written at its most talkative.
func mustHideSecrets(t *testing.T, d *dev) {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(d.dir, "eggapi.log"))
	if err != nil {
		t.Fatal(err)
	}
	mustContain(t, string(log), `"level":"DEBUG"`, `"operation":"generate"`)
	for _, secret := range []string{d.Password, d.LiveKey, d.TestKey, d.WebhookSecret} {
		if strings.Contains(string(log), secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
}
