package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTry_TellsANoticedMutantFromTheOthers(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":      "module x\n\ngo 1.26\n",
		"sum.go":      "package x\n\nimport _ \"embed\"\n\n//go:embed sum.sql\nvar query string\n\nfunc sum(a, b int) int { return a + b }\n",
		"sum.sql":     "where balance >= amount",
		"sum_test.go": "package x\n\nimport \"testing\"\n\nfunc TestSum(t *testing.T) {\n\tif sum(2, 2) != 4 || query != \"where balance >= amount\" {\n\t\tt.Fatal()\n\t}\n}\n\nfunc TestRed(t *testing.T) { t.Fatal() }\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	edit := func(file, find, put string) []Edit { return []Edit{{file, find, put}} }
	tests := map[string]struct {
		edits []Edit
		run   string
		want  string
	}{
		"Go code that a test covers":      {edit("sum.go", "a + b", "a - b"), "TestSum", Killed},
		"embedded SQL that a test covers": {edit("sum.sql", "where balance >= amount", ""), "TestSum", Killed},
		"code that no test covers":        {edit("sum.go", "a + b", "b + a"), "TestSum", Survived},
		"code that does not compile":      {edit("sum.go", "a + b", "a +"), "TestSum", Unfit},
		"a text that is gone":             {edit("sum.go", "a * b", "a"), "TestSum", Unfit},
		"a text that stands twice":        {edit("sum.go", "int", "int64"), "TestSum", Unfit},
		"tests that fail anyhow":          {edit("sum.go", "a + b", "a - b"), "TestRed", Unfit},
		"a run that fits no test":         {edit("sum.go", "a + b", "a - b"), "TestNone", Unfit},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := Mutant{Name: name, Edits: tt.edits, Packages: []string{"."}, Run: tt.run}
			if got := m.Try(t.Context(), root); got.Word != tt.want {
				t.Errorf("verdict %q, want %q\n%s", got.Word, tt.want, got.Text)
			}
		})
	}
}
