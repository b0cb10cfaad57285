package lint_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/eggapi/eggapi/tools/contract/lint"
	"github.com/eggapi/eggapi/tools/contract/source"
)

const checkout = "../../.."

// sources are the contract's files as they are in the checkout.
func sources(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(os.DirFS(checkout), "openapi", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(p) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(filepath.Join(checkout, p))
		files[p] = &fstest.MapFile{Data: text}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func run(t *testing.T, files fs.FS) []lint.Finding {
	t.Helper()
	tree, err := source.Open(files)
	if err != nil {
		t.Fatal(err)
	}
	return lint.Run(lint.Read(tree))
}

func TestRun_FindsNothingInTheContract(t *testing.T) {
	for _, f := range run(t, sources(t)) {
		t.Error(f)
	}
}

func TestRules_EachHasANameAReasonAndAPlantedFault(t *testing.T) {
	names := map[string]bool{}
	for _, rule := range lint.Rules {
		if names[rule.Name] || rule.Name == "" || !strings.HasSuffix(rule.Why, ".") {
			t.Errorf("rule %q: needs a name of its own and a reason in one sentence", rule.Name)
		}
		names[rule.Name] = true
		if !planted(rule.Name) {
			t.Errorf("rule %s: no fault is planted for it", rule.Name)
		}
	}
}

func planted(rule string) bool {
	for _, p := range plants {
		if p.rule == rule {
			return true
		}
	}
	return false
}
