package lint_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eggapi/eggapi/tools/contract/lint"
)

func TestExtensions_EachIsExplainedInThePolicy(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(checkout, "docs/contract-policy.md"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range lint.Extensions {
		if !strings.Contains(string(text), "`"+name) {
			t.Errorf("docs/contract-policy.md does not explain %s", name)
		}
	}
}
