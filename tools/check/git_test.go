package main

import (
	"os/exec"
	"strings"
	"testing"
)

func TestMigrations_ThatLandedAreNeverChanged(t *testing.T) {
	tree := plant(t, nil)
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.test", "-c", "commit.gpgsign=false"}, args...)...)
		cmd.Dir = tree.Root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	run("init", "-q")
	run("add", ".")
	run("commit", "-q", "-m", "landed")
	run("update-ref", "refs/remotes/origin/main", "HEAD")

	check := func() []string {
		t.Helper()
		again, err := ReadTree(tree.Root)
		if err != nil {
			t.Fatal(err)
		}
		return faultsOf(t, again)
	}

	write(t, tree.Root, map[string]string{"sql/0003_more.sql": "-- +goose Up\n-- +goose Down\n"})
	if got := check(); len(got) > 0 {
		t.Fatalf("a new migration is a fault: %q", got)
	}
	write(t, tree.Root, map[string]string{"sql/0003_more.sql": "-- +goose Up\nselect 1;\n-- +goose Down\n"})
	run("add", ".")
	run("commit", "-q", "-m", "not landed")
	write(t, tree.Root, map[string]string{"sql/0003_more.sql": "-- +goose Up\n-- +goose Down\n"})
	if got := check(); len(got) > 0 {
		t.Fatalf("changing what has not landed is a fault: %q", got)
	}

	write(t, tree.Root, map[string]string{"sql/0002_tasks.sql": strings.ReplaceAll(sound["sql/0002_tasks.sql"], "id text not null", "id uuid not null")})
	if got := check(); len(got) != 1 || !strings.Contains(got[0], "sql/0002_tasks.sql: has landed") {
		t.Fatalf("changing what has landed gives %q", got)
	}
	run("checkout", "-q", "sql/0002_tasks.sql")
	run("mv", "sql/0002_tasks.sql", "sql/0002_jobs.sql")
	if got := check(); len(got) != 1 || !strings.Contains(got[0], "sql/0002_tasks.sql: has landed") {
		t.Fatalf("renaming what has landed gives %q", got)
	}
}
