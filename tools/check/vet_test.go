package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// vet runs the project's query rules over one file of queries, and returns the queries it refuses.
func vet(t *testing.T, queries string) []string {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{}
	for to, from := range map[string]string{
		"sqlc.vet.yaml":     "../../sqlc.vet.yaml",
		"sql/0001_a.sql":    "testdata/vet/schema.sql",
		"gen/river.sql":     "../../gen/river.sql",
		"queries/tasks.sql": "testdata/vet/" + queries,
	} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		files[to] = string(text)
	}
	write(t, root, files)
	out, err := exec.CommandContext(t.Context(), "go", "tool", "sqlc", "vet", "-f", filepath.Join(root, "sqlc.vet.yaml")).CombinedOutput()
	var refused []string
	for _, m := range regexp.MustCompile(`(?m)^tasks\.sql: (\w+): \w+: `).FindAllSubmatch(out, -1) {
		refused = append(refused, string(m[1]))
	}
	var exit *exec.ExitError
	if failed := errors.As(err, &exit); failed != (len(refused) > 0) || (err != nil && !failed) {
		t.Fatalf("sqlc vet: %v\n%s", err, out)
	}
	return refused
}

func TestQueryRules_LetSoundQueriesPass(t *testing.T) {
	if got := vet(t, "good.sql"); len(got) > 0 {
		t.Errorf("refused %q", got)
	}
}

func TestQueryRules_RefuseEachPlantedFault(t *testing.T) {
	text, err := os.ReadFile("testdata/vet/bad.sql")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^-- name: (\w+)`).FindAllSubmatch(text, -1) {
		want = append(want, string(m[1]))
	}
	if got := vet(t, "bad.sql"); !slices.Equal(got, want) {
		t.Errorf("refused %q\nwant    %q", got, want)
	}
}
