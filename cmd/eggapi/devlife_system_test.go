//go:build system

package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/internal/dbtest"
)

func TestSystem_DevStoppedDuringATaskEndsItOnceAfterTheNextStart(t *testing.T) {
	dir, addr := filepath.Join(folder(t), "data"), freeAddr(t)
	plan := devPlan{dir: dir, addr: addr, args: []string{"--no-demo"}}
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		d := startDev(t, plan)
		client := withKey(t, d.URL, d.LiveKey)
		taskID := submit(t, client, "an egg that takes its time [[slow:2s]]", "")
		eventually(t, taskPatience, "a worker has the task", func() bool {
			return taskOf(t, client, taskID).Status == "processing"
		})
		mustStop(t, d, s)

		again := startDev(t, plan)
		mustBeImage(t, completed(t, withKey(t, again.URL, again.LiveKey), taskID).Output.URL)
		session, _ := signedIn(t, again.URL, again.Email, again.Password)
		if diff := cmp.Diff([]string{"settle -$0.0100"}, chargesFor(t, session, taskID)); diff != "" {
			t.Errorf("the ledger: %s", diff)
		}
		if held := balanceOf(t, session).Held; held != "$0.00" {
			t.Errorf("%s stays held", held)
		}
		mustStop(t, again, s)
	}
}

func TestSystem_DevKilledLosesNothingAndBlocksNothing(t *testing.T) {
	dir, addr := filepath.Join(folder(t), "data"), freeAddr(t)
	// A short lease, so that the next start soon knows that the worker is dead.
	plan := devPlan{dir: dir, addr: addr, args: []string{"--no-demo"}, env: []string{"EGGAPI_TASK_LEASE_SECONDS=3"}}
	d := startDev(t, plan)
	client := withKey(t, d.URL, d.LiveKey)
	ended := submit(t, client, "an egg before the fall", "")
	completed(t, client, ended)
	open := submit(t, client, "an egg in the fall [[slow:1s]]", "")
	if code, _ := d.stop(t, syscall.SIGKILL); code != -1 {
		t.Fatalf("exit code %d after a kill", code)
	}

	again := startDev(t, plan)
	t.Logf("start after a kill: welcome after %s", again.took.Round(time.Millisecond))
	if diff := cmp.Diff(d.account, again.account); diff != "" {
		t.Errorf("the account changed: %s", diff)
	}
	client = withKey(t, again.URL, again.LiveKey)
	session, _ := signedIn(t, again.URL, again.Email, again.Password)
	for _, taskID := range []string{ended, open} {
		eventually(t, rescuePatience, "task "+taskID+" has ended", func() bool { return taskOf(t, client, taskID).CompletedAt != nil })
		mustBeImage(t, completed(t, client, taskID).Output.URL)
		if diff := cmp.Diff([]string{"settle -$0.0100"}, chargesFor(t, session, taskID)); diff != "" {
			t.Errorf("the ledger: %s", diff)
		}
	}
	mustStop(t, again, syscall.SIGTERM)
}

func TestSystem_DevSaysWhatIsTaken(t *testing.T) {
	first := sharedDev(t)
	t.Run("the data folder", func(t *testing.T) {
		second, dir := devPlan{dir: first.dir}.command(t)
		code, printed := runToEnd(t, second)
		mustRefuse(t, code, printed, dir, "process "+strconv.Itoa(first.cmd.Process.Pid), "EGGAPI_DATA_DIR")
	})
	t.Run("the address", func(t *testing.T) {
		addr := strings.TrimPrefix(first.URL, "http://")
		second, dir := devPlan{addr: addr}.command(t)
		code, printed := runToEnd(t, second)
		mustRefuse(t, code, printed, addr, "EGGAPI_ADDR")
		if n := serversOf(t, dir); n != 0 {
			t.Errorf("%d PostgreSQL processes are left", n)
		}
	})
	if status, _, _ := get(t, first.URL+"/readyz"); status != 200 {
		t.Errorf("the first instance answers /readyz with %d", status)
	}
}

// mustRefuse expects a failure told in one last line for people, which names what it is about.
func mustRefuse(t *testing.T, code int, printed string, texts ...string) {
	t.Helper()
	if code == 0 || code == -1 {
		t.Errorf("exit code %d", code)
	}
	lines := strings.Split(strings.TrimSpace(printed), "\n")
	last := lines[len(lines)-1]
	if !strings.HasPrefix(last, "eggapi: ") || strings.Count(printed, "eggapi: ") != 1 {
		t.Errorf("no single line says what is wrong:\n%s", printed)
	}
	mustContain(t, last, texts...)
	mustNotContain(t, printed, "goroutine", "panic", ".go:", "SQLSTATE")
}

func TestSystem_DevUsesAGivenDatabaseAndStartsNone(t *testing.T) {
	d := startDev(t, devPlan{env: []string{"DATABASE_URL=" + dbtest.NewURL(t)}})
	d.settled(t)
	mustShowDemo(t, d)
	if _, err := os.Lstat(filepath.Join(d.dir, "postgres")); !os.IsNotExist(err) {
		t.Errorf("the data folder has a database: %v", err)
	}
	mustStop(t, d, syscall.SIGINT)
}

// Everything else here runs as whoever runs the tests; so when that is root, this one does not.
func TestSystem_DevNeedsNoRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Logf("user %d runs all of these tests", os.Geteuid())
		return
	}
	const nobody = 65534
	home := folder(t)
	if err := os.Chown(home, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	d := startDev(t, devPlan{
		dir: filepath.Join(home, "project", ".data"), env: append(fetchedPostgres(t), "HOME="+home),
		user: &syscall.Credential{Uid: nobody, Gid: nobody},
	})
	t.Logf("first start as another user: welcome after %s", d.took.Round(time.Millisecond))
	d.settled(t)
	mustShowDemo(t, d)
	mustRunAsPrinted(t, d)
	for _, name := range []string{"dev.json", "secrets.json", "eggapi.log", "postgres"} {
		info, err := os.Stat(filepath.Join(d.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if owner := fmt.Sprint(info.Sys().(*syscall.Stat_t).Uid); owner != strconv.Itoa(nobody) {
			t.Errorf("%s belongs to user %s", name, owner)
		}
	}
	mustStop(t, d, syscall.SIGINT)
}
