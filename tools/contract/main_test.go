package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRun_CheckPrintsEachFindingAndThenOneLineOfFigures(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, folder := range []string{"openapi", "gen"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(root, "openapi"), os.DirFS("../../openapi")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../gen/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "gen/openapi.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if found, out := checked(t, root); found != 0 || strings.Count(out, "\n") != 1 || !strings.Contains(out, " rules, ") {
		t.Errorf("%d findings:\n%s", found, out)
	}
	models := filepath.Join(root, "openapi/paths/models.yaml")
	source, err := os.ReadFile(models)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(models, bytes.Replace(source, []byte("summary: List models"), []byte("summary: List models."), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	found, out := checked(t, root)
	if found != 2 || !strings.Contains(out, "openapi/paths/models.yaml:5: operation-summary: ") || !strings.Contains(out, "run make generate") {
		t.Errorf("%d findings:\n%s", found, out)
	}
}

func checked(t *testing.T, root string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	found, err := run(&out, "check", root, time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return found, out.String()
}

func TestRun_RulesAreListedWithTheirReasonsAndOthersRefused(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if _, err := run(&out, "rules", ".", time.Time{}); err != nil || !strings.Contains(out.String(), "operation-id ") {
		t.Errorf("%v:\n%s", err, out.String())
	}
	if _, err := run(&out, "fly", "../..", time.Time{}); err == nil || !strings.Contains(err.Error(), "usage:") {
		t.Errorf("%v", err)
	}
}
